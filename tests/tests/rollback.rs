//! What failed for good is undone, last first, on both stores.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{path::Path, time::Duration};

use handlers as _;
use serde_json::{Value, json};
use support::{
    stage::Stage,
    world::{Process, World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{Builder, OperateError, Submission, TaskReport},
    clock::Clock,
    handler::{Compensating, HandlerSpec, Registration},
    model::{Command, CommandError, Json, StepState, TaskState},
    prelude::*,
    registry::Registry,
    template::{Backoff, OnFailure, Step, Template},
};
use uuid::Uuid;

/// A handler that does what the stage says.
struct Plays {
    name: &'static str,
    spec: fn() -> HandlerSpec,
}

#[async_trait]
impl StepHandler for Plays {
    fn name(&self) -> &str {
        self.name
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.parts().states.get::<Stage>().unwrap().play(step).await
    }

    fn spec(&self) -> HandlerSpec {
        (self.spec)()
    }
}

impl Compensating for Plays {}

/// Steps that call it are undone by the next.
static DO: Plays = Plays { name: "do", spec: HandlerSpec::new };
static COMPENSATION: Plays = Plays {
    name: "undo",
    spec: || {
        let spec = HandlerSpec::new().compensates("do").attempts(3);
        spec.backoff(Backoff::None).base(Duration::from_secs(1))
    },
};
/// Steps that call it are not undone.
static PLAIN: Plays = Plays { name: "plain", spec: HandlerSpec::new };

fn registry() -> Registry {
    Registry::of(
        [&DO, &COMPENSATION, &PLAIN].map(|handler| Registration::new(handler, file!(), line!(), "rollback")),
    )
}

fn step(name: &str, after: &[&str]) -> Step {
    Step::new(name).handler("do").after(after.iter().copied())
}

/// The template `test/order` of these steps.
fn template(steps: impl IntoIterator<Item = Step>) -> Template {
    let order = Template::builder("order").namespace("test").on_failure(OnFailure::Compensate);
    steps.into_iter().fold(order, |order, step| order.step(step)).build().unwrap()
}

/// `a`, `b` and `c` one after the other.
fn linear() -> Template {
    template([step("a", &[]), step("b", &["a"]), step("c", &["b"])])
}

fn builder(world: &World, template: &Template) -> Builder {
    world.builder(&[]).registry(registry()).template(template.clone())
}

async fn start(world: &World, template: &Template) -> Tasker {
    builder(world, template).start().await.unwrap()
}

async fn submit(tasker: &Tasker) -> Uuid {
    tasker.submit(Submission::to("test/order")).await.unwrap()
}

/// From now on the step fails for good.
fn fail(stage: &Stage, step: &str) {
    stage.on(step, |_| async { Err(StepError::permanent("BROKEN", "for good")) });
}

/// The task once it is as `wanted` says.
async fn seen(tasker: &Tasker, task: Uuid, wanted: impl Fn(&TaskReport) -> bool) -> TaskReport {
    let look = || async { tasker.show(task).await.unwrap().filter(&wanted) };
    eventually("the task to come so far", look).await
}

/// `name state attempts` of each compensation.
fn compensated(report: &TaskReport) -> Vec<String> {
    let line =
        |step: &tasker_runtime::api::StepReport| format!("{} {} {}", step.name, step.state, step.attempts);
    report.compensations.iter().map(line).collect()
}

#[tokio::test]
async fn completed_steps_are_undone_last_first_with_their_own_results() {
    for world in worlds().await {
        world.stage.on("a", |_| async { Ok(json!({"seat": 7})) });
        world.stage.on("undo b", |step| async move {
            let (own, above): (String, Value) = (COMPENSATION.compensated(&step)?, step.result("a")?);
            Ok(json!([own, step.result::<String>("b")?, above, step.context::<Value>()?]))
        });
        fail(&world.stage, "c");
        let tasker = start(&world, &linear()).await;
        let task =
            tasker.submit(Submission::to("test/order").context(&json!({"n": 1})).unwrap()).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Compensated, "{}", world.database);
        assert_eq!(report.cause.as_deref(), Some("failed for good: c"));
        assert_eq!(world.stage.called(), ["a 1", "b 1", "c 1", "undo b 1", "undo a 1"], "{}", world.database);
        assert_eq!(compensated(&report), ["undo b complete 1", "undo a complete 1"]);
        assert_eq!(report.step("undo b").unwrap().result, json!(["b", "b", {"seat": 7}, {"n": 1}]));
        assert_eq!(report.step("b").unwrap().state, StepState::Complete, "what happened is not denied");
        let printed = serde_json::to_value(&report).unwrap();
        assert_eq!(printed["compensations"][1]["name"], json!("undo a"));
        assert_eq!(printed["steps"].as_array().unwrap().len(), 3);
        let view = "select step, state from tasker.step_states";
        let view: Vec<String> = world
            .rows(view)
            .await
            .iter()
            .map(|row| row.iter().flatten().cloned().collect::<Vec<_>>().join(" "))
            .collect();
        let steps = ["a complete", "b complete", "c error", "undo a complete", "undo b complete"];
        assert_eq!(view, steps, "{}", world.database);
    }
}

