//! What stands in for handlers in a test of a user: values and functions, typed as the handlers are.
#![allow(clippy::unwrap_used)]

use serde::{Deserialize, Serialize};
use tasker_runtime::{
    model::TaskState,
    prelude::*,
    template::{OnFailure, Step, StepKind, Template},
    testing::{self, RunError},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    cents: u64,
    express: bool,
}

/// What no test has.
struct Gateway;

#[step_handler(name = "fakes_charge", retry(max_attempts = 4, backoff = "none", base = "1s"))]
async fn charge(order: Order, _gateway: State<Gateway>, attempt: Attempt) -> Result<u64, StepError> {
    Err(StepError::permanent("NO_GATEWAY", format!("{} at attempt {}", order.cents, attempt.number)))
}

#[step_handler(name = "fakes_by_air")]
async fn by_air(step: &TaskSequenceStep, #[depends_on(charge)] cents: u64) -> String {
    format!("{} for {cents}", step.name())
}

#[step_handler(name = "fakes_by_road")]
async fn by_road(#[depends_on(charge)] cents: Option<u64>) -> String {
    format!("by road for {cents:?}")
}

#[step_handler(name = "fakes_route")]
#[decision(routes = [by_air, by_road])]
async fn route(#[input("express")] express: bool, #[depends_on(charge)] _cents: u64) -> Decision {
    if express { Decision::route([by_air]) } else { Decision::route([by_road]) }
}

#[step_handler(name = "fakes_refund")]
#[compensates(charge)]
async fn refund(#[depends_on(charge)] cents: u64) -> Result<u64, StepError> {
    Err(StepError::permanent("NO_GATEWAY", format!("{cents} stay")))
}

#[step_handler(name = "fakes_cut")]
#[batch_analyzer(worker = add_up)]
async fn cut(rows: u64) -> BatchPlan {
    BatchPlan::of_size(rows, 10)
}

#[step_handler(name = "fakes_add_up")]
#[batch_worker]
async fn add_up(rows: Cursor<u64>) -> Result<u64, StepError> {
    Err(StepError::permanent("NOT_HERE", format!("{} rows", rows.end - rows.start)))
}

#[step_handler(name = "fakes_total")]
async fn total(#[depends_on(add_up)] sums: Vec<u64>) -> u64 {
    sums.iter().sum()
}

#[step_handler(name = "fakes_nobody")]
async fn nobody() {}

fn shipping() -> Template {
    let after = |name: &str, steps: &[&str]| Step::new(name).after(steps.iter().copied());
    Template::builder("fakes_shipping")
        .on_failure(OnFailure::Compensate)
        .step(after("fakes_charge", &[]))
        .step(after("fakes_route", &["fakes_charge"]).kind(StepKind::Decision))
        .step(after("fakes_by_air", &["fakes_route", "fakes_charge"]))
        .step(after("fakes_by_road", &["fakes_route", "fakes_charge"]))
        .build()
        .unwrap()
}

workflow!(fakes_adding = [cut, add_up, total]);

fn run(express: bool) -> testing::WorkflowRun {
    testing::run(shipping(), &Order { cents: 5, express })
}

#[tokio::test]
async fn value_stands_in_for_a_handler_whose_state_is_not_there() {
    let shipped = run(true).returns::<charge>(7_u64).await.unwrap();
    assert_eq!(shipped.state, TaskState::Complete, "{:?}", shipped.cause);
    assert_eq!(shipped.result_of::<by_air>().unwrap(), "fakes_by_air for 7");

    let real = run(true).state(Gateway).await.unwrap();
    assert_eq!(real.result_of::<charge>().unwrap_err().message(), "5 at attempt 1");
}

#[tokio::test]
async fn decision_stands_in_for_one_that_would_be_another() {
    let route = |cents| {
        run(true).returns::<charge>(cents).returns::<route>(Decision::route_by_name(["fakes_by_road"]))
    };
    let shipped = route(7_u64).await.unwrap();
    assert_eq!(shipped.result_of::<by_road>().unwrap(), "by road for Some(7)");
    assert_eq!(shipped.result_of::<by_air>().unwrap_err().code(), "NO_RESULT");
}

