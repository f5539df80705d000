//! The workflow as a program calls it, with failures and moved time, a step by itself, and whether all fits together.

use tasker_runtime::{StepError, Tasker, testing};

use super::checkout::{Order, charge, checkout, validate};

fn order(cents: u64) -> Order {
    Order { item: "book".to_owned(), cents }
}

#[test]
fn a_program_runs_it_and_gets_what_its_last_step_returns() {
    let shipped = testing::block_on(async {
        let tasker = Tasker::builder().database("sqlite::memory:").start().await.unwrap();
        let shipped: String = checkout.run(&tasker, &order(1250)).await.unwrap();
        shipped
    });
    assert_eq!(shipped, "book shipped for 1250 cents");
}

#[test]
fn an_order_is_shipped_though_the_charge_fails_at_first() {
    let run = testing::run(checkout, &order(1250)).fail_first::<charge>(2);
    let shipped = testing::block_on(run).unwrap();
    assert_eq!(shipped.result::<String>().unwrap(), "book shipped for 1250 cents");
    assert_eq!(shipped.attempts("charge"), 3);
}

#[test]
fn an_order_that_costs_nothing_is_refused() {
    let refused = testing::block_on(testing::run_step::<validate>().context(&order(0)));
    assert_eq!(refused.error().map(StepError::code), Some("NOTHING_TO_PAY"));
    assert!(!refused.is_retryable());
}

// Every workflow has its handlers, and each handler what it reads.
testing::check!();
