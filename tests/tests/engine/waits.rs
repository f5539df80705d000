//! Steps that wait for a time or for somebody.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{Process, World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{Message, SignalError, Submission, TaskReport},
    model::{SignalRefused, StepState, TaskState, Timestamp},
    template::{OnTimeout, SignalConfig, Step, StepKind, Template},
};
use uuid::Uuid;

use crate::operators::{in_state, refusal, resolve, retry, skip};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

fn signal(name: &str, after: &[&str], config: SignalConfig) -> Step {
    Step::signal(name, config).after(after.iter().copied())
}

fn within(timeout: Duration, on_timeout: OnTimeout) -> SignalConfig {
    SignalConfig { timeout: Some(timeout), on_timeout, ..SignalConfig::default() }
}

/// `validate`, an approval, and `pay`, which returns what the approval says.
fn approval(config: SignalConfig) -> Template {
    template(
        "approval",
        [step("validate", &[]), signal("approval", &["validate"], config), step("pay", &["approval"])],
    )
}

/// Has `pay` return the result of `of`.
pub(crate) fn returns(world: &World, name: &str, of: &'static str) {
    world.stage.on(name, move |step| async move { step.result::<Value>(of) });
}

pub(crate) async fn submitted(tasker: &Tasker, template: &Template) -> Uuid {
    tasker.submit(Submission::to(format!("test/{}", template.name()))).await.unwrap()
}

/// The task once it only waits: nobody holds it, and it costs no process anything.
pub(crate) async fn waits(world: &World, tasker: &Tasker, task: Uuid) -> TaskReport {
    let report = in_state(tasker, task, TaskState::Waiting).await;
    let given_back = || async {
        (world
            .count("select count(*) from tasker.runs where owner is not null and finished_at is null")
            .await
            == 0)
            .then_some(())
    };
    eventually("the task to be given back", given_back).await;
    report
}

fn says(name: &str, payload: &Value) -> Message {
    Message::named(name).payload(payload).unwrap()
}

pub(crate) fn state_of(report: &TaskReport, step: &str) -> StepState {
    report.step(step).unwrap().state
}