#[tokio::test]
async fn function_stands_in_with_all_that_the_handler_takes() {
    let doubled = run(false)
        .state(Gateway)
        .replace::<charge>(|order: Order, _: State<Gateway>, attempt: Attempt| async move {
            match attempt.number {
                1 => Err(StepError::retryable("FAKED", "once")),
                _ => Ok(order.cents * 2),
            }
        })
        .replace::<route>(|express: bool, cents: u64| async move {
            Ok(Decision::route_by_name([if express || cents == 10 {
                "fakes_by_air"
            } else {
                "fakes_by_road"
            }]))
        })
        .replace::<by_air>(|step: TaskSequenceStep, cents: u64| async move {
            Ok(format!("{cents} in {}", step.name()))
        })
        .await
        .unwrap();
    assert_eq!((doubled.result_of::<charge>().unwrap(), doubled.attempts("fakes_charge")), (10, 2));
    assert_eq!(doubled.result_of::<by_air>().unwrap(), "10 in fakes_by_air");
}

#[tokio::test]
async fn failures_come_before_what_stands_in() {
    let paid = run(true).fail_first::<charge>(2).returns::<charge>(1_u64).await.unwrap();
    assert_eq!((paid.result_of::<charge>().unwrap(), paid.attempts("fakes_charge")), (1, 3));
}

#[tokio::test]
async fn function_stands_in_for_a_compensation() {
    let undone = run(true)
        .returns::<charge>(7_u64)
        .fail_first_with::<by_air>(1, StepError::permanent("NO_PLANE", "none flies"))
        .replace::<refund>(|cents: u64| async move { Ok(cents) })
        .await
        .unwrap();
    assert_eq!(undone.state, TaskState::Compensated, "{:?}", undone.cause);
    assert_eq!(undone.step("undo fakes_charge").unwrap().result, 7);
}

#[tokio::test]
async fn what_stands_in_for_a_batch_worker_does_for_each_batch() {
    let given = testing::run(fakes_adding, &25).returns::<add_up>(3_u64).await.unwrap();
    assert_eq!(given.result::<u64>().unwrap(), 9);
    let counted = testing::run(fakes_adding, &25)
        .replace::<add_up>(|rows: Cursor<u64>| async move { Ok(rows.end - rows.start) })
        .replace::<total>(|sums: Vec<u64>| async move { Ok(sums.into_iter().max().unwrap_or_default()) })
        .await
        .unwrap();
    assert_eq!(counted.result::<u64>().unwrap(), 10);
    let replanned =
        testing::run(fakes_adding, &25).returns::<cut>(BatchPlan::of_size(2, 1)).returns::<add_up>(1_u64);
    assert_eq!(replanned.await.unwrap().result::<u64>().unwrap(), 2);

    let whole =
        testing::run(fakes_adding, &25).returns::<add_up>(Batches::complete([1_u64])).await.unwrap_err();
    let said = "`fakes_add_up` is a batch worker: give what one batch returns, which all of them return then";
    assert!(matches!(&whole, RunError::Misfit { .. }) && whole.to_string() == said, "{whole}");
}

#[tokio::test]
async fn handler_that_no_step_calls_has_no_stand_in() {
    for run in [run(true).returns::<nobody>(()), run(true).fail_first::<nobody>(1)] {
        let refused = run.await.unwrap_err();
        let said =
            "no step of `default/fakes_shipping` calls `fakes_nobody`: nothing can stand in for it there";
        assert_eq!(refused.to_string(), said);
    }
}

#[tokio::test]
async fn wrappers_of_a_test_stand_around_what_stands_in() {
    async fn louder(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
        let result = next.run(step).await?;
        if step.name() == "fakes_charge" { step.output(&(result.parse::<u64>()? + 1)) } else { Ok(result) }
    }
    let shipped = run(true).returns::<charge>(7_u64).around(louder).await.unwrap();
    assert_eq!(shipped.result_of::<by_air>().unwrap(), "fakes_by_air for 8");
}
