//! Steps run where their queue is served.

use std::time::Duration;

use super::recovery::listens;
use serde_json::json;
use support::{
    stage::{Stage, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    api::Submission,
    model::TaskState,
    prelude::*,
    registry::Registry,
    template::{Step, Template},
};

/// `a` and `c` go where the task is, `b` to the queue `slow`.
fn mixed() -> Template {
    let mut slow = step("b", &["a"]);
    slow.queue = Some("slow".to_owned());
    template("mixed", [step("a", &[]), slow, step("c", &["b"])])
}

/// As text, which the workers of both stores hand in as it is.
async fn runners(world: &World, step: u64) -> Vec<String> {
    world.column(&format!("select worker from tasker.steps where step = {step}")).await
}

#[tokio::test]
async fn step_of_another_queue_waits_for_a_process_that_serves_it() {
    for world in worlds().await {
        let here = world.builder(&[("worker.queues", "test")]).template(mixed()).start().await.unwrap();
        let task = here.submit(Submission::to("test/mixed")).await.unwrap();
        let offered =
            || async { (world.count("select count(*) from tasker.offers").await == 1).then_some(()) };
        eventually("the offer of `b`", offered).await;
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);

        let there =
            world.builder(&[("worker.queues", "slow, other")]).template(mixed()).start().await.unwrap();
        // What is offered is looked for at each poll.
        let called = || async {
            world.clock.advance(Duration::from_millis(300));
            (!world.stage.times("b").is_empty()).then_some(())
        };
        eventually("the call of `b`", called).await;
        let report = settled(&here, task).await;
        assert_eq!(report.result, json!("c"), "{}", world.database);
        assert_eq!(runners(&world, 0).await, ["1"], "{}", world.database);
        assert_eq!(runners(&world, 1).await, ["2"], "{}", world.database);
        assert_eq!(runners(&world, 2).await, ["1"], "{}", world.database);
        let workers = here.workers().await.unwrap();
        let queues: Vec<_> = workers.iter().map(|worker| worker.queues.clone().unwrap_or_default()).collect();
        assert_eq!(queues, [vec!["test".to_owned()], vec!["other".to_owned(), "slow".to_owned()]]);
        there.stop().await.unwrap();
    }
}

#[tokio::test]
async fn process_that_stops_tells_the_handlers_of_borrowed_steps_and_records_what_they_return() {
    for world in worlds().await {
        listens(&world, "b");
        let here = world.builder(&[("worker.queues", "test")]).template(mixed()).start().await.unwrap();
        let there = world.builder(&[("worker.queues", "slow")]).template(mixed()).start().await.unwrap();
        let task = here.submit(Submission::to("test/mixed")).await.unwrap();
        let called = || async {
            world.clock.advance(Duration::from_millis(300));
            (!world.stage.times("b").is_empty()).then_some(())
        };
        eventually("the call of `b`", called).await;
        there.stop().await.unwrap();
        assert_eq!(runners(&world, 1).await, ["2"], "{}", world.database);
        let report = settled(&here, task).await;
        assert_eq!(report.step("b").unwrap().result, json!("stopped early"), "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "b 1", "c 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn process_leaves_tasks_of_queues_it_does_not_serve() {
    for world in worlds().await {
        let elsewhere = world.builder(&[("worker.queues", "slow")]).template(mixed()).start().await.unwrap();
        let task = elsewhere.submit(Submission::to("test/mixed")).await.unwrap();
        let polled = elsewhere.stats().claims;
        world.clock.advance(Duration::from_secs(3));
        tokio::task::yield_now().await;
        assert_eq!(elsewhere.stats().claims, polled, "there is no queue to ask");
        assert_eq!(elsewhere.show(task).await.unwrap().unwrap().state, TaskState::Pending);
        assert!(world.stage.called().is_empty(), "{}", world.database);
    }
}

#[step_handler(queue = "press")]
async fn print_page(#[depends_on(set_page)] text: String) -> String {
    format!("printed {text}")
}

#[step_handler]
async fn set_page(text: String) -> String {
    text
}

workflow!(page = [set_page, print_page]);

#[tokio::test]
async fn queue_of_the_handler_counts_where_the_template_says_nothing() {
    for world in worlds().await {
        let registry = || Registry::of(handlers![set_page, print_page]);
        let with = |queues| {
            let builder = world.builder(&[("worker.queues", queues)]).registry(registry());
            builder.template(page.template().unwrap()).start()
        };
        let desk = with("default").await.unwrap();
        let task = desk.submit(Submission::to("page").context(&"hello").unwrap()).await.unwrap();
        let offered =
            || async { (world.count("select count(*) from tasker.offers").await == 1).then_some(()) };
        eventually("the offer", offered).await;
        // One that serves every queue takes it as well.
        let press = with("").await.unwrap();
        let recorded = || async {
            world.clock.advance(Duration::from_millis(300));
            (!runners(&world, 1).await.is_empty()).then_some(())
        };
        eventually("the printed page", recorded).await;
        let report = settled(&desk, task).await;
        assert_eq!(report.result, json!("printed hello"), "{}", world.database);
        assert_eq!(runners(&world, 1).await, ["2"], "{}", world.database);
        press.stop().await.unwrap();
    }
}

#[step_handler(queue = "mill", concurrency = 1)]
async fn grind(step: &TaskSequenceStep, State(stage): State<Stage>) -> Result<String, StepError> {
    stage.play(step).await.map(|_| step.name().to_owned())
}

#[tokio::test]
async fn process_borrows_no_more_steps_than_their_handler_may_be_called() {
    let names = ["a", "b", "c", "d"];
    for world in worlds().await {
        let closed = names.map(|name| world.stage.gate(name));
        let steps = names.map(|name| Step::new(name).handler("grind"));
        let template = template("flour", steps);
        let with = |queues| {
            let builder =
                world.builder(&[("worker.queues", queues)]).registry(Registry::of(handlers![grind]));
            builder.template(template.clone()).start()
        };
        let desk = with("test").await.unwrap();
        let task = desk.submit(Submission::to("test/flour")).await.unwrap();
        let mills = [with("mill").await.unwrap(), with("mill").await.unwrap()];
        let called = || async {
            world.clock.advance(Duration::from_millis(300));
            (world.stage.calls().len() == 2).then_some(())
        };
        eventually("a call in each mill", called).await;
        let borrowed =
            "select cast(count(*) as text) from tasker.offers where taker is not null group by taker";
        assert_eq!(world.column(borrowed).await, ["1", "1"], "{}", world.database);
        for gate in &closed {
            gate.add_permits(1);
        }
        let over = || async {
            world.clock.advance(Duration::from_millis(300));
            (desk.show(task).await.unwrap().unwrap().state == TaskState::Complete).then_some(())
        };
        eventually("the flour", over).await;
        for mill in mills {
            mill.stop().await.unwrap();
        }
    }
}
