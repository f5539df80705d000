//! What runs for a while is seen from other processes.

use std::time::Duration;

use serde_json::json;
use support::{
    stage::{retried, step, template},
    world::{START, World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{StepReport, Submission},
    model::StepState,
    template::RetryOptions,
};
use uuid::Uuid;

/// The step, looked at again and again while time passes.
async fn seen(
    world: &World,
    office: &Tasker,
    task: Uuid,
    name: &str,
    wanted: impl Fn(&StepReport) -> bool,
) -> StepReport {
    let look = || async {
        world.clock.advance(Duration::from_secs(1));
        let report = office.show(task).await.unwrap().unwrap();
        report.step(name).filter(|step| wanted(step)).cloned()
    };
    eventually(&format!("what is to be seen of `{name}`"), look).await
}

fn running(step: &StepReport) -> bool {
    step.state == StepState::InProgress
}

#[tokio::test]
async fn step_that_runs_elsewhere_for_longer_than_a_heartbeat_is_in_progress_since_its_call() {
    let template = template("long", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let holder = world.start(&template).await;
        let office = world.connect(&template).await;
        let task = holder.submit(Submission::to("test/long")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let before = office.show(task).await.unwrap().unwrap();
        assert_eq!(
            before.step("a").unwrap().state,
            StepState::Ready,
            "{}: nothing was written",
            world.database
        );
        let step = seen(&world, &office, task, "a", running).await;
        assert_eq!((step.started_at, step.finished_at, step.attempts), (Some(START), None, 0));
        let report = serde_json::to_value(office.show(task).await.unwrap().unwrap()).unwrap();
        assert_eq!(report["steps"][0]["state"], "in_progress", "{}", world.database);
        assert_eq!(report["steps"][0]["started_at"], START.to_string(), "{}", world.database);
        assert_eq!(report["steps"][1]["state"], "pending", "{}", world.database);

        gate.add_permits(1);
        settled(&holder, task).await;
        let empty = || async {
            world.clock.advance(Duration::from_secs(1));
            let told = world.column("select cast(activity as text) from tasker.workers").await;
            (told == ["[]"]).then_some(())
        };
        eventually("the activity to end", empty).await;
    }
}

#[tokio::test]
async fn process_sees_at_once_what_runs_in_it() {
    let template = template("near", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let holder = world.start(&template).await;
        let task = holder.submit(Submission::to("test/near")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let look = || async {
            let report = holder.show(task).await.unwrap().unwrap();
            running(report.step("a").unwrap()).then_some(())
        };
        eventually("`a` to be in progress", look).await;
        gate.add_permits(1);
        settled(&holder, task).await;
    }
}

#[tokio::test]
async fn later_attempt_that_runs_is_in_progress_with_the_error_of_the_one_before() {
    let soon = RetryOptions { base: Some(Duration::from_millis(1)), ..RetryOptions::default() };
    let template = template("again", [retried(step("a", &[]), soon)]);
    for world in worlds().await {
        world.stage.on("a", |step| async move {
            if step.attempt() == 1 {
                return Err(StepError::retryable("DOWN", "no answer"));
            }
            std::future::pending::<()>().await;
            Ok(json!(null))
        });
        let holder = world.start(&template).await;
        let office = world.connect(&template).await;
        let task = holder.submit(Submission::to("test/again")).await.unwrap();
        let step = seen(&world, &office, task, "a", running).await;
        assert_eq!((step.attempts, step.retry_at), (1, None), "{}", world.database);
        assert_eq!(step.started_at, Some(world.stage.times("a")[1]), "{}", world.database);
        assert_eq!(step.error.unwrap().code(), "DOWN", "{}", world.database);
    }
}

#[tokio::test]
async fn step_of_a_process_that_died_is_in_progress_no_more_once_its_lease_ran_out() {
    let template = template("dead", [step("a", &[])]);
    for world in worlds().await {
        let _gate = world.stage.gate("a");
        let process = world.process(&template).await;
        let office = world.connect(&template).await;
        let task = process.submit(Submission::to("test/dead")).await;
        world.stage.wait_for("a", 1).await;
        seen(&world, &office, task, "a", running).await;
        process.kill();
        world.clock.advance(Duration::from_secs(16));
        seen(&world, &office, task, "a", |step| step.state == StepState::Ready).await;
    }
}
