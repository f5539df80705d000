//! What becomes of a task one of whose steps failed for good.

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError,
    api::Submission,
    model::{StepState, TaskState},
    template::{OnFailure, Template},
};

#[tokio::test]
async fn other_branches_run_to_their_end_before_the_task_is_blocked() {
    let steps =
        [step("bad", &[]), step("good", &[]), step("better", &["good"]), step("join", &["bad", "better"])];
    let template = template("branches", steps);
    for world in worlds().await {
        world.stage.on("bad", |_| async { Err(StepError::permanent("NO", "never")) });
        let gate = world.stage.gate("better");
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/branches")).await.unwrap();
        world.stage.wait_for("better", 1).await;
        let look = || async {
            let report = tasker.show(task).await.unwrap().unwrap();
            (report.step("bad").unwrap().state == StepState::Error).then_some(report.state)
        };
        let state = eventually("the failure", look).await;
        assert_eq!(state, TaskState::InProgress, "{}", world.database);
        gate.add_permits(1);
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        let states: Vec<_> = report.steps.iter().map(|step| step.state).collect();
        let expected = [StepState::Error, StepState::Complete, StepState::Complete, StepState::Pending];
        assert_eq!(states, expected, "{}", world.database);
    }
}

#[tokio::test]
async fn on_failure_fail_ends_the_task_with_an_error_by_itself() {
    let builder = Template::builder("fails").namespace("test").on_failure(OnFailure::Fail);
    let template = builder.step(step("bad", &[])).step(step("b", &["bad"])).build().unwrap();
    for world in worlds().await {
        world.stage.on("bad", |_| async { Err(StepError::permanent("NO", "never")) });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/fails")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Error, "{}", world.database);
        assert_eq!(report.finished_at, Some(world.clock.now()), "{}", world.database);
        assert_eq!(report.step("b").unwrap().state, StepState::Cancelled, "{}", world.database);
        assert_eq!(report.result, Value::Null, "{}", world.database);
    }
}

/// Has the store refuse one result, as it refuses what is too large for it.
fn refusal(world: &World) -> &'static str {
    if world.database.is_sqlite() {
        "create trigger refuse before insert on tasker.steps when new.result = '\"poison\"'
         begin select raise(abort, 'too large'); end"
    } else {
        "alter table tasker.steps add check (result::text <> '\"poison\"')"
    }
}

#[tokio::test]
async fn result_the_store_cannot_hold_fails_its_own_step_and_no_other() {
    let template = template("poison", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        // All come back at once and are written together.
        let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let handed = gate.clone();
        world.stage.on_text("a", move |step| {
            let gate = handed.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                if step.context::<u32>()? == 13 { step.output(&"poison") } else { step.output(&"fine") }
            }
        });
        let tasker = world.start(&template).await;
        world.change(refusal(&world)).await;
        let orders = (0..40u32).map(|number| Submission::to("test/poison").context(&number).unwrap());
        let tasks = tasker.submit_all(orders).await.unwrap();
        world.stage.wait_for("a", 40).await;
        gate.add_permits(40);
        for (number, &task) in tasks.iter().enumerate() {
            let report = settled(&tasker, task).await;
            if number == 13 {
                assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
                let error = report.step("a").unwrap().error.clone().unwrap();
                assert_eq!(error.code(), "RESULT_REFUSED", "{}", world.database);
                assert!(error.message().starts_with("the store cannot hold the result"), "{error}");
            } else {
                assert_eq!(
                    (report.state, &report.result),
                    (TaskState::Complete, &json!("b")),
                    "{}",
                    world.database
                );
            }
        }
        assert_eq!(world.stage.times("a").len(), 40, "{}: no step ran again", world.database);
    }
}

#[tokio::test]
async fn failure_with_a_text_no_column_likes_is_recorded_all_the_same() {
    let template = template("strange", [step("a", &[])]);
    for world in worlds().await {
        world.stage.on("a", |_| async { Err(StepError::permanent("NUL", "a \u{0} in the text")) });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/strange")).await.unwrap();
        let report = settled(&tasker, task).await;
        let error = report.step("a").unwrap().error.clone().unwrap();
        assert_eq!(error.message(), "a \u{0} in the text", "{}", world.database);
    }
}
