//! Steps that start tasks of another workflow and wait for them.

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{Process, World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{Builder, ChildReport, Submission, TaskReport},
    model::{Command, StepState, TaskState},
    template::{ChildConfig, ChildInput, OnChildFailure, OnFailure, Source, Step, Template, TimerConfig},
};
use uuid::Uuid;

use crate::{
    operators::{in_state, retry, skip},
    waits::{HOUR, state_of, waits},
};

/// The workflow that is started: `buy`, which returns what the stage says.
fn shop() -> Template {
    template("shop", [step("buy", &[])])
}

fn each(of: &str) -> ChildConfig {
    ChildConfig::of("shop", ChildInput::Each(Source::parse(of, ["split"]).unwrap()))
}

fn one(of: &str) -> ChildConfig {
    ChildConfig::of("shop", ChildInput::One(Source::parse(of, ["split"]).unwrap()))
}

/// `split`, the tasks, and `bill`, which returns what they came to.
fn order(config: ChildConfig) -> Template {
    let children = Step::workflow("orders", config).after(["split"]);
    template("order", [step("split", &[]), children, step("bill", &["orders"])])
}

/// Has `split` return these items, and `bill` what became of them.
fn stage(world: &World, items: &Value) {
    let items = items.clone();
    world.stage.on("split", move |_| {
        let items = items.clone();
        async move { Ok(items) }
    });
    world.stage.on("bill", |step| async move { step.result::<Value>("orders") });
    // What is bought is what was asked for, twice.
    world.stage.on("buy", |step| async move {
        let part: Value = step.context()?;
        match part.as_i64() {
            Some(part) if part < 0 => Err(StepError::permanent("SOLD_OUT", format!("no part {part}"))),
            Some(part) => Ok(json!(part * 2)),
            None => Ok(part),
        }
    });
}

fn knowing(world: &World, config: ChildConfig) -> Builder {
    world.builder(&[]).template(shop()).template(order(config))
}

async fn started(world: &World, config: ChildConfig) -> (Tasker, Uuid) {
    let tasker = knowing(world, config).start().await.unwrap();
    let task = tasker.submit(Submission::to("test/order")).await.unwrap();
    (tasker, task)
}

fn states(report: &TaskReport) -> Vec<(u32, u32, TaskState)> {
    report.children.iter().map(|child| (child.attempt, child.item, child.state)).collect()
}

async fn children(tasker: &Tasker, task: Uuid, count: usize) -> Vec<ChildReport> {
    let look = || async {
        let children = tasker.show(task).await.unwrap().unwrap().children;
        (children.len() == count).then_some(children)
    };
    eventually(&format!("{count} tasks to be started"), look).await
}

