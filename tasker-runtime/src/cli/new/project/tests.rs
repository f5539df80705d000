//! A step by itself, the workflow as a whole, and whether everything fits together.

use tasker_runtime::{StepError, testing};

use super::handlers::{Order, charge, validate};

fn order(cents: u64) -> Order {
    Order { item: "book".to_owned(), cents }
}

// Every template has its handlers, and each handler what it reads.
testing::check!();

#[tokio::test]
async fn an_order_that_costs_nothing_is_refused() {
    let refused = testing::run_step::<validate>().context(&order(0)).await;
    assert_eq!(refused.error().map(StepError::code), Some("NOTHING_TO_PAY"));
    assert!(!refused.is_retryable());
}

#[tokio::test]
async fn an_order_is_shipped_though_the_charge_fails_at_first() {
    let shipped = testing::run("checkout", &order(1250)).fail_first::<charge>(2).await.unwrap();
    assert_eq!(shipped.result::<String>().unwrap(), "book shipped for 1250 cents");
    assert_eq!(shipped.attempts("charge"), 3);
}
