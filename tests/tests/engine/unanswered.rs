//! What is taken is never forgotten: not where the database follows a statement and does not answer, and not
//! where a step comes back after it was lent anew.

use std::time::Duration;

use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{Tasker, api::Submission, handler::Registration, model::TaskState, registry::Registry};

/// What the table is called while statements on it fail.
const AWAY: &str = "table_that_is_away";

async fn take_away(world: &World, table: &str) {
    world.change(&format!("alter table tasker.{table} rename to {AWAY}")).await;
}

async fn bring_back(world: &World, table: &str) {
    world.change(&format!("alter table tasker.{AWAY} rename to {table}")).await;
}

/// Lets time pass until the query counts one row.
async fn one(world: &World, what: &str, sql: &str) {
    let seen = || async {
        world.clock.advance(Duration::from_millis(200));
        (world.count(sql).await == 1).then_some(())
    };
    eventually(what, seen).await;
}

/// Lets time pass until the one task is complete.
async fn complete(world: &World) {
    one(world, "the task to be complete", "select count(*) from tasker.runs where state = 10").await;
}

#[tokio::test]
async fn task_taken_without_an_answer_is_given_back_and_taken_again() {
    let template = template("unsure", [step("a", &[])]);
    for world in worlds().await {
        let office = world.connect(&template).await;
        let task = office.submit(Submission::to("test/unsure")).await.unwrap();
        // Somebody held it before: who takes it drops what was lent of it, which fails after the taking.
        world.change("update tasker.runs set lease = 1").await;
        take_away(&world, "offers").await;
        let tasker = world.start(&template).await;
        one(&world, "the taking", "select count(*) from tasker.runs where owner is not null").await;
        bring_back(&world, "offers").await;
        complete(&world).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn offer_taken_without_an_answer_is_handed_back_and_taken_again() {
    let template = template("lent", [step("a", &[])]);
    for world in worlds().await {
        let bare = world
            .builder(&[])
            .registry(Registry::of(Vec::<Registration>::new()))
            .partial(true)
            .template(template.clone());
        let bare = bare.start().await.unwrap();
        let task = bare.submit(Submission::to("test/lent")).await.unwrap();
        one(&world, "the offer", "select count(*) from tasker.offers").await;
        // Who takes the offer reads what its task is, which fails after the taking.
        take_away(&world, "tasks").await;
        let able = world.start(&template).await;
        one(&world, "the taking", "select count(*) from tasker.offers where taker is not null").await;
        bring_back(&world, "tasks").await;
        complete(&world).await;
        assert_eq!(settled(&able, task).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.offers").await, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn step_that_is_lent_anew_while_it_runs_is_recorded_as_it_ends_the_second_time() {
    let template = template("anew", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let bare = world.builder(&[]).registry(Registry::of(Vec::<Registration>::new())).partial(true);
        let bare = bare.template(template.clone()).start().await.unwrap();
        bare.submit(Submission::to("test/anew")).await.unwrap();
        let able = world.start(&template).await;
        one(&world, "the loan", "select count(*) from tasker.offers where taker is not null").await;
        world.stage.wait_for("a", 1).await;
        // What another process does that takes the task over and lends the step as well.
        world.change("update tasker.runs set lease = 2, owner = 99").await;
        world.change("update tasker.offers set lease = 2, owner = 99, taker = null").await;
        one(&world, "the second loan", "select count(*) from tasker.offers where taker is not null").await;
        world.stage.wait_for("a", 2).await;
        gate.add_permits(1);
        refused(&able).await;
        gate.add_permits(1);
        one(&world, "the result", "select count(*) from tasker.steps").await;
        assert_eq!(world.count("select count(*) from tasker.offers").await, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn step_that_is_lent_to_the_same_process_again_is_recorded_as_the_second_call_ends() {
    let template = template("again", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let bare = world.builder(&[]).registry(Registry::of(Vec::<Registration>::new())).partial(true);
        let bare = bare.template(template.clone()).start().await.unwrap();
        bare.submit(Submission::to("test/again")).await.unwrap();
        let able = world.start(&template).await;
        one(&world, "the loan", "select count(*) from tasker.offers where taker is not null").await;
        world.stage.wait_for("a", 1).await;
        // Another process has taken this one for dead. The task, its lease and the attempt are the same.
        world.change("update tasker.offers set taker = null").await;
        one(&world, "the second loan", "select count(*) from tasker.offers where taker is not null").await;
        world.stage.wait_for("a", 2).await;
        gate.add_permits(1);
        refused(&able).await;
        assert_eq!(world.count("select count(*) from tasker.steps").await, 0, "{}", world.database);
        gate.add_permits(1);
        one(&world, "the result", "select count(*) from tasker.steps").await;
        assert_eq!(able.stats().late, 1, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.offers").await, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn result_of_a_loan_is_refused_once_the_task_was_taken_over() {
    let template = template("over", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let bare = world.builder(&[]).registry(Registry::of(Vec::<Registration>::new())).partial(true);
        let bare = bare.template(template.clone()).start().await.unwrap();
        bare.submit(Submission::to("test/over")).await.unwrap();
        let able = world.start(&template).await;
        one(&world, "the loan", "select count(*) from tasker.offers where taker is not null").await;
        world.stage.wait_for("a", 1).await;
        // Another process has taken the task over and is about to drop what was lent of it.
        world.change("update tasker.runs set lease = 2, owner = 99").await;
        gate.add_permits(1);
        refused(&able).await;
        assert_eq!(world.count("select count(*) from tasker.steps").await, 0, "{}", world.database);
    }
}

/// Waits until something came back to this process too late.
async fn refused(tasker: &Tasker) {
    let refused = || async { (tasker.stats().late == 1).then_some(()) };
    eventually("the first call to be refused", refused).await;
}