#[tokio::test]
async fn results_of_children_come_in_the_order_of_their_items() {
    for world in worlds().await {
        stage(&world, &json!([3, 1, 2]));
        let (tasker, task) = started(&world, each("split")).await;
        let report = settled(&tasker, task).await;
        assert_eq!(
            (report.state, &report.result),
            (TaskState::Complete, &json!([6, 2, 4])),
            "{}",
            world.database
        );
        assert_eq!(
            states(&report),
            [0, 1, 2].map(|item| (1, item, TaskState::Complete)),
            "{}",
            world.database
        );
        let child = tasker.show(report.children[1].task_id).await.unwrap().unwrap();
        assert_eq!((child.context, child.correlation_id), (json!(1), report.correlation_id));
        let parent = child.parent.unwrap();
        assert_eq!((parent.task_id, &*parent.step), (task, "orders"), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn one_child_has_the_field_that_is_named_and_its_result_is_that_of_the_step() {
    for world in worlds().await {
        // What no tree of JSON holds comes through as it is written.
        stage(&world, &json!({"first": {"part": 21}}));
        world.stage.on_text("buy", |step| async move { Ok(step.context_json().clone()) });
        let (tasker, task) = started(&world, one("split.first.part")).await;
        assert_eq!(settled(&tasker, task).await.result, json!(21), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn list_without_items_starts_nothing() {
    for world in worlds().await {
        stage(&world, &json!([]));
        let (tasker, task) = started(&world, each("split")).await;
        let report = settled(&tasker, task).await;
        assert_eq!((report.state, report.result), (TaskState::Complete, json!([])), "{}", world.database);
        assert!(report.children.is_empty());
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn child_that_fails_fails_the_step_and_a_retry_starts_it_alone_anew() {
    for world in worlds().await {
        stage(&world, &json!([1, -2, 3]));
        let shop =
            Template::builder("shop").namespace("test").on_failure(OnFailure::Fail).step(step("buy", &[]));
        let builder = world.builder(&[]).template(shop.build().unwrap()).template(order(each("split")));
        let tasker = builder.start().await.unwrap();
        let task = tasker.submit(Submission::to("test/order")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        let failed = report.children.iter().find(|child| child.item == 1).unwrap();
        assert_eq!(failed.state, TaskState::Error, "{}", world.database);
        let error = report.step("orders").unwrap().error.clone().unwrap();
        let text = format!(
            "1 of 3 tasks of `test/shop` did not complete: {} (error, failed for good: buy)",
            failed.task_id
        );
        assert_eq!((error.code(), error.message()), ("CHILD_FAILED", &*text));
        world.stage.on("buy", |_| async { Ok(json!("another")) });
        tasker.operate(task, &retry(&["orders"])).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.result, json!([2, "another", 6]), "{}", world.database);
        let complete = TaskState::Complete;
        let all = [(2, 1, complete), (1, 0, complete), (1, 1, TaskState::Error), (1, 2, complete)];
        assert_eq!(states(&report), all, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn children_that_are_collected_may_fail() {
    for world in worlds().await {
        stage(&world, &json!([1, -2]));
        let shop =
            Template::builder("shop").namespace("test").on_failure(OnFailure::Fail).step(step("buy", &[]));
        let mut config = each("split");
        config.on_failure = OnChildFailure::Collect;
        let builder = world.builder(&[]).template(shop.build().unwrap()).template(order(config));
        let tasker = builder.start().await.unwrap();
        let task = tasker.submit(Submission::to("test/order")).await.unwrap();
        let report = settled(&tasker, task).await;
        let failed =
            json!({"task": report.children[1].task_id, "state": "error", "cause": "failed for good: buy"});
        assert_eq!(report.result, json!([{"Ok": 2}, {"Err": failed}]), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn no_more_children_run_at_once_than_may() {
    for world in worlds().await {
        stage(&world, &json!([1, 2, 3, 4, 5]));
        let gate = world.stage.gate("buy");
        let mut config = each("split");
        config.parallelism = Some(2);
        let (tasker, task) = started(&world, config).await;
        for ended in 0..5 {
            world.stage.wait_for("buy", (ended + 2).min(5)).await;
            assert_eq!(children(&tasker, task, (ended + 2).min(5)).await.len(), (ended + 2).min(5));
            gate.add_permits(1);
        }
        let report = settled(&tasker, task).await;
        assert_eq!(report.result, json!(["buy", "buy", "buy", "buy", "buy"]), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn after_a_failure_no_further_child_is_started() {
    for world in worlds().await {
        stage(&world, &json!([-1, 2, 3]));
        let shop =
            Template::builder("shop").namespace("test").on_failure(OnFailure::Fail).step(step("buy", &[]));
        let mut config = each("split");
        config.parallelism = Some(1);
        let builder = world.builder(&[]).template(shop.build().unwrap()).template(order(config));
        let tasker = builder.start().await.unwrap();
        let task = tasker.submit(Submission::to("test/order")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(states(&report), [(1, 0, TaskState::Error)], "{}", world.database);
        // A retry goes on where it stopped.
        world.stage.on("buy", |_| async { Ok(json!(0)) });
        tasker.operate(task, &retry(&["orders"])).await.unwrap();
        assert_eq!(settled(&tasker, task).await.result, json!([0, 0, 0]), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn contexts_that_cannot_be_read_fail_the_step_and_start_nothing() {
    for world in worlds().await {
        stage(&world, &json!({"parts": 7}));
        for (config, problem) in [
            (each("split.part"), "`split.part` is not there"),
            (each("split.parts"), "`split.parts` is 7, not a list"),
            (each("$.parts"), "`$.parts` is not there"),
        ] {
            let (tasker, task) = started(&world, config).await;
            let report = settled(&tasker, task).await;
            let error = report.step("orders").unwrap().error.clone().unwrap();
            assert_eq!(
                (error.code(), error.message()),
                ("INVALID_CHILD_INPUT", problem),
                "{}",
                world.database
            );
            assert!(report.children.is_empty());
            tasker.operate(task, &Command::Cancel).await.unwrap();
            tasker.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn one_context_that_does_not_fit_starts_none() {
    for world in worlds().await {
        stage(&world, &json!([1, "two", 3]));
        let shop = Template::builder("shop").namespace("test").step(step("buy", &[]));
        let shop = shop.input_schema(json!({"type": "integer"})).build().unwrap();
        let builder = world.builder(&[]).template(shop).template(order(each("split")));
        let tasker = builder.start().await.unwrap();
        let task = tasker.submit(Submission::to("test/order")).await.unwrap();
        let report = settled(&tasker, task).await;
        let error = report.step("orders").unwrap().error.clone().unwrap();
        assert_eq!(error.code(), "INVALID_CHILD_INPUT", "{}", world.database);
        let start = "task 2 of 3 of `test/shop` cannot be started: the input does not fit test/shop";
        assert!(error.message().starts_with(start), "{}", error.message());
        assert!(report.children.is_empty());
        tasker.stop().await.unwrap();
    }
}

/// A parent of two children that run, each until the gate of `buy` opens.
async fn running(world: &World) -> (Tasker, Uuid, std::sync::Arc<tokio::sync::Semaphore>) {
    stage(world, &json!([1, 2]));
    let gate = world.stage.gate("buy");
    let (tasker, task) = started(world, each("split")).await;
    world.stage.wait_for("buy", 2).await;
    (tasker, task, gate)
}

#[tokio::test]
async fn children_are_cancelled_with_their_parent() {
    for world in worlds().await {
        let (tasker, task, _gate) = running(&world).await;
        tasker.operate(task, &Command::Cancel).await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::Cancelled);
        for child in children(&tasker, task, 2).await {
            let report = in_state(&tasker, child.task_id, TaskState::Cancelled).await;
            assert_eq!(report.state, TaskState::Cancelled, "{}", world.database);
        }
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn children_that_do_not_go_with_their_parent_stay() {
    for world in worlds().await {
        stage(&world, &json!([1]));
        let gate = world.stage.gate("buy");
        let mut config = each("split");
        config.cascade = false;
        let (tasker, task) = started(&world, config).await;
        world.stage.wait_for("buy", 1).await;
        tasker.operate(task, &Command::Cancel).await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::Cancelled);
        gate.add_permits(1);
        let child = children(&tasker, task, 1).await[0].task_id;
        assert_eq!(settled(&tasker, child).await.state, TaskState::Complete, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn children_are_paused_and_resumed_with_their_parent() {
    for world in worlds().await {
        stage(&world, &json!([1, 2]));
        // They wait for their turn, so that nothing of them runs when the pause comes.
        let gate = world.stage.gate("buy");
        let tasker = knowing(&world, each("split")).start().await.unwrap();
        let task = tasker.submit(Submission::to("test/order")).await.unwrap();
        world.stage.wait_for("buy", 2).await;
        tasker.operate(task, &Command::Pause).await.unwrap();
        in_state(&tasker, task, TaskState::Paused).await;
        gate.add_permits(2);
        // What runs comes to its end before a pause does: these have one step, and complete.
        for child in children(&tasker, task, 2).await {
            assert_eq!(
                settled(&tasker, child.task_id).await.state,
                TaskState::Complete,
                "{}",
                world.database
            );
        }
        assert_eq!(tasker.show(task).await.unwrap().unwrap().state, TaskState::Paused, "{}", world.database);
        tasker.operate(task, &Command::Resume).await.unwrap();
        assert_eq!(settled(&tasker, task).await.result, json!(["buy", "buy"]), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

/// A parent of one child that waits for an hour.
async fn waiting(world: &World) -> (Tasker, Uuid, Uuid) {
    stage(world, &json!([1]));
    let wait = Step::timer("wait", TimerConfig::Delay(HOUR));
    let shop = template("shop", [wait, step("buy", &["wait"])]);
    let builder = world.builder(&[]).template(shop).template(order(each("split")));
    let tasker = builder.start().await.unwrap();
    let task = tasker.submit(Submission::to("test/order")).await.unwrap();
    let child = children(&tasker, task, 1).await[0].task_id;
    in_state(&tasker, child, TaskState::Waiting).await;
    (tasker, task, child)
}

#[tokio::test]
async fn pause_reaches_children_that_only_wait_and_so_does_the_end_of_it() {
    for world in worlds().await {
        let (tasker, task, child) = waiting(&world).await;
        tasker.operate(task, &Command::Pause).await.unwrap();
        in_state(&tasker, task, TaskState::Paused).await;
        in_state(&tasker, child, TaskState::Paused).await;
        tasker.operate(task, &Command::Resume).await.unwrap();
        in_state(&tasker, child, TaskState::Waiting).await;
        world.clock.advance(HOUR);
        assert_eq!(settled(&tasker, task).await.result, json!([2]), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn parent_that_waits_long_is_held_by_nobody_and_says_what_it_waits_for() {
    for world in worlds().await {
        let (tasker, task, child) = waiting(&world).await;
        world.clock.advance(Duration::from_secs(6));
        let report = waits(&world, &tasker, task).await;
        let says = format!("task {child} (waiting): `show` says what that waits for");
        assert_eq!(report.step("orders").unwrap().waits_for.as_deref(), Some(&*says), "{}", world.database);
        assert_eq!(state_of(&report, "orders"), StepState::Waiting);
        // The end of the child has it claimed.
        tasker.operate(child, &skip("wait")).await.unwrap();
        assert_eq!(settled(&tasker, task).await.result, json!([2]), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn child_that_an_operator_ends_is_told_of_as_well() {
    for world in worlds().await {
        let (tasker, task, child) = waiting(&world).await;
        tasker.operate(child, &Command::Cancel).await.unwrap();
        let report = settled(&tasker, task).await;
        let error = report.step("orders").unwrap().error.clone().unwrap();
        let text = format!("the task of `test/shop` did not complete: {child} (cancelled)");
        assert_eq!((error.code(), error.message()), ("CHILD_FAILED", &*text), "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn workflow_that_starts_itself_without_an_end_is_stopped() {
    for world in worlds().await {
        // It ends where the list has no items, which this one always has.
        let config = ChildConfig::of("again", ChildInput::Each(Source::parse("once", ["once"]).unwrap()));
        let again = template("again", [step("once", &[]), Step::workflow("next", config).after(["once"])]);
        world.stage.on("once", |_| async { Ok(json!([0])) });
        let tasker = world.start(&again).await;
        let first = tasker.submit(Submission::to("test/again")).await.unwrap();
        world.stage.wait_for("once", 17).await;
        let mut task = first;
        for depth in 0..17 {
            if depth < 16 {
                task = children(&tasker, task, 1).await[0].task_id;
                continue;
            }
            let report = in_state(&tasker, task, TaskState::BlockedByFailures).await;
            assert!(report.children.is_empty(), "{}", world.database);
            assert_eq!(report.step("next").unwrap().error.as_ref().unwrap().code(), "TOO_DEEP");
        }
        assert_eq!(world.stage.times("once").len(), 17, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn children_of_a_killed_holder_are_started_once() {
    for world in worlds().await {
        stage(&world, &json!([1, 2, 3]));
        let gate = world.stage.gate("buy");
        let first = Process::start(knowing(&world, each("split"))).await;
        let task = first.submit(Submission::to("test/order")).await;
        world.stage.wait_for("buy", 3).await;
        first.kill();
        gate.add_permits(10);
        // Past its lease.
        world.clock.advance(Duration::from_secs(120));
        let second = knowing(&world, each("split")).start().await.unwrap();
        let report = settled(&second, task).await;
        assert_eq!(report.result, json!(["buy", "buy", "buy"]), "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 4, "{}", world.database);
        second.stop().await.unwrap();
    }
}

/// The task once it is complete, where processes hear of nothing from each other but look now and then.
async fn polled(world: &World, tasker: &Tasker, task: Uuid) -> TaskReport {
    let look = || async {
        world.clock.advance(Duration::from_millis(100));
        let report = tasker.show(task).await.unwrap().unwrap();
        (report.state == TaskState::Complete).then_some(report)
    };
    eventually("the task to complete", look).await
}

#[tokio::test]
async fn child_may_run_in_a_process_that_its_parent_does_not() {
    for world in worlds().await {
        stage(&world, &json!([4]));
        let shop = Template::builder("shop").namespace("other").step(step("buy", &[])).build().unwrap();
        let config =
            ChildConfig::of("other/shop", ChildInput::Each(Source::parse("split", ["split"]).unwrap()));
        let parents =
            world.builder(&[("worker.queues", "test")]).template(shop.clone()).template(order(config));
        let parents = parents.start().await.unwrap();
        let children = world.builder(&[("worker.queues", "other")]).template(shop).start().await.unwrap();
        let task = parents.submit(Submission::to("test/order")).await.unwrap();
        let report = polled(&world, &parents, task).await;
        assert_eq!(report.result, json!([8]), "{}", world.database);
        let child = parents.show(report.children[0].task_id).await.unwrap().unwrap();
        assert_ne!(child.worker, report.worker, "{}", world.database);
        parents.stop().await.unwrap();
        children.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_task_waits_for_is_not_deleted() {
    for world in worlds().await {
        stage(&world, &json!([1, 2]));
        let gate = world.stage.gate("buy");
        let mut config = each("split");
        config.parallelism = Some(1);
        let (tasker, task) = started(&world, config).await;
        world.stage.wait_for("buy", 1).await;
        gate.add_permits(1);
        world.stage.wait_for("buy", 2).await;
        world.clock.advance(Duration::from_secs(60));
        let old = tasker_runtime::api::Prune::older_than(Duration::from_secs(30));
        assert_eq!(tasker.prune(old).await.unwrap().tasks, 0, "{}", world.database);
        gate.add_permits(1);
        assert_eq!(settled(&tasker, task).await.result, json!(["buy", "buy"]), "{}", world.database);
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(tasker.prune(old).await.unwrap().tasks, 3, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.children").await, 0, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn workflow_that_is_undone_cannot_start_others_yet() {
    for world in worlds().await {
        let children = Step::workflow("orders", each("split")).after(["split"]);
        let order = Template::builder("order").namespace("test").on_failure(OnFailure::Compensate);
        let order = order.step(step("split", &[])).step(children).build().unwrap();
        let tasker =
            world.builder(&[]).template(shop()).template(order).partial(true).connect().await.unwrap();
        let refused = tasker.submit(Submission::to("test/order")).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "test/order cannot run yet: step `orders` starts tasks of another workflow, and `on_failure: compensate` does not undo what these did yet"
        );
    }
}
