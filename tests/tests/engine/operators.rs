//! Operators move tasks: at once where nobody holds them, through their holder otherwise.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{Submission, TaskReport},
    model::{Command, Json, StepState, TaskState},
    store,
    template::{OnFailure, RetryOptions, Template},
};
use uuid::Uuid;

pub(crate) fn retry(steps: &[&str]) -> Command {
    Command::Retry { steps: steps.iter().map(|&step| step.to_owned()).collect() }
}

pub(crate) fn resolve(step: &str, result: Value) -> Command {
    Command::Resolve { step: step.to_owned(), result: Json::of(&result).unwrap() }
}

pub(crate) fn skip(step: &str) -> Command {
    Command::Skip { step: step.to_owned() }
}

/// A step that is called once, or as often as operators allow.
fn once(name: &str, after: &[&str]) -> tasker_runtime::template::Step {
    retried(step(name, after), RetryOptions { max_attempts: Some(1), ..RetryOptions::default() })
}

/// `bad`, which fails for good until the stage says otherwise, and what comes after it.
fn broken() -> Template {
    template("broken", [once("bad", &[]), step("after", &["bad"]), step("aside", &[])])
}

/// A task whose step `bad` failed for good, held by nobody.
async fn blocked(world: &World, template: &Template) -> (Tasker, Uuid) {
    world.stage.on("bad", |_| async { Err(StepError::retryable("DOWN", "no answer")) });
    let tasker = world.start(template).await;
    let task = tasker.submit(Submission::to(format!("test/{}", template.name()))).await.unwrap();
    assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures, "{}", world.database);
    (tasker, task)
}

pub(crate) async fn in_state(tasker: &Tasker, task: Uuid, state: TaskState) -> TaskReport {
    let look =
        || async { Some(tasker.show(task).await.unwrap().unwrap()).filter(|report| report.state == state) };
    eventually(&format!("the task to be {state}"), look).await
}

pub(crate) async fn step_in_state(tasker: &Tasker, task: Uuid, name: &str, state: StepState) {
    let look = || async {
        let report = tasker.show(task).await.unwrap().unwrap();
        (report.step(name).unwrap().state == state).then_some(())
    };
    eventually(&format!("`{name}` to be {state}"), look).await;
}

pub(crate) async fn refusal(tasker: &Tasker, task: Uuid, command: Command) -> String {
    tasker.operate(task, &command).await.unwrap_err().to_string()
}

#[tokio::test]
async fn retried_step_gets_a_new_round_of_attempts() {
    for world in worlds().await {
        let (tasker, task) = blocked(&world, &broken()).await;
        tasker.operate(task, &retry(&[])).await.unwrap();
        world.stage.wait_for("bad", 2).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures, "{}", world.database);
        world.stage.on("bad", |step| async move { Ok(json!(step.attempt())) });
        tasker.operate(task, &retry(&["bad"])).await.unwrap();
        let report = in_state(&tasker, task, TaskState::Complete).await;
        let bad = report.step("bad").unwrap();
        assert_eq!((&bad.result, bad.attempts, &bad.error), (&json!(3), 3, &None), "{}", world.database);
        assert_eq!(world.stage.times("aside").len(), 1, "{}: what was complete stays", world.database);
    }
}

