//! What users test with: one step, a whole workflow, and the checks of a start.
#![allow(clippy::unwrap_used)]

use std::{fs, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tasker_runtime::{
    handler::{Batches, Saved, StepHandler},
    model::{Command, StepState, TaskState},
    prelude::*,
    template::{Step, Template},
    testing::{self, Check, RunError},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    cents: u64,
    express: bool,
}

/// What the handlers of the shop ask for.
struct Gateway {
    limit: u64,
}

#[derive(Serialize, Deserialize)]
struct Fees {
    percent: u64,
}

#[step_handler]
async fn validate(order: Order) -> Result<Order, StepError> {
    if order.cents == 0 {
        return Err(StepError::permanent("NOTHING_TO_PAY", "0 cents").with_context(json!({"field": "cents"})));
    }
    Ok(order)
}

#[step_handler(retry(max_attempts = 4, backoff = "none", base = "1h", max = "1h"))]
async fn charge(
    #[depends_on(validate)] order: Order,
    gateway: State<Gateway>,
    attempt: Attempt,
) -> Result<u64, StepError> {
    match order.cents > gateway.limit {
        true => Err(StepError::retryable("OVER_LIMIT", format!("attempt {}", attempt.number))),
        false => Ok(order.cents),
    }
}

#[step_handler]
async fn by_air(#[depends_on(charge)] cents: u64) -> String {
    format!("by air for {cents}")
}

#[step_handler]
async fn by_road(#[depends_on(charge)] cents: u64) -> String {
    format!("by road for {cents}")
}

#[step_handler]
#[decision(routes = [by_air, by_road])]
async fn route(#[depends_on(validate)] order: Order) -> Decision {
    match order.cents {
        13 => Decision::route_by_name(["by_sea"]),
        _ if order.express => Decision::route([by_air]),
        _ => Decision::route([by_road]).with_data("slow"),
    }
}

#[step_handler]
async fn arrival(
    #[depends_on(by_air)] air: Option<String>,
    #[depends_on(by_road)] road: Option<String>,
) -> String {
    air.or(road).unwrap_or_default()
}

#[step_handler]
async fn after_route(#[depends_on(route)] decision: Decision) -> Vec<String> {
    decision.routes().to_vec()
}

#[step_handler]
async fn priced(#[depends_on("validate")] order: Fees) -> u64 {
    order.percent
}

#[step_handler]
async fn with_fees(cents: u64, fees: Config<Fees>) -> u64 {
    cents + cents * fees.percent / 100
}

#[step_handler]
#[compensates(charge)]
async fn refund(#[depends_on(charge)] cents: u64) -> String {
    format!("{cents} given back")
}

#[step_handler]
#[batch_analyzer(worker = add_up)]
async fn cut(rows: u64) -> BatchPlan {
    BatchPlan::of_size(rows, 10)
}

/// Saves after every item, and gives up once at 7.
#[step_handler(retry(max_attempts = 2, backoff = "none", base = "1s"))]
#[batch_worker]
async fn add_up(rows: Cursor<u64>, progress: Checkpoint<u64>, attempt: Attempt) -> Result<u64, StepError> {
    let (mut at, mut sum) =
        progress.load().await?.map_or((rows.start, 0), |saved| (saved.cursor, saved.partial));
    while at < rows.end {
        if at == 7 && attempt.number == 1 {
            return Err(StepError::retryable("AT_SEVEN", "not at the first attempt"));
        }
        sum += at;
        at += 1;
        progress.save(at, at - rows.start, sum).await?;
    }
    Ok(sum)
}

#[step_handler]
async fn total(#[depends_on(add_up)] sums: Vec<u64>) -> u64 {
    sums.iter().sum()
}

#[step_handler(timeout = "10m", retry = 1)]
async fn hangs() {
    std::future::pending::<()>().await;
}

#[step_handler(name = "told", retry = 1)]
async fn told_to_stop(cancelled: Cancelled) -> Result<(), StepError> {
    cancelled.await;
    Err(StepError::retryable("STOPPED", "told to stop"))
}

workflow!(test_checkout = [validate, charge]);
workflow!(test_hanging = [hangs]);

/// What `workflow!` has no words for: decisions and batches.
fn shipping() -> Template {
    let convergence = Step::new("arrival").kind(tasker_runtime::template::StepKind::DeferredConvergence);
    Template::builder("shipping")
        .step(Step::new("validate"))
        .step(Step::new("charge").after(["validate"]))
        .step(
            Step::new("route")
                .kind(tasker_runtime::template::StepKind::Decision)
                .after(["validate", "charge"]),
        )
        .step(Step::new("by_air").after(["route", "charge"]))
        .step(Step::new("by_road").after(["route", "charge"]))
        .step(convergence.after(["by_air", "by_road"]))
        .build()
        .unwrap()
}

fn adding() -> Template {
    use tasker_runtime::template::StepKind::{BatchWorker, Batchable, DeferredConvergence};
    Template::builder("adding")
        .step(Step::new("cut").kind(Batchable))
        .step(Step::new("add_up").kind(BatchWorker).after(["cut"]))
        .step(Step::new("total").kind(DeferredConvergence).after(["add_up"]))
        .build()
        .unwrap()
}

fn order(cents: u64) -> Order {
    Order { cents, express: false }
}

fn code(outcome: &testing::StepOutcome) -> &str {
    outcome.error().map_or("no error", StepError::code)
}

#[tokio::test]
async fn a_step_gets_what_the_test_gives_and_says_what_came_of_it() {
    let valid = testing::run_step::<validate>().context(&order(5)).await;
    assert_eq!(valid.result::<Order>().unwrap(), order(5));
    assert_eq!(valid.json().unwrap().as_str(), r#"{"cents":5,"express":false}"#);
    assert!(valid.error().is_none() && !valid.is_retryable());

    let refused = testing::run_step::<validate>().context(&order(0)).await;
    assert_eq!(code(&refused), "NOTHING_TO_PAY");
    assert_eq!(refused.error().unwrap().context(), Some(&json!({"field": "cents"})));
    assert!(!refused.is_retryable());
    assert_eq!(refused.result::<Order>().unwrap_err().code(), "NOTHING_TO_PAY");

    let charging = || testing::run_step::<charge>().result_of::<validate>(&order(5));
    assert_eq!(charging().state(Gateway { limit: 9 }).await.result::<u64>().unwrap(), 5);
    let over = charging().state(Gateway { limit: 1 }).attempt(3).await;
    assert!(over.is_retryable());
    assert_eq!(over.error().unwrap().message(), "attempt 3");
    let fees = testing::run_step::<with_fees>().context(&200).config(&Fees { percent: 5 }).await;
    assert_eq!(fees.result::<u64>().unwrap(), 210);
    assert_eq!(code(&testing::run_step::<told_to_stop>().cancelled().await), "STOPPED");
}

#[tokio::test]
async fn what_a_test_forgets_or_mistypes_is_named() {
    let no_state = testing::run_step::<charge>().result_of::<validate>(&order(5)).await;
    assert_eq!(code(&no_state), "MISSING_STATE");
    assert!(no_state.error().unwrap().message().contains("Gateway"), "{no_state:?}");

    let no_result = testing::run_step::<charge>().state(Gateway { limit: 9 }).await;
    assert_eq!(code(&no_result), "NOT_GIVEN");
    assert!(no_result.error().unwrap().message().contains(".result_of::<validate>(&…)"), "{no_result:?}");

    let mistyped = testing::run_step::<charge>()
        .result_of_step("validate", &json!({"cents": "five", "express": true}))
        .state(Gateway { limit: 9 })
        .await;
    assert_eq!(code(&mistyped), "INVALID_DEPENDENCY");
    assert!(mistyped.error().unwrap().message().contains("at `cents`"), "{mistyped:?}");
    let loosely = testing::run_step::<priced>().result_of_step("validate", &json!({"percent": 3})).await;
    assert_eq!(loosely.result::<u64>().unwrap(), 3);

    let no_context = testing::run_step::<validate>().await;
    assert_eq!(code(&no_context), "MISSING_CONTEXT_FIELD");
    assert_eq!(code(&testing::run_step::<refund>().await), "NOT_GIVEN");

    let not_read = testing::run_step::<priced>().result_of_step("validate", &json!({"percent": 3}));
    let not_read = not_read.result_of_step("quote", &7).await;
    assert_eq!(code(&not_read), "NOT_READ");
    assert!(
        not_read.error().unwrap().message().contains("`quote`, which `priced` does not read"),
        "{not_read:?}"
    );
    let no_json = std::collections::HashMap::from([(vec![1], 1)]);
    assert_eq!(code(&testing::run_step::<validate>().context(&no_json).await), "NOT_JSON");
    let other_shape = testing::run_step::<validate>().context(&order(5)).await.result::<u64>().unwrap_err();
    assert_eq!(other_shape.code(), "INVALID_RESULT");
}

#[tokio::test]
async fn a_decision_is_followed_as_the_engine_follows_it() {
    let routed =
        |order: Order| async move { testing::run_step::<route>().result_of::<validate>(&order).await };
    assert_eq!(routed(order(5)).await.routes(), ["by_road"]);
    assert_eq!(routed(Order { cents: 5, express: true }).await.routes(), ["by_air"]);
    let unknown = routed(order(13)).await;
    assert_eq!(code(&unknown), "INVALID_OUTCOME");
    assert!(unknown.error().unwrap().message().contains("its routes are by_air, by_road"), "{unknown:?}");

    let told =
        testing::run_step::<after_route>().result_of::<route>(&Decision::route_by_name(["by_air"])).await;
    assert_eq!(told.result::<Vec<String>>().unwrap(), ["by_air"]);
    let converged = testing::run_step::<arrival>().result_of::<by_road>(&"here".to_owned()).await;
    assert_eq!(converged.result::<String>().unwrap(), "here");
    let compensated = testing::run_step::<refund>().result_of::<charge>(&1250).await;
    assert_eq!(compensated.result::<String>().unwrap(), "1250 given back");
}

#[tokio::test]
async fn a_batch_worker_goes_on_from_what_was_saved() {
    let plan = testing::run_step::<cut>().context(&25).await;
    assert_eq!(plan.batches().iter().map(|slice| slice.size().unwrap()).collect::<Vec<_>>(), [10, 10, 5]);
    let failed = testing::run_step::<add_up>().cursor(5, 10).await;
    assert!(failed.is_retryable());
    let saved = failed.checkpoints::<u64, u64>().unwrap();
    assert_eq!(saved.last(), Some(&Saved { cursor: 7, items: 2, partial: 11 }));
    let again = testing::run_step::<add_up>().cursor(5, 10).checkpoint(7, 2, 11).attempt(2).await;
    assert_eq!(again.result::<u64>().unwrap(), 5 + 6 + 7 + 8 + 9);
    assert_eq!(again.checkpoints::<u64, u64>().unwrap().len(), 3);
    assert_eq!(code(&testing::run_step::<add_up>().await), "NO_BATCH");

    let sums = testing::run_step::<total>().result_of::<add_up>(&Batches::complete([1, 2, 3])).await;
    assert_eq!(sums.result::<u64>().unwrap(), 6);
}

#[tokio::test]
async fn time_jumps_to_the_next_attempt_and_not_further() {
    let run = || testing::run(test_checkout, &order(5)).state(Gateway { limit: 9 });
    let paid = run().await.unwrap();
    assert_eq!(
        (paid.state, paid.took, paid.result::<u64>().unwrap()),
        (TaskState::Complete, Duration::ZERO, 5)
    );

    let late = run().fail_first::<charge>(2).await.unwrap();
    assert_eq!((late.state, late.attempts("charge"), late.attempts("validate")), (TaskState::Complete, 3, 1));
    let hours = late.took.as_secs_f64() / 3600.0;
    assert!((1.7..=2.3).contains(&hours), "two retries after an hour each, {hours} hours");
    assert_eq!(late.result_of::<charge>().unwrap(), 5);
    assert_eq!(late.result_of::<validate>().unwrap(), order(5));
}

#[tokio::test]
async fn attempts_run_out_and_permanent_failures_are_not_repeated() {
    let poor = testing::run(test_checkout, &order(5)).state(Gateway { limit: 1 }).await.unwrap();
    assert_eq!((poor.state, poor.attempts("charge")), (TaskState::BlockedByFailures, 4));
    assert_eq!(poor.result_of::<charge>().unwrap_err().message(), "attempt 4");
    assert!(poor.result::<u64>().unwrap_err().to_string().contains("blocked_by_failures"));

    let nothing = testing::run(test_checkout, &order(0)).state(Gateway { limit: 1 }).await.unwrap();
    assert_eq!((nothing.attempts("validate"), nothing.attempts("charge")), (1, 0));
    assert_eq!(nothing.result_of::<validate>().unwrap_err().code(), "NOTHING_TO_PAY");
    assert_eq!(nothing.result_of::<charge>().unwrap_err().code(), "NO_RESULT");
    assert_eq!(nothing.took, Duration::ZERO);

    let declined = StepError::permanent("CARD_DECLINED", "no");
    let injected = testing::run(test_checkout, &order(5)).state(Gateway { limit: 9 });
    let injected = injected.fail_first_with::<charge>(1, declined).await.unwrap();
    assert_eq!(injected.attempts("charge"), 1);
    assert_eq!(injected.result_of::<charge>().unwrap_err().code(), "CARD_DECLINED");
}

#[tokio::test]
async fn decisions_and_batches_run_as_in_the_engine() {
    for (express, way) in [(true, "by air for 5"), (false, "by road for 5")] {
        let run = testing::run(shipping(), &Order { cents: 5, express }).state(Gateway { limit: 9 });
        let shipped = run.fail_first::<route>(1).await.unwrap();
        assert_eq!(shipped.result::<String>().unwrap(), way);
        assert_eq!(shipped.attempts("route"), 2);
        let left = if express { "by_road" } else { "by_air" };
        assert_eq!(shipped.step(left).unwrap().state, StepState::Skipped);
    }
    let added = testing::run(adding(), &25).await.unwrap();
    assert_eq!(added.result::<u64>().unwrap(), (0..25).sum::<u64>());
    assert_eq!(added.attempts("add_up_001"), 2, "{:?}", added.steps);
    assert_eq!(added.result_of::<add_up>().unwrap(), Batches::complete([45, 145, 110]));
    assert!(added.took >= Duration::from_millis(700), "{:?}", added.took);
}

#[tokio::test]
async fn the_test_can_move_the_time_and_interfere() {
    let mut running = testing::run(test_checkout, &order(5))
        .state(Gateway { limit: 9 })
        .fail_first::<charge>(1)
        .start()
        .await
        .unwrap();
    assert_eq!(running.rest().await.unwrap().attempts("charge"), 1);
    running.advance(Duration::from_secs(20 * 60));
    assert_eq!(running.rest().await.unwrap().attempts("charge"), 1);
    running.operate(&Command::Pause).await.unwrap();
    assert_eq!(running.rest().await.unwrap().state, TaskState::Paused);
    running.operate(&Command::Resume).await.unwrap();
    assert_eq!(running.finish().await.unwrap().result::<u64>().unwrap(), 5);

    let mut hanging = testing::run(test_hanging, &()).start().await.unwrap();
    hanging.began("hangs").await.unwrap();
    hanging.advance(Duration::from_secs(10 * 60));
    let stopped = hanging.rest().await.unwrap();
    assert_eq!(stopped.result_of::<hangs>().unwrap_err().code(), "TIMEOUT");
    assert!(matches!(hanging.began("hangs").await, Err(RunError::NotBegun { .. })));
}

#[tokio::test]
async fn what_cannot_be_run_is_said_in_words() {
    let no_state = testing::run(test_checkout, &order(5)).await.unwrap_err();
    assert!(format!("{no_state:?}").contains("Gateway>`: give it with `.state(value)`"), "{no_state:?}");
    let unknown = testing::run("test_chekout", &order(5)).await.unwrap_err();
    assert!(unknown.to_string().contains("did you mean `default/test_checkout`?"), "{unknown}");
    let without = testing::run(test_checkout, &order(5)).handlers(handlers![validate]).await.unwrap_err();
    assert!(without.to_string().contains("no handler is called `charge`"), "{without}");

    let by_name = testing::run("test_checkout", &order(5)).state(Gateway { limit: 9 }).await.unwrap();
    assert_eq!(by_name.state, TaskState::Complete);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("quick.yaml"), "name: quick\nsteps:\n  - name: validate\n").unwrap();
    let from_file = testing::run("quick", &order(5)).templates(directory.path()).await.unwrap();
    assert_eq!(from_file.result::<Order>().unwrap(), order(5));
}

// What users write, once over everything in this file.
testing::check!(state = [Gateway]);

#[test]
fn check_finds_everything_that_keeps_a_program_from_starting() {
    let package = tempfile::tempdir().unwrap();
    let check = || Check::of_package(package.path().to_str().unwrap());
    assert!(check().state::<Gateway>().run().is_ok());
    let no_state = format!("{:?}", check().run().unwrap_err());
    assert!(no_state.contains("and name its type here: `check!(state = [..])`"), "{no_state}");
    let no_directory = check().state::<Gateway>().templates("flows").run().unwrap_err();
    assert!(format!("{no_directory:?}").contains("there is no directory"));

    fs::create_dir_all(package.path().join("config/tasks")).unwrap();
    let file = package.path().join("config/tasks/wrong.yaml");
    fs::write(&file, "name: wrong\nsteps:\n  - name: chrage\n").unwrap();
    let missing = format!("{:?}", check().state::<Gateway>().run().unwrap_err());
    assert!(missing.contains("did you mean `charge`?"), "{missing}");
    fs::write(&file, "name: wrong\nsteps:\n  - nmae: charge\n").unwrap();
    let mistaken = format!("{:?}", check().state::<Gateway>().run().unwrap_err());
    assert!(mistaken.contains("did you mean `name`?"), "{mistaken}");
}

#[test]
fn handlers_written_by_hand_are_run_alike() {
    struct Twice;

    #[async_trait]
    impl StepHandler for Twice {
        fn name(&self) -> &str {
            "crate::by_hand::Twice"
        }

        async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
            step.output(&(2 * step.context::<u64>()?))
        }
    }

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(async { testing::run_handler(&Twice).context(&21).await });
    assert_eq!(outcome.result::<u64>().unwrap(), 42);
}
