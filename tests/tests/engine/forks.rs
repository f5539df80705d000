//! Tasks that begin where others have come to.

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{Fork, ForkError, Message, OriginKind, Submission, TaskReport},
    model::{StepState, TaskState},
    template::{
        BatchConfig, Concurrency, FailureStrategy, OnConflict, SignalConfig, Step, StepKind, Template,
        TimerConfig,
    },
};
use uuid::Uuid;

use crate::waits::{HOUR, state_of, waits};

/// `a` → `b` → `d` and `a` → `c` → `d`.
fn diamond() -> Template {
    template("diamond", [step("a", &[]), step("b", &["a"]), step("c", &["a"]), step("d", &["b", "c"])])
}

/// Which steps of a task were called, sorted.
fn called(world: &World, task: Uuid) -> Vec<String> {
    let calls = world.stage.calls().into_iter().filter(|call| call.task == task);
    let mut steps: Vec<String> = calls.map(|call| call.step).collect();
    steps.sort_unstable();
    steps
}

async fn forked(tasker: &Tasker, task: Uuid, from: &str) -> TaskReport {
    let new = tasker.fork(task, Fork::from_step(from)).await.unwrap();
    settled(tasker, new).await
}

async fn refusal(tasker: &Tasker, task: Uuid, from: &str) -> &'static str {
    match tasker.fork(task, Fork::from_step(from)).await {
        Err(ForkError::Refused(problem)) => problem.code(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Everything that a report says of the results of steps.
fn results(report: &TaskReport) -> Vec<(StepState, Value)> {
    report.steps.iter().map(|step| (step.state, step.result.clone())).collect()
}

#[tokio::test]
async fn fork_runs_the_step_and_what_is_below_it_and_keeps_the_rest() {
    for world in worlds().await {
        let context = |step: tasker_runtime::prelude::TaskSequenceStep| async move {
            Ok(json!([step.name(), step.context::<Value>()?]))
        };
        for name in ["a", "b", "c", "d"] {
            world.stage.on(name, context);
        }
        let tasker = world.start(&diamond()).await;
        let order = Submission::to("test/diamond").context(&1).unwrap().priority(7);
        let old = tasker.submit(order.correlation_id(Uuid::from_u128(5))).await.unwrap();
        let before = settled(&tasker, old).await;
        world.clock.advance(HOUR);
        let ada = tasker.as_actor("ada");
        let new = ada.fork(old, Fork::from_step("b").context(&2).unwrap()).await.unwrap();
        let report = settled(&tasker, new).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(called(&world, new), ["b", "d"], "{}", world.database);
        let kept = |name: &str, number: u8| (StepState::Complete, json!([name, number]));
        let expected = [kept("a", 1), kept("b", 2), kept("c", 1), kept("d", 2)];
        assert_eq!(results(&report), expected, "{}", world.database);
        assert_eq!(report.step("a").unwrap().finished_at, before.step("a").unwrap().finished_at);
        let origin = report.origin.as_ref().unwrap();
        assert_eq!((origin.task, origin.kind, origin.from.as_deref()), (old, OriginKind::Fork, Some("b")));
        assert_eq!((report.priority, report.correlation_id), (7, Uuid::from_u128(5)), "{}", world.database);
        assert_eq!((report.context.clone(), report.created_at), (json!(2), world.clock.now()));
        let audit = "select actor || ' ' || action from tasker.audit";
        assert_eq!(world.column(audit).await, ["ada fork"], "{}", world.database);

        let replayed = tasker.replay(old).await.unwrap();
        let report = settled(&tasker, replayed).await;
        assert_eq!(called(&world, replayed), ["a", "b", "c", "d"], "{}", world.database);
        assert_eq!(results(&report), results(&before), "{}", world.database);
        let origin = report.origin.unwrap();
        assert_eq!((origin.task, origin.kind, origin.from), (old, OriginKind::Replay, None));

        let after = tasker.show(old).await.unwrap().unwrap();
        let text = |report: &TaskReport| serde_json::to_string(report).unwrap();
        assert_eq!(text(&after), text(&before), "{}: the old one stays as it is", world.database);
        // A fork is a task as any other: it can be forked itself.
        let again = forked(&tasker, new, "d").await;
        assert_eq!(called(&world, again.task_id), ["d"], "{}", world.database);
        assert_eq!(results(&again)[..3], expected[..3], "{}", world.database);
    }
}

#[tokio::test]
async fn decisions_above_stay_decided_and_batches_above_stay_as_they_were_cut() {
    let template = template(
        "routed",
        [
            step("choose", &[]).kind(StepKind::Decision),
            step("left", &["choose"]),
            step("right", &["choose"]),
            step("cut", &["left"]).kind(StepKind::Batchable),
            step("work", &["cut"]).kind(StepKind::BatchWorker),
            step("gather", &["work", "right"]).kind(StepKind::DeferredConvergence),
            step("end", &["gather"]),
        ],
    );
    for world in worlds().await {
        world.stage.on("choose", |_| async { Ok(json!({ "routes": ["left"] })) });
        let batch = |start: u8| json!({ "start": start, "end": start + 1, "items": 1 });
        world.stage.on("cut", move |_| async move { Ok(json!({ "batches": [batch(0), batch(1)] })) });
        let tasker = world.start(&template).await;
        let old = tasker.submit(Submission::to("test/routed")).await.unwrap();
        settled(&tasker, old).await;
        for (from, expected) in [
            ("end", &["end"][..]),
            ("gather", &["end", "gather"]),
            ("work", &["end", "gather", "work_001", "work_002"]),
            ("cut", &["cut", "end", "gather", "work_001", "work_002"]),
            ("left", &["cut", "end", "gather", "left", "work_001", "work_002"]),
        ] {
            let report = forked(&tasker, old, from).await;
            assert_eq!(report.state, TaskState::Complete, "{}: {from}", world.database);
            assert_eq!(called(&world, report.task_id), expected, "{}: {from}", world.database);
            assert_eq!(state_of(&report, "right"), StepState::Skipped, "{}: {from}", world.database);
        }
        assert_eq!(refusal(&tasker, old, "right").await, "BRANCH_NOT_TAKEN", "{}", world.database);
        assert_eq!(refusal(&tasker, old, "work_001").await, "BATCH_INSTANCE", "{}", world.database);
        assert_eq!(refusal(&tasker, old, "ende").await, "UNKNOWN_STEP", "{}", world.database);
        let taken = ["choose", "left"];
        world.stage.on("choose", |_| async { Ok(json!({ "routes": ["right"] })) });
        let other = forked(&tasker, old, "choose").await;
        assert_eq!(called(&world, other.task_id), ["choose", "end", "gather", "right"]);
        assert_eq!(state_of(&other, taken[1]), StepState::Skipped, "{}", world.database);
    }
}

#[tokio::test]
async fn signals_and_timers_above_have_come_and_those_below_are_waited_for() {
    let signal = |name: &str, after: &str| {
        let config = SignalConfig { name: Some("go".to_owned()), ..SignalConfig::default() };
        Step::signal(name, config).after([after])
    };
    let template = template(
        "waiting",
        [
            step("a", &[]),
            Step::timer("hour", TimerConfig::Delay(HOUR)).after(["a"]),
            signal("first", "hour"),
            step("b", &["first"]),
            signal("second", "b"),
            step("end", &["second"]),
        ],
    );
    for world in worlds().await {
        let tasker = world.start(&template).await;
        let old = tasker.submit(Submission::to("test/waiting")).await.unwrap();
        let send = async |task: Uuid, says: u8| {
            tasker.send(task, &Message::named("go").payload(&says).unwrap()).await.unwrap();
        };
        send(old, 1).await;
        send(old, 2).await;
        waits(&world, &tasker, old).await;
        world.clock.advance(HOUR);
        let before = settled(&tasker, old).await;
        let new = tasker.fork(old, Fork::from_step("b")).await.unwrap();
        let report = waits(&world, &tasker, new).await;
        assert_eq!(called(&world, new), ["b"], "{}: neither the timer nor the first signal", world.database);
        assert_eq!(results(&report)[..3], results(&before)[..3], "{}", world.database);
        assert!(report.mailbox.is_empty(), "{}: the second was the old one's own", world.database);
        send(new, 3).await;
        let report = settled(&tasker, new).await;
        assert_eq!(report.step("second").unwrap().result, json!(3), "{}", world.database);
        assert_eq!(report.step("first").unwrap().result, json!(1), "{}", world.database);
    }
}

#[tokio::test]
async fn task_that_goes_on_is_forked_only_where_it_has_been() {
    for world in worlds().await {
        let gate = world.stage.gate("b");
        let tasker = world.start(&diamond()).await;
        let old = tasker.submit(Submission::to("test/diamond")).await.unwrap();
        world.stage.wait_for("b", 1).await;
        let there = || async {
            let report = tasker.show(old).await.unwrap()?;
            (state_of(&report, "c") == StepState::Complete).then_some(())
        };
        eventually("the result of `c`", there).await;
        assert_eq!(refusal(&tasker, old, "d").await, "UPSTREAM_UNSETTLED", "{}", world.database);
        let new = tasker.fork(old, Fork::from_step("b")).await.unwrap();
        gate.add_permits(2);
        assert_eq!(settled(&tasker, new).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(called(&world, new), ["b", "d"], "{}", world.database);
        assert_eq!(settled(&tasker, old).await.state, TaskState::Complete, "{}", world.database);
    }
}

#[tokio::test]
async fn what_cannot_be_started_again_is_refused_and_adds_nothing() {
    for world in worlds().await {
        let tasker = world.start(&diamond()).await;
        let old = tasker.submit(Submission::to("test/diamond")).await.unwrap();
        settled(&tasker, old).await;
        let unknown = tasker.replay(Uuid::nil()).await.unwrap_err();
        assert_eq!(unknown.code(), "UNKNOWN_TASK", "{}", world.database);
        tasker.stop().await.unwrap();
        world.change("delete from tasker.templates").await;
        let office =
            world.builder(&[]).template(template("other", [step("a", &[])])).connect().await.unwrap();
        for refused in [office.replay(old).await, office.fork(old, Fork::from_step("b")).await] {
            assert_eq!(refused.unwrap_err().code(), "TEMPLATE_GONE", "{}", world.database);
        }
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 1, "{}", world.database);
    }
}

#[tokio::test]
async fn batches_that_failed_and_were_done_without_stay_so() {
    let mut work = step("work", &["cut"]).kind(StepKind::BatchWorker);
    work.batch = Some(BatchConfig {
        failure_strategy: Some(FailureStrategy::ContinueOnFailure),
        ..BatchConfig::default()
    });
    let template = template(
        "partial",
        [
            step("cut", &[]).kind(StepKind::Batchable),
            work,
            step("gather", &["work"]).kind(StepKind::DeferredConvergence),
        ],
    );
    for world in worlds().await {
        let batch = |start: u8| json!({ "start": start, "end": start + 1, "items": 1 });
        world.stage.on("cut", move |_| async move { Ok(json!({ "batches": [batch(0), batch(1)] })) });
        world.stage.on("work_002", |_| async { Err(StepError::permanent("DOWN", "no")) });
        let tasker = world.start(&template).await;
        let old = tasker.submit(Submission::to("test/partial")).await.unwrap();
        let before = settled(&tasker, old).await;
        assert_eq!(before.state, TaskState::Complete, "{}", world.database);
        let after = forked(&tasker, old, "gather").await;
        assert_eq!(called(&world, after.task_id), ["gather"], "{}", world.database);
        assert_eq!(after.state, TaskState::Complete, "{}", world.database);
        assert_eq!(results(&after), results(&before), "{}", world.database);
        let error = after.step("work_002").unwrap().error.as_ref().unwrap();
        assert_eq!(error.code(), "DOWN", "{}", world.database);
    }
}

#[tokio::test]
async fn limits_of_the_template_hold_for_what_is_started_again() {
    for world in worlds().await {
        let builder = |on_conflict| {
            let limit = Concurrency::of(1).key("$.customer").on_conflict(on_conflict);
            let builder = Template::builder("limited").namespace("test").concurrency(limit);
            builder.step(step("a", &[])).step(step("work", &["a"])).build().unwrap()
        };
        let gate = world.stage.gate("work");
        let tasker = world.start(&builder(OnConflict::Queue)).await;
        let order = Submission::to("test/limited").context(&json!({ "customer": 1 })).unwrap();
        let old = tasker.submit(order.clone()).await.unwrap();
        world.stage.wait_for("work", 1).await;
        let new = tasker.fork(old, Fork::from_step("work")).await.unwrap();
        let report = tasker.show(new).await.unwrap().unwrap();
        let waits_for = report.waits_for.unwrap_or_default();
        assert!(waits_for.starts_with("its turn, at most 1 of"), "{}: {waits_for}", world.database);
        let no_key = tasker.fork(old, Fork::from_step("work").context(&json!({})).unwrap()).await;
        assert_eq!(no_key.unwrap_err().code(), "INVALID_INPUT", "{}", world.database);
        gate.add_permits(2);
        assert_eq!(settled(&tasker, new).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(called(&world, new), ["work"], "{}: what it kept it has after its turn", world.database);
        tasker.stop().await.unwrap();

        let skips = world.builder(&[]).template(builder(OnConflict::Skip)).replace_templates(true);
        let tasker = skips.start().await.unwrap();
        let old = tasker.submit(order).await.unwrap();
        let refused = tasker.replay(old).await.unwrap_err();
        assert_eq!(refused.code(), "SKIPPED", "{}: {refused}", world.database);
        gate.add_permits(1);
        settled(&tasker, old).await;
        tasker.stop().await.unwrap();
    }
}
