//! People who read the database see the steps by name.

use std::time::Duration;

use serde_json::json;
use support::{
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError,
    api::Submission,
    model::{Command, TaskState},
    template::{BatchConfig, FailureStrategy, RetryOptions, StepKind},
};

use super::operators::{resolve, skip};

/// `step state attempts error` of the one task, in the order of the view.
async fn lines(world: &World) -> Vec<String> {
    // As people ask: of one task, which goes by its index.
    let sql = "select step, state, cast(attempts as text), error_code from tasker.step_states
        where task_id = (select uuid from tasker.tasks)";
    let rows = world.rows(sql).await;
    rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect()
}

fn once() -> RetryOptions {
    RetryOptions { max_attempts: Some(1), ..RetryOptions::default() }
}

fn far() -> RetryOptions {
    let hour = Some(Duration::from_secs(3600));
    RetryOptions { base: hour, max: hour, ..RetryOptions::default() }
}

#[tokio::test]
async fn view_says_of_a_task_that_goes_on_what_its_rows_can_tell() {
    let steps = [
        step("good", &[]),
        retried(step("bad", &[]), once()),
        retried(step("slow", &[]), far()),
        step("long", &["good"]),
        step("after", &["bad"]),
    ];
    let template = template("mixed", steps);
    for world in worlds().await {
        // The view goes by the database's clock, before which no retry of this task is due.
        world.clock.advance(Duration::from_secs(86_400 * 36_500));
        for name in ["bad", "slow"] {
            world.stage.on(name, |_| async { Err(StepError::retryable("DOWN", "no answer")) });
        }
        let gate = world.stage.gate("long");
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/mixed")).await.unwrap();
        let wanted = [
            "good complete 1",
            "bad error 1 DOWN",
            "slow waiting_for_retry 1 DOWN",
            "long in_progress 0",
            "after open 0",
        ];
        let beaten = || async {
            world.clock.advance(Duration::from_secs(1));
            (lines(&world).await == wanted).then_some(())
        };
        eventually(&format!("{wanted:?} on {}", world.database), beaten).await;
        let of = "select cast(task_id as text), namespace, template from tasker.step_states";
        let row = world.rows(of).await.remove(0);
        assert_eq!(row, [task.to_string(), "test".to_owned(), "mixed".to_owned()].map(Some));
        let times = "select step from tasker.step_states where started_at is null or finished_at is null";
        assert_eq!(world.column(times).await, ["long", "after"], "{}", world.database);
        let good = "select cast(started_at as text) from tasker.step_states where step = 'good'";
        let started = world.stage.times("good")[0].to_string();
        let shown = world.column(good).await.remove(0).replace(' ', "T");
        assert_eq!(shown[..19], started[..19], "{}", world.database);

        tasker.operate(task, &Command::Cancel).await.unwrap();
        settled(&tasker, task).await;
        let over = [
            "good complete 1",
            "bad error 1 DOWN",
            "slow cancelled 1 DOWN",
            "long not_run 0",
            "after not_run 0",
        ];
        assert_eq!(lines(&world).await, over, "{}", world.database);
        gate.add_permits(1);
    }
}

#[tokio::test]
async fn view_of_a_complete_task_has_batches_and_what_was_skipped_or_done_by_hand() {
    let mut worker = retried(step("count", &["plan"]).kind(StepKind::BatchWorker), once());
    let go_on =
        BatchConfig { failure_strategy: Some(FailureStrategy::ContinueOnFailure), ..BatchConfig::default() };
    worker.batch = Some(go_on);
    let steps = [
        step("plan", &[]).kind(StepKind::Batchable),
        worker,
        step("sum", &["count"]).kind(StepKind::DeferredConvergence),
        step("choose", &[]).kind(StepKind::Decision),
        step("left", &["choose"]),
        step("right", &["choose"]),
        retried(step("one", &[]), once()),
        retried(step("two", &[]), once()),
    ];
    let template = template("whole", steps);
    for world in worlds().await {
        world.stage.on("plan", |_| async {
            Ok(json!({"batches": [{"start": 0, "end": 1}, {"start": 1, "end": 2}]}))
        });
        world.stage.on("choose", |_| async { Ok(json!({"routes": ["left"]})) });
        for name in ["count_002", "one", "two"] {
            world.stage.on(name, |_| async { Err(StepError::permanent("NO", "never")) });
        }
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/whole")).await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures, "{}", world.database);
        tasker.operate(task, &resolve("one", json!(1))).await.unwrap();
        tasker.operate(task, &skip("two")).await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        let wanted = [
            "plan complete 1",
            "count complete 0",
            "sum complete 1",
            "choose complete 1",
            "left complete 1",
            "right skipped 0",
            "one resolved_manually 1",
            "two skipped 1",
            "count_001 complete 1",
            "count_002 error 1 NO",
        ];
        assert_eq!(lines(&world).await, wanted, "{}", world.database);
    }
}