#[tokio::test]
async fn signal_settles_the_step_that_waits_for_it() {
    for world in worlds().await {
        returns(&world, "pay", "approval");
        let approval = approval(SignalConfig::default());
        let tasker = world.start(&approval).await;
        let task = submitted(&tasker, &approval).await;
        let report = waits(&world, &tasker, task).await;
        let waiting = report.step("approval").unwrap();
        assert_eq!((waiting.state, waiting.attempts), (StepState::Waiting, 0), "{}", world.database);
        assert_eq!(waiting.waits_for.as_deref(), Some("the signal `approval`: `signal` sends it"));
        assert_eq!(report.step("pay").unwrap().waits_for.as_deref(), Some("`approval`"));
        assert_eq!(report.next_at, Some(Timestamp::NEVER), "{}: nothing is due by itself", world.database);

        let receipt = tasker.send(task, &says("approval", &json!({"by": "ada"}))).await.unwrap();
        assert_eq!(receipt.number, 1);
        let report = settled(&tasker, task).await;
        assert_eq!((report.state, &report.result), (TaskState::Complete, &json!({"by": "ada"})));
        assert_eq!(report.step("approval").unwrap().result, json!({"by": "ada"}), "{}", world.database);
        assert_eq!(world.stage.times("validate").len(), 1, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn signal_that_comes_early_waits_for_its_step_and_each_settles_one() {
    for world in worlds().await {
        let go = world.stage.gate("first");
        let template = template(
            "early",
            [
                step("first", &[]),
                signal(
                    "one",
                    &["first"],
                    SignalConfig { name: Some("word".into()), ..SignalConfig::default() },
                ),
                step("between", &["one"]),
                signal(
                    "two",
                    &["between"],
                    SignalConfig { name: Some("word".into()), ..SignalConfig::default() },
                ),
            ],
        );
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        world.stage.wait_for("first", 1).await;
        for (number, word) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(tasker.send(task, &says("word", &json!(word))).await.unwrap().number, number);
        }
        let report = tasker.show(task).await.unwrap().unwrap();
        let mailbox: Vec<_> =
            report.mailbox.iter().map(|signal| (signal.number, signal.payload.clone())).collect();
        assert_eq!(mailbox, [(1, json!("a")), (2, json!("b")), (3, json!("c"))], "{}", world.database);
        go.add_permits(1);
        let report = settled(&tasker, task).await;
        assert_eq!(report.step("one").unwrap().result, json!("a"), "{}", world.database);
        assert_eq!(report.step("two").unwrap().result, json!("b"), "{}", world.database);
        let left: Vec<_> = report.mailbox.iter().map(|signal| signal.number).collect();
        assert_eq!(left, [3], "{}: the third has no step", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn signal_with_a_key_is_sent_once() {
    for world in worlds().await {
        let template = approval(SignalConfig::default());
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        let yes = says("approval", &json!({"a": 1, "b": 2})).idempotency_key("k");
        assert_eq!(tasker.send(task, &yes).await.unwrap().number, 1);
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete);
        // The same in another order of keys, after the task is over.
        let again =
            Message::named("approval").payload(&json!({"b": 2, "a": 1})).unwrap().idempotency_key("k");
        assert_eq!(tasker.send(task, &again).await.unwrap().number, 1, "{}", world.database);
        let other = tasker.send(task, &says("approval", &json!(2)).idempotency_key("k")).await;
        assert!(matches!(other, Err(SignalError::Refused(SignalRefused::KeyReused { number: 1 }))));
        assert_eq!(world.count("select count(*) from tasker.signals").await, 1, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn signal_that_cannot_be_meant_is_refused_and_changes_nothing() {
    for world in worlds().await {
        let schema = json!({"type": "object", "required": ["by"]});
        let template = approval(SignalConfig { schema: Some(schema), ..SignalConfig::default() });
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        waits(&world, &tasker, task).await;
        let refused = async |task, message: Message| match tasker.send(task, &message).await {
            Err(SignalError::Refused(refused)) => (refused.code(), refused.to_string()),
            other => panic!("{}: {other:?}", world.database),
        };
        let unknown = refused(task, says("aproval", &json!({"by": 1}))).await;
        assert_eq!(unknown.0, "UNKNOWN_SIGNAL");
        assert_eq!(unknown.1, "no step of the task waits for a signal `aproval`; did you mean `approval`?");
        let wrong = refused(task, says("approval", &json!({}))).await;
        assert_eq!(wrong.0, "INVALID_PAYLOAD");
        assert!(wrong.1.contains("by"), "{}", wrong.1);
        let large = refused(task, says("approval", &json!({"by": "x".repeat(256 << 10)}))).await;
        assert_eq!(large.0, "PAYLOAD_TOO_LARGE");
        let key = refused(task, says("approval", &json!({"by": 1})).idempotency_key("k".repeat(256))).await;
        assert_eq!(key.0, "INVALID_KEY");
        let nobody = tasker.send(Uuid::nil(), &says("approval", &json!({"by": 1}))).await;
        assert!(matches!(nobody, Err(SignalError::UnknownTask(_))));
        // An operator who gives the result by hand keeps to the schema as well.
        assert!(
            refusal(&tasker, task, resolve("approval", json!(1))).await.contains("cannot have this result")
        );

        let report = tasker.show(task).await.unwrap().unwrap();
        assert_eq!((report.state, report.mailbox.len()), (TaskState::Waiting, 0), "{}", world.database);
        tasker.send(task, &says("approval", &json!({"by": 1}))).await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete);
        assert_eq!(refused(task, says("approval", &json!({"by": 1}))).await.0, "TASK_OVER");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn mailbox_takes_a_thousand_signals_that_no_step_waits_for() {
    for world in worlds().await {
        let gate = world.stage.gate("validate");
        let template = approval(SignalConfig::default());
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        world.stage.wait_for("validate", 1).await;
        for _ in 0..1_000 {
            tasker.send(task, &Message::named("approval")).await.unwrap();
        }
        let full = tasker.send(task, &Message::named("approval")).await;
        assert!(matches!(full, Err(SignalError::Refused(SignalRefused::MailboxFull))), "{}", world.database);
        gate.add_permits(1);
        assert_eq!(settled(&tasker, task).await.mailbox.len(), 999, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn signal_that_does_not_come_ends_as_its_template_says() {
    for world in worlds().await {
        for (on_timeout, state, pay) in [
            (OnTimeout::Fail, TaskState::BlockedByFailures, StepState::Pending),
            (OnTimeout::Skip, TaskState::Complete, StepState::Skipped),
            (OnTimeout::Default(json!("no")), TaskState::Complete, StepState::Complete),
        ] {
            returns(&world, "pay", "approval");
            let template = approval(within(72 * HOUR, on_timeout.clone()));
            let tasker = world.builder(&[("templates.replace", "true")]).template(template.clone());
            let tasker = tasker.start().await.unwrap();
            let task = submitted(&tasker, &template).await;
            let report = waits(&world, &tasker, task).await;
            let due = report.next_at.unwrap();
            let validated = report.step("validate").unwrap().finished_at.unwrap();
            assert_eq!(due, validated + 72 * HOUR, "{}", world.database);

            world.clock.advance(due.since(world.clock.now()) - Duration::from_micros(1));
            let early = tasker.show(task).await.unwrap().unwrap();
            assert_eq!(early.state, TaskState::Waiting, "{}: {on_timeout:?}", world.database);
            world.clock.advance(Duration::from_micros(1));
            let report = settled(&tasker, task).await;
            assert_eq!((report.state, state_of(&report, "pay")), (state, pay), "{}", world.database);
            match on_timeout {
                OnTimeout::Fail => {
                    let error = report.step("approval").unwrap().error.clone().unwrap();
                    assert_eq!(error.code(), "SIGNAL_TIMEOUT");
                    // Whoever has it tried again waits without a limit.
                    tasker.operate(task, &retry(&["approval"])).await.unwrap();
                    world.clock.advance(100 * HOUR);
                    assert_eq!(waits(&world, &tasker, task).await.next_at, Some(Timestamp::NEVER));
                    tasker.send(task, &says("approval", &json!("late"))).await.unwrap();
                    assert_eq!(settled(&tasker, task).await.result, json!("late"), "{}", world.database);
                }
                OnTimeout::Default(default) => assert_eq!(report.result, default, "{}", world.database),
                OnTimeout::Skip => {}
            }
            tasker.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn convergence_copes_without_a_signal_that_was_skipped() {
    for world in worlds().await {
        world.stage.on("end", |step| async move {
            Ok(json!(step.result_json("approval").unwrap().map(|json| json.to_value())))
        });
        let template = template(
            "copes",
            [
                step("start", &[]),
                signal("approval", &["start"], within(HOUR, OnTimeout::Skip)),
                step("end", &["start", "approval"]).kind(StepKind::DeferredConvergence),
            ],
        );
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        waits(&world, &tasker, task).await;
        world.clock.advance(HOUR);
        let report = settled(&tasker, task).await;
        assert_eq!((report.state, report.result), (TaskState::Complete, Value::Null), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn signal_finds_its_task_whoever_holds_it() {
    for world in worlds().await {
        returns(&world, "pay", "approval");
        let approval = approval(SignalConfig::default());
        // Another process than the one that runs it sends it.
        let sender = world.connect(&approval).await;
        let process = Process::start(world.builder(&[]).template(approval.clone())).await;
        let task = process.submit(Submission::to("test/approval")).await;
        in_state(&sender, task, TaskState::Waiting).await;
        process.kill();
        // Nobody runs it now.
        sender.send(task, &says("approval", &json!("yes"))).await.unwrap();
        let tasker = world.start(&approval).await;
        world.clock.advance(HOUR);
        assert_eq!(settled(&tasker, task).await.result, json!("yes"), "{}", world.database);

        // And while another of its steps runs.
        let template = template(
            "busy",
            [step("work", &[]), signal("go", &[], SignalConfig::default()), step("went", &["go"])],
        );
        let gate = world.stage.gate("work");
        let busy = world.start(&template).await;
        let task = submitted(&busy, &template).await;
        world.stage.wait_for("work", 1).await;
        let sender = world.connect(&template).await;
        sender.send(task, &Message::named("go")).await.unwrap();
        // On SQLite its holder looks once a second.
        world.clock.advance(Duration::from_secs(1));
        world.stage.wait_for("went", 1).await;
        gate.add_permits(1);
        assert_eq!(settled(&busy, task).await.state, TaskState::Complete, "{}", world.database);
        busy.stop().await.unwrap();
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn failure_beside_a_wait_without_end_is_not_hidden_by_it() {
    for world in worlds().await {
        world.stage.on("bad", |_| async { Err::<Value, _>(StepError::permanent("NO", "no")) });
        let template = template(
            "beside",
            [step("bad", &[]), signal("go", &[], SignalConfig::default()), step("went", &["go"])],
        );
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures, "{}", world.database);
        // The other branch goes on all the same.
        tasker.send(task, &Message::named("go")).await.unwrap();
        world.stage.wait_for("went", 1).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures, "{}", world.database);
        tasker.operate(task, &skip("bad")).await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn operators_settle_what_waits() {
    for world in worlds().await {
        returns(&world, "pay", "approval");
        let template = approval(SignalConfig::default());
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        waits(&world, &tasker, task).await;
        tasker.operate(task, &resolve("approval", json!("by hand"))).await.unwrap();
        assert_eq!(settled(&tasker, task).await.result, json!("by hand"), "{}", world.database);

        let task = submitted(&tasker, &template).await;
        waits(&world, &tasker, task).await;
        tasker.operate(task, &skip("approval")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!((report.state, state_of(&report, "pay")), (TaskState::Complete, StepState::Skipped));

        let task = submitted(&tasker, &template).await;
        waits(&world, &tasker, task).await;
        tasker.operate(task, &tasker_runtime::model::Command::Pause).await.unwrap();
        tasker.send(task, &says("approval", &json!("paused"))).await.unwrap();
        assert_eq!(tasker.show(task).await.unwrap().unwrap().state, TaskState::Paused, "{}", world.database);
        tasker.operate(task, &tasker_runtime::model::Command::Resume).await.unwrap();
        assert_eq!(settled(&tasker, task).await.result, json!("paused"), "{}", world.database);

        let task = submitted(&tasker, &template).await;
        waits(&world, &tasker, task).await;
        tasker.operate(task, &tasker_runtime::model::Command::Cancel).await.unwrap();
        let report = tasker.show(task).await.unwrap().unwrap();
        assert_eq!(
            (report.state, state_of(&report, "approval")),
            (TaskState::Cancelled, StepState::Cancelled)
        );
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn default_that_breaks_the_schema_of_its_signal_does_not_start() {
    for world in worlds().await {
        let schema = Some(json!({"type": "object", "required": ["by"]}));
        let config = SignalConfig { schema, ..within(HOUR, OnTimeout::Default(json!({}))) };
        let started = world.builder(&[]).template(approval(config)).start().await;
        let refused = started.err().unwrap().to_string();
        assert!(
            refused.contains("step `approval`: the default does not fit the schema of the signal"),
            "{refused}"
        );
    }
}