#[tokio::test]
async fn the_order_is_that_of_completion_and_not_that_of_the_template() {
    let steps = [step("x", &[]), step("y", &[]), step("z", &["x", "y"])];
    for world in worlds().await {
        let (x, y) = (world.stage.gate("x"), world.stage.gate("y"));
        fail(&world.stage, "z");
        let tasker = start(&world, &template(steps.clone())).await;
        let task = submit(&tasker).await;
        world.stage.wait_for("x", 1).await;
        world.stage.wait_for("y", 1).await;
        y.add_permits(1);
        seen(&tasker, task, |report| report.step("y").unwrap().state == StepState::Complete).await;
        world.clock.advance(Duration::from_millis(1));
        x.add_permits(1);
        let report = settled(&tasker, task).await;
        assert_eq!(compensated(&report), ["undo x complete 1", "undo y complete 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn what_was_used_is_undone_last_whatever_the_clocks_of_two_processes_say() {
    for world in worlds().await {
        let gate = world.stage.gate("b");
        fail(&world.stage, "c");
        let ahead = Clock::manual(world.clock.now() + Duration::from_secs(60));
        let first = world.builder(&[("worker.drain_seconds", "0")]).clock(ahead);
        let first = first.registry(registry()).template(linear()).start().await.unwrap();
        let task = submit(&first).await;
        world.stage.wait_for("b", 1).await;
        first.stop().await.unwrap();
        world.change("update tasker.runs set run_at = 0").await;
        gate.add_permits(2);
        let second = start(&world, &linear()).await;
        let report = settled(&second, task).await;
        assert_eq!(compensated(&report), ["undo b complete 1", "undo a complete 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn what_did_not_complete_or_has_nothing_to_undo_it_is_passed_over() {
    let steps = [
        step("a", &[]),
        step("resolved", &[]),
        step("skipped", &[]),
        Step::new("plain").after(["a"]),
        step("last", &["plain"]),
        step("never", &["last"]),
    ];
    for world in worlds().await {
        for name in ["resolved", "skipped"] {
            let later = || StepError::retryable("LATER", "not now").after(Duration::from_secs(3600));
            world.stage.on(name, move |_| async move { Err(later()) });
        }
        let gate = world.stage.gate("plain");
        fail(&world.stage, "last");
        let tasker = start(&world, &template(steps.clone())).await;
        let task = submit(&tasker).await;
        let waits =
            |report: &TaskReport, name| report.step(name).unwrap().state == StepState::WaitingForRetry;
        seen(&tasker, task, |report| waits(report, "resolved") && waits(report, "skipped")).await;
        world.clock.advance(Duration::from_secs(1));
        let resolve = Command::Resolve { step: "resolved".into(), result: Json::of("by hand").unwrap() };
        tasker.operate(task, &resolve).await.unwrap();
        tasker.operate(task, &Command::Skip { step: "skipped".into() }).await.unwrap();
        let is = |report: &TaskReport, name, state| report.step(name).unwrap().state == state;
        seen(&tasker, task, |report| {
            is(report, "resolved", StepState::ResolvedManually) && is(report, "skipped", StepState::Skipped)
        })
        .await;
        gate.add_permits(1);
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Compensated, "{}", world.database);
        assert_eq!(
            compensated(&report),
            ["undo resolved complete 1", "undo a complete 1"],
            "{}",
            world.database
        );
        assert_eq!(report.step("never").unwrap().state, StepState::Cancelled);
    }
}

#[tokio::test]
async fn a_task_of_which_nothing_completed_has_nothing_to_undo() {
    for world in worlds().await {
        fail(&world.stage, "a");
        let tasker = start(&world, &linear()).await;
        let report = settled(&tasker, submit(&tasker).await).await;
        assert_eq!(
            (report.state, compensated(&report)),
            (TaskState::Compensated, vec![]),
            "{}",
            world.database
        );
        world.stage.on("a", |_| async { Ok(json!(1)) });
        let report = settled(&tasker, submit(&tasker).await).await;
        assert_eq!((report.state, compensated(&report)), (TaskState::Complete, vec![]), "{}", world.database);
    }
}

#[tokio::test]
async fn compensations_are_retried_as_their_attribute_says_while_the_task_is_compensating() {
    for world in worlds().await {
        fail(&world.stage, "c");
        world.stage.on("undo b", |step| async move {
            match step.attempt() {
                1 => Err(StepError::retryable("BUSY", "soon")),
                // Farther away than what is waited for here: the task is given back.
                2 => Err(StepError::retryable("BUSY", "later").after(Duration::from_secs(60))),
                attempt => Ok(json!([attempt, step.max_attempts()])),
            }
        });
        let tasker = start(&world, &linear()).await;
        let task = submit(&tasker).await;
        let failed = |report: &TaskReport, times| report.step("undo b").is_some_and(|b| b.attempts == times);
        let undoing = |report: &TaskReport| report.state == TaskState::Compensating;
        let report = seen(&tasker, task, |report| failed(report, 1) && undoing(report)).await;
        assert_eq!(compensated(&report), ["undo b waiting_for_retry 1", "undo a pending 0"]);
        assert_eq!(report.step("undo b").unwrap().max_attempts, 3);
        world.clock.advance(Duration::from_secs(2));
        let report = seen(&tasker, task, |report| failed(report, 2) && report.next_at.is_some()).await;
        assert_eq!(report.state, TaskState::Compensating, "{}", world.database);
        assert_eq!(report.next_at.unwrap().since(world.clock.now()), Duration::from_secs(60));
        let given_back =
            || async { world.count("select count(*) from tasker.runs where owner is null").await == 1 };
        eventually("the task to be given back", || async { given_back().await.then_some(()) }).await;
        assert_eq!(world.column("select state from tasker.runs").await, ["4"], "{}", world.database);
        assert_eq!(world.stage.times("undo a").len(), 0, "one after the other");
        world.clock.advance(Duration::from_secs(60));
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Compensated, "{}", world.database);
        assert_eq!(compensated(&report), ["undo b complete 3", "undo a complete 1"]);
        assert_eq!(report.step("undo b").unwrap().result, json!([3, 3]));
    }
}

#[tokio::test]
async fn an_operator_moves_a_rollback_on_that_failed_for_good() {
    let on = |step: &str| step.to_owned();
    let ways = [
        (Command::Retry { steps: vec![] }, "undo b complete 2"),
        (Command::Retry { steps: vec![on("undo b")] }, "undo b complete 2"),
        (
            Command::Resolve { step: on("undo b"), result: Json::of("by hand").unwrap() },
            "undo b resolved_manually 1",
        ),
        (Command::Skip { step: on("undo b") }, "undo b skipped 1"),
    ];
    for world in worlds().await {
        fail(&world.stage, "c");
        let tasker = start(&world, &linear()).await;
        for (command, way) in &ways {
            fail(&world.stage, "undo b");
            let task = submit(&tasker).await;
            let report = settled(&tasker, task).await;
            assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
            let cause = report.cause.clone().unwrap();
            assert!(cause.starts_with("the rollback cannot go on: `undo b` failed for good"), "{cause}");
            assert_eq!(compensated(&report), ["undo b error 1", "undo a pending 0"]);
            for refused in [Command::Retry { steps: vec![on("c")] }, Command::Skip { step: on("c") }] {
                let refused = tasker.operate(task, &refused).await;
                let Err(OperateError::Refused(CommandError::RollingBack { .. })) = refused else {
                    panic!("{}: {refused:?}", world.database)
                };
            }
            world.stage.on("undo b", |_| async { Ok(json!("at last")) });
            tasker.operate(task, command).await.unwrap();
            let report = seen(&tasker, task, |report| report.state.is_final()).await;
            assert_eq!(report.state, TaskState::Compensated, "{}: {command:?}", world.database);
            assert_eq!(compensated(&report), [*way, "undo a complete 1"], "{}", world.database);
        }
    }
}

#[tokio::test]
async fn a_rollback_whose_last_compensation_is_left_out_is_over_at_once_where_the_handlers_are_known() {
    let none: fn() -> Registry = || Registry::of([] as [Registration; 0]);
    for (failing, known, state) in [
        ("undo a", registry as fn() -> Registry, TaskState::Compensated),
        // Nobody knows here that `a` is to be undone as well.
        ("undo b", none, TaskState::Compensating),
    ] {
        for world in worlds().await {
            fail(&world.stage, "c");
            fail(&world.stage, failing);
            let tasker = start(&world, &linear()).await;
            let task = submit(&tasker).await;
            assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures);
            tasker.stop().await.unwrap();
            let office = builder(&world, &linear()).registry(known()).connect().await.unwrap();
            office.operate(task, &Command::Skip { step: failing.to_owned() }).await.unwrap();
            assert_eq!(office.show(task).await.unwrap().unwrap().state, state, "{}", world.database);
        }
    }
}

#[tokio::test]
async fn a_crash_in_the_middle_undoes_nothing_twice_that_was_recorded() {
    for world in worlds().await {
        fail(&world.stage, "c");
        let gate = world.stage.gate("undo a");
        let first = Process::start(builder(&world, &linear())).await;
        let task = first.submit(Submission::to("test/order")).await;
        world.stage.wait_for("undo a", 1).await;
        first.kill();
        let state = world.column("select state from tasker.runs").await;
        assert_eq!(state, ["4"], "{}: compensating, to whoever looks", world.database);
        gate.add_permits(1);
        let second = start(&world, &linear()).await;
        // Past the lease, and past the looks at the queue after that.
        let over = || async {
            world.clock.advance(Duration::from_secs(5));
            second.show(task).await.unwrap().filter(|report| report.state.is_final())
        };
        let report = eventually("the rollback to end", over).await;
        assert_eq!(report.state, TaskState::Compensated, "{}", world.database);
        assert_eq!(
            world.stage.called(),
            ["a 1", "b 1", "c 1", "undo b 1", "undo a 1", "undo a 1"],
            "{}: what was not recorded is called again, what was recorded is not",
            world.database
        );
        assert_eq!(compensated(&report), ["undo b complete 1", "undo a complete 1"]);
        let rows = "select count(*) from tasker.steps where step >= 1073741824";
        assert_eq!(world.count(rows).await, 2, "{}", world.database);
    }
}

#[tokio::test]
async fn a_stopped_process_hands_its_rollback_over_unburned() {
    for world in worlds().await {
        fail(&world.stage, "c");
        let gate = world.stage.gate("undo b");
        let hasty = world.builder(&[("worker.drain_seconds", "0")]).registry(registry()).template(linear());
        let tasker = hasty.start().await.unwrap();
        let task = submit(&tasker).await;
        world.stage.wait_for("undo b", 1).await;
        tasker.stop().await.unwrap();
        assert_eq!(world.column("select state from tasker.runs").await, ["4"], "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.attempts where step >= 1073741824").await, 0);
        // The dropped attempt still waits at the gate: its grace is over when the clock says so.
        gate.add_permits(2);
        let tasker = start(&world, &linear()).await;
        let report = seen(&tasker, task, |report| report.state.is_final()).await;
        assert_eq!(compensated(&report), ["undo b complete 1", "undo a complete 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn cancelling_ends_a_rollback_where_it_is_and_undoes_nothing() {
    for world in worlds().await {
        fail(&world.stage, "c");
        let _shut = world.stage.gate("undo a");
        let tasker = start(&world, &linear()).await;
        let task = submit(&tasker).await;
        world.stage.wait_for("undo a", 1).await;
        tasker.operate(task, &Command::Cancel).await.unwrap();
        let report = seen(&tasker, task, |report| report.state.is_final()).await;
        assert_eq!(report.state, TaskState::Cancelled, "{}", world.database);
        assert_eq!(compensated(&report), ["undo b complete 1", "undo a cancelled 0"], "{}", world.database);

        let _shut = world.stage.gate("c");
        let task = submit(&tasker).await;
        world.stage.wait_for("c", 2).await;
        tasker.operate(task, &Command::Cancel).await.unwrap();
        let report = seen(&tasker, task, |report| report.state.is_final()).await;
        assert_eq!(
            (report.state, compensated(&report)),
            (TaskState::Cancelled, vec![]),
            "{}",
            world.database
        );
    }
}

#[tokio::test]
async fn a_paused_rollback_goes_on_when_it_is_resumed() {
    for world in worlds().await {
        fail(&world.stage, "c");
        let gate = world.stage.gate("undo b");
        let tasker = start(&world, &linear()).await;
        let task = submit(&tasker).await;
        world.stage.wait_for("undo b", 1).await;
        tasker.operate(task, &Command::Pause).await.unwrap();
        // One that changes nothing, and is seen after the pause.
        tasker.operate(task, &Command::Retry { steps: Vec::new() }).await.unwrap_err();
        let asked = || async { world.count("select count(*) from tasker.commands").await == 1 };
        eventually("the command to be seen", || async { asked().await.then_some(()) }).await;
        gate.add_permits(1);
        let report = seen(&tasker, task, |report| report.state == TaskState::Paused).await;
        let between = compensated(&report);
        tasker.operate(task, &Command::Resume).await.unwrap();
        let report = seen(&tasker, task, |report| report.state.is_final()).await;
        assert_eq!(between[0], "undo b complete 1", "{}", world.database);
        assert_eq!(compensated(&report), ["undo b complete 1", "undo a complete 1"], "{}", world.database);
        assert_eq!(report.state, TaskState::Compensated);
    }
}

#[tokio::test]
async fn a_process_that_lacks_the_handlers_has_others_roll_back() {
    for world in worlds().await {
        fail(&world.stage, "c");
        fail(&world.stage, "undo b");
        let knowing = start(&world, &linear()).await;
        let task = submit(&knowing).await;
        seen(&knowing, task, |report| report.state == TaskState::BlockedByFailures).await;
        knowing.stop().await.unwrap();
        let none = Registry::of(Vec::<Registration>::new());
        let bare = world.builder(&[]).registry(none).partial(true).template(linear());
        let bare = bare.start().await.unwrap();
        bare.operate(task, &Command::Skip { step: "undo b".into() }).await.unwrap();
        let waits = |report: &TaskReport| {
            report.cause.as_ref().is_some_and(|cause| cause.contains("step `undo a` waits since "))
        };
        let report = seen(&bare, task, waits).await;
        assert_eq!(report.state, TaskState::Compensating, "{}", world.database);
        let knowing = start(&world, &linear()).await;
        let report = seen(&knowing, task, |report| report.state.is_final()).await;
        bare.stop().await.unwrap();
        assert_eq!(compensated(&report), ["undo b skipped 1", "undo a complete 1"], "{}", world.database);
    }
}

/// An order of 3 widgets at 19.99, paid with `token`, to `address`.
fn order(token: &str, address: &str) -> Value {
    json!({
        "customer": {"id": 1, "email": "ada@example.com"},
        "items": [{"sku": "WIDGET-001", "quantity": 3, "price": 19.99}],
        "payment": {"method": "paypal", "token": token},
        "shipping": {"method": "standard", "address": address},
    })
}

#[tokio::test]
async fn failed_orders_are_undone_to_the_cent() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tasks");
    for world in worlds().await {
        let builder = Tasker::builder().database(&world.database.url).template_directory(&templates);
        let tasker = builder.registry(Registry::discover()).start().await.unwrap();
        let run = async |context: Value| {
            let order = Submission::to("order_fulfillment/business_workflow").context(&context).unwrap();
            settled(&tasker, tasker.submit(order).await.unwrap()).await
        };
        let result = |report: &TaskReport, step: &str| report.step(step).unwrap().result.clone();

        let declined = run(order("tok_declined", "1 Main Street")).await;
        assert_eq!(declined.state, TaskState::Compensated, "{}", world.database);
        assert_eq!(compensated(&declined), ["undo reserve_inventory complete 1"]);
        let reservation = result(&declined, "reserve_inventory")["reservation_id"].clone();
        let released = json!({"reservation_id": reservation, "released": true});
        assert_eq!(result(&declined, "undo reserve_inventory"), released);
        assert_eq!(
            declined.step("process_payment").unwrap().error.as_ref().unwrap().code(),
            "PAYMENT_DECLINED"
        );

        let unserved = run(order("tok_good", "1 Ice Road, Antarctica")).await;
        assert_eq!(unserved.state, TaskState::Compensated, "{}", world.database);
        let both = ["undo process_payment complete 1", "undo reserve_inventory complete 1"];
        assert_eq!(compensated(&unserved), both);
        let refund = result(&unserved, "undo process_payment");
        assert_eq!(refund["amount_refunded"], json!(59.97));
        assert_eq!(refund["payment_id"], result(&unserved, "process_payment")["payment_id"]);
        assert_eq!(unserved.step("ship_order").unwrap().error.as_ref().unwrap().code(), "ADDRESS_NOT_SERVED");

        let mut empty = order("tok_good", "1 Main Street");
        empty["items"] = json!([]);
        let refused = run(empty).await;
        assert_eq!(
            (refused.state, compensated(&refused)),
            (TaskState::Compensated, vec![]),
            "{}",
            world.database
        );

        let shipped = run(order("tok_good", "1 Main Street")).await;
        assert_eq!(
            (shipped.state, compensated(&shipped)),
            (TaskState::Complete, vec![]),
            "{}",
            world.database
        );
    }
}