#[tokio::test]
async fn retry_of_one_failed_step_leaves_the_others() {
    let template = template("two", [once("bad", &[]), once("worse", &[])]);
    for world in worlds().await {
        world.stage.on("worse", |_| async { Err(StepError::permanent("NO", "never")) });
        let (tasker, task) = blocked(&world, &template).await;
        tasker.operate(task, &retry(&["worse"])).await.unwrap();
        world.stage.wait_for("worse", 2).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures, "{}", world.database);
        assert_eq!(world.stage.times("bad").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn result_given_by_hand_is_what_the_steps_below_see() {
    for world in worlds().await {
        world.stage.on("after", |step| async move { Ok(json!(step.result::<Value>("bad")?)) });
        let (tasker, task) = blocked(&world, &broken()).await;
        tasker.operate(task, &resolve("bad", json!({"by": "hand"}))).await.unwrap();
        let report = in_state(&tasker, task, TaskState::Complete).await;
        let bad = report.step("bad").unwrap();
        assert_eq!(
            (bad.state, &bad.result),
            (StepState::ResolvedManually, &json!({"by": "hand"})),
            "{}",
            world.database
        );
        assert_eq!(report.step("after").unwrap().result, json!({"by": "hand"}), "{}", world.database);
        assert_eq!(world.stage.times("bad").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn skipped_step_and_what_needs_it_are_left_out() {
    for world in worlds().await {
        let (tasker, task) = blocked(&world, &broken()).await;
        tasker.operate(task, &skip("bad")).await.unwrap();
        let report = in_state(&tasker, task, TaskState::Complete).await;
        let states: Vec<_> = report.steps.iter().map(|step| step.state).collect();
        assert_eq!(
            states,
            [StepState::Skipped, StepState::Skipped, StepState::Complete],
            "{}",
            world.database
        );
        assert_eq!(report.result, json!({"after": null, "aside": "aside"}), "{}", world.database);
    }
}

#[tokio::test]
async fn task_whose_last_open_step_is_settled_is_over_at_once_with_nobody_to_take_it() {
    let template = template("last", [once("bad", &[])]);
    for (command, result) in [(resolve("bad", json!(1)), json!(1)), (skip("bad"), json!(null))] {
        for pause in [false, true] {
            for world in worlds().await {
                let (tasker, task) = blocked(&world, &template).await;
                tasker.stop().await.unwrap();
                let office = world.connect(&template).await;
                if pause {
                    office.operate(task, &Command::Pause).await.unwrap();
                }
                office.operate(task, &command).await.unwrap();
                let report = office.show(task).await.unwrap().unwrap();
                assert_eq!(report.state, TaskState::Complete, "{}: {command:?}", world.database);
                assert_eq!((&report.result, &report.cause), (&result, &None), "{}", world.database);
                assert_eq!(report.finished_at, Some(world.clock.now()), "{}", world.database);
                assert_eq!(world.count("select count(*) from tasker.runs where owner is null").await, 0);
            }
        }
    }
}

#[tokio::test]
async fn task_that_stays_blocked_says_so_at_once_with_nobody_to_take_it() {
    let template = template("two", [once("bad", &[]), once("worse", &[])]);
    for world in worlds().await {
        world.stage.on("worse", |_| async { Err(StepError::permanent("NO", "never")) });
        let (tasker, task) = blocked(&world, &template).await;
        tasker.stop().await.unwrap();
        let office = world.connect(&template).await;
        office.operate(task, &resolve("bad", json!(1))).await.unwrap();
        let report = office.show(task).await.unwrap().unwrap();
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        assert_eq!(report.cause.as_deref(), Some("failed for good: worse"), "{}", world.database);
        office.operate(task, &Command::Pause).await.unwrap();
        office.operate(task, &Command::Resume).await.unwrap();
        let report = office.show(task).await.unwrap().unwrap();
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}: after a pause", world.database);
    }
}

#[tokio::test]
async fn task_that_fails_by_its_template_does_so_at_once_when_its_last_hope_is_skipped() {
    let far = RetryOptions { base: Some(Duration::from_secs(600)), ..RetryOptions::default() };
    let far = RetryOptions { max: Some(Duration::from_secs(600)), ..far };
    let steps = [once("bad", &[]), retried(step("slow", &[]), far)];
    let builder = Template::builder("strict").namespace("test").on_failure(OnFailure::Fail);
    let template = steps.into_iter().fold(builder, |builder, step| builder.step(step)).build().unwrap();
    for world in worlds().await {
        for step in ["bad", "slow"] {
            world.stage.on(step, |_| async { Err(StepError::retryable("DOWN", "no answer")) });
        }
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/strict")).await.unwrap();
        in_state(&tasker, task, TaskState::Waiting).await;
        tasker.stop().await.unwrap();
        let office = world.connect(&template).await;
        office.operate(task, &skip("slow")).await.unwrap();
        let report = office.show(task).await.unwrap().unwrap();
        assert_eq!(report.state, TaskState::Error, "{}", world.database);
        assert_eq!(report.cause.as_deref(), Some("failed for good: bad"), "{}", world.database);
        assert_eq!(report.finished_at, Some(world.clock.now()), "{}", world.database);
    }
}

#[tokio::test]
async fn blocked_task_that_is_given_up_is_an_error_at_once_for_the_same_reason() {
    for world in worlds().await {
        let (tasker, task) = blocked(&world, &broken()).await;
        let cause = tasker.show(task).await.unwrap().unwrap().cause;
        assert!(cause.is_some(), "{}", world.database);
        tasker.operate(task, &Command::GiveUp).await.unwrap();
        let report = tasker.show(task).await.unwrap().unwrap();
        assert_eq!((report.state, report.cause), (TaskState::Error, cause), "{}", world.database);
        assert_eq!(report.finished_at, Some(world.clock.now()), "{}", world.database);
        assert_eq!(world.column("select action from tasker.audit").await, ["give_up"], "{}", world.database);
        let reason = refusal(&tasker, task, Command::GiveUp).await;
        assert_eq!(reason, "the task is error: nothing can change it any more", "{}", world.database);
    }
}

#[tokio::test]
async fn only_a_blocked_task_can_be_given_up() {
    let template = template("fine", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let office = world.connect(&template).await;
        let task = office.submit(Submission::to("test/fine")).await.unwrap();
        let no = |state: &str| {
            format!("the task is {state}, not blocked_by_failures: cancel it instead of giving it up")
        };
        assert_eq!(refusal(&office, task, Command::GiveUp).await, no("pending"), "{}", world.database);
        office.operate(task, &Command::Pause).await.unwrap();
        assert_eq!(refusal(&office, task, Command::GiveUp).await, no("paused"), "{}", world.database);
        office.operate(task, &Command::Resume).await.unwrap();
        let tasker = world.start(&template).await;
        world.stage.wait_for("a", 1).await;
        assert_eq!(refusal(&office, task, Command::GiveUp).await, no("in_progress"), "{}", world.database);
        gate.add_permits(1);
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
    }
}

#[tokio::test]
async fn cancelled_task_is_over_at_once() {
    for world in worlds().await {
        let (tasker, task) = blocked(&world, &broken()).await;
        tasker.operate(task, &Command::Cancel).await.unwrap();
        let report = tasker.show(task).await.unwrap().unwrap();
        assert_eq!(report.state, TaskState::Cancelled, "{}", world.database);
        assert_eq!(report.finished_at, Some(world.clock.now()), "{}", world.database);
        assert_eq!(report.step("after").unwrap().state, StepState::Cancelled, "{}", world.database);
    }
}

#[tokio::test]
async fn paused_task_does_not_start_until_it_is_resumed() {
    let template = template("rest", [step("a", &[])]);
    for world in worlds().await {
        let office = world.connect(&template).await;
        let task = office.submit(Submission::to("test/rest")).await.unwrap();
        office.operate(task, &Command::Pause).await.unwrap();
        let tasker = world.start(&template).await;
        let other: Value = tasker.run("test/rest", &()).await.unwrap();
        assert_eq!(other, json!("a"), "{}", world.database);
        let report = office.show(task).await.unwrap().unwrap();
        assert_eq!((report.state, world.stage.calls().len()), (TaskState::Paused, 1), "{}", world.database);
        tasker.operate(task, &Command::Resume).await.unwrap();
        assert_eq!(
            in_state(&tasker, task, TaskState::Complete).await.result,
            json!("a"),
            "{}",
            world.database
        );
    }
}

#[tokio::test]
async fn what_is_done_to_a_paused_task_does_not_wake_it() {
    for world in worlds().await {
        let (tasker, task) = blocked(&world, &broken()).await;
        tasker.operate(task, &Command::Pause).await.unwrap();
        tasker.operate(task, &resolve("bad", json!(1))).await.unwrap();
        assert_eq!(tasker.show(task).await.unwrap().unwrap().state, TaskState::Paused, "{}", world.database);
        assert_eq!(world.stage.times("after").len(), 0, "{}", world.database);
        tasker.operate(task, &Command::Resume).await.unwrap();
        in_state(&tasker, task, TaskState::Complete).await;
        assert_eq!(world.stage.times("after").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn commands_that_do_not_fit_are_refused_with_the_reason() {
    for world in worlds().await {
        let (tasker, task) = blocked(&world, &broken()).await;
        let nobody = Uuid::now_v7();
        assert_eq!(refusal(&tasker, nobody, Command::Cancel).await, format!("there is no task {nobody}"));
        let cases = [
            (Command::Resume, "the task is blocked_by_failures, not paused"),
            (retry(&["badd"]), "the task has no step `badd`; did you mean `bad`?"),
            (resolve("aftr", json!(1)), "the task has no step `aftr`; did you mean `after`?"),
            (skip("zzzzzz"), "the task has no step `zzzzzz`"),
            (
                retry(&["aside"]),
                "step `aside` is complete: only a step that failed or waits for a retry can be retried",
            ),
            (
                resolve("after", json!(1)),
                "step `after` is pending: only a step that failed or waits can be resolved",
            ),
            (skip("aside"), "step `aside` is complete: only a step that failed or waits can be skipped"),
        ];
        for (command, reason) in cases {
            assert_eq!(refusal(&tasker, task, command).await, reason, "{}", world.database);
        }
        tasker.operate(task, &resolve("bad", json!(1))).await.unwrap();
        in_state(&tasker, task, TaskState::Complete).await;
        for command in [retry(&[]), skip("bad"), Command::Cancel, Command::Pause, Command::Resume] {
            let reason = refusal(&tasker, task, command).await;
            assert_eq!(reason, "the task is complete: nothing can change it any more", "{}", world.database);
        }
    }
}

#[tokio::test]
async fn retry_where_nothing_failed_is_refused() {
    let template = template("fine", [step("a", &[])]);
    for world in worlds().await {
        let office = world.connect(&template).await;
        let task = office.submit(Submission::to("test/fine")).await.unwrap();
        let reason = refusal(&office, task, retry(&[])).await;
        assert_eq!(
            reason, "no step of the task has failed for good or waits for a retry",
            "{}",
            world.database
        );
    }
}

#[tokio::test]
async fn audit_says_what_was_done_and_leaves_out_what_was_refused() {
    for world in worlds().await {
        let (tasker, task) = blocked(&world, &broken()).await;
        refusal(&tasker, task, retry(&["nothing"])).await;
        tasker.operate(task, &Command::Pause).await.unwrap();
        tasker.operate(task, &resolve("bad", json!(7))).await.unwrap();
        tasker.operate(task, &Command::Resume).await.unwrap();
        let sql =
            "select action, cast(detail as text), cast(created_at as text) from tasker.audit order by id";
        let now = world.clock.now().as_micros().to_string();
        let line = |action: &str, detail: &str| {
            vec![Some(action.to_owned()), Some(detail.to_owned()), Some(now.clone())]
        };
        let expected = [
            line("pause", "\"pause\""),
            line("resolve", r#"{"resolve":{"step":"bad","result":7}}"#),
            line("resume", "\"resume\""),
        ];
        assert_eq!(world.rows(sql).await, expected, "{}", world.database);
        let nameless =
            world.count("select count(*) from tasker.audit where actor is null or actor = ''").await;
        assert_eq!(nameless, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn task_that_waits_for_a_far_retry_can_be_resolved_and_goes_on_at_once() {
    let far = RetryOptions { base: Some(Duration::from_secs(600)), ..RetryOptions::default() };
    let far = RetryOptions { max: Some(Duration::from_secs(600)), ..far };
    let template = template("patient", [retried(step("bad", &[]), far), step("after", &["bad"])]);
    for world in worlds().await {
        world.stage.on("bad", |_| async { Err(StepError::retryable("DOWN", "no answer")) });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/patient")).await.unwrap();
        in_state(&tasker, task, TaskState::Waiting).await;
        tasker.operate(task, &resolve("bad", json!(1))).await.unwrap();
        assert_eq!(
            in_state(&tasker, task, TaskState::Complete).await.result,
            json!("after"),
            "{}",
            world.database
        );
        assert_eq!(world.stage.called(), ["bad 1", "after 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn wait_for_a_far_retry_is_ended_and_the_attempts_that_are_left_stay() {
    let far = RetryOptions { base: Some(Duration::from_secs(600)), ..RetryOptions::default() };
    let far = RetryOptions { max: Some(Duration::from_secs(600)), max_attempts: Some(3), ..far };
    let template = template("patient", [retried(step("bad", &[]), far), step("after", &["bad"])]);
    for command in [retry(&["bad"]), retry(&[])] {
        for world in worlds().await {
            world.stage.on("bad", |step| async move {
                match step.attempt() {
                    3 => Ok(json!(3)),
                    _ => Err(StepError::retryable("DOWN", "no answer")),
                }
            });
            let tasker = world.start(&template).await;
            let task = tasker.submit(Submission::to("test/patient")).await.unwrap();
            in_state(&tasker, task, TaskState::Waiting).await;
            let before = world.clock.now();
            for attempt in [2, 3] {
                tasker.operate(task, &command).await.unwrap();
                world.stage.wait_for("bad", attempt).await;
                if attempt == 2 {
                    let report = in_state(&tasker, task, TaskState::Waiting).await;
                    assert_eq!(report.step("bad").unwrap().max_attempts, 3, "{}", world.database);
                }
            }
            let report = in_state(&tasker, task, TaskState::Complete).await;
            assert_eq!(report.step("bad").unwrap().attempts, 3, "{}", world.database);
            assert_eq!(world.clock.now(), before, "{}: no time has passed", world.database);
        }
    }
}

#[tokio::test]
async fn one_connection_is_enough_to_ask_something_of_a_task_whose_template_is_not_known() {
    let template = template("one", [step("a", &[])]);
    for world in worlds().await {
        let knowing = world.connect(&template).await;
        let task = knowing.submit(Submission::to("test/one")).await.unwrap();
        let options = store::Options { pool_size: 1, full_sync: false, ..store::Options::default() };
        let office = world.builder(&[]).store_options(options).connect().await.unwrap();
        office.operate(task, &Command::Cancel).await.unwrap();
        in_state(&office, task, TaskState::Cancelled).await;
    }
}

#[tokio::test]
async fn commands_stand_in_the_audit_trail_under_the_name_of_whoever_gave_them() {
    for world in worlds().await {
        let (tasker, task) = blocked(&world, &broken()).await;
        tasker.as_actor("ada").operate(task, &Command::Pause).await.unwrap();
        tasker.operate(task, &Command::Resume).await.unwrap();
        let office = world.builder(&[]).template(broken()).actor("the night shift").connect().await.unwrap();
        office.operate(task, &Command::Cancel).await.unwrap();
        let actors = world.column("select actor from tasker.audit order by id").await;
        assert_eq!(actors[0], "ada", "{}", world.database);
        assert_eq!((&actors[1], &*actors[2]), (&tasker.actor().to_owned(), "the night shift"));
        // A test is a program as well: its name is that of its file.
        assert!(actors[1].starts_with("engine-"), "{}: {actors:?}", world.database);
    }
}

#[tokio::test]
async fn report_says_when_where_and_for_whom() {
    for world in worlds().await {
        let (tasker, failed) = blocked(&world, &broken()).await;
        let order = Submission::to("test/broken").priority(3).correlation_id(Uuid::from_u128(7));
        let task = tasker.submit(order.delay(Duration::from_secs(60))).await.unwrap();
        let value = serde_json::to_value(tasker.show(task).await.unwrap().unwrap()).unwrap();
        let created = json!(world.clock.now().to_string());
        for (field, expected) in [
            ("created_at", created.clone()),
            ("started_at", Value::Null),
            ("finished_at", Value::Null),
            ("due_at", json!((world.clock.now() + Duration::from_secs(60)).to_string())),
            ("queue", json!("test")),
            ("priority", json!(3)),
            ("correlation_id", json!(Uuid::from_u128(7))),
            ("worker", Value::Null),
        ] {
            assert_eq!(value[field], expected, "{}: {field}: {value:#}", world.database);
        }
        let report = tasker.show(failed).await.unwrap().unwrap();
        assert_eq!(report.started_at, Some(world.clock.now()), "{}", world.database);
        let value = serde_json::to_value(&report).unwrap();
        let bad = value["steps"].as_array().unwrap().iter().find(|step| step["name"] == "bad").unwrap();
        assert_eq!(
            (&bad["attempts"], &bad["max_attempts"], &bad["worker"]),
            (&json!(1), &json!(1), &json!(1))
        );
        assert!(bad.get("retry_at").is_some(), "{}: {bad:#}", world.database);
    }
}
