//! How many tasks run at once.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use support::{
    stage::{Stage, step},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{Submission, SubmitError},
    model::{Command, TaskState},
    store::CallerTransaction,
    template::{Concurrency, OnConflict, Template},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The template `test/limited` of one step, with these limits.
fn limited(limits: impl IntoIterator<Item = Concurrency>) -> Template {
    let builder = Template::builder("limited").namespace("test").step(step("work", &[]));
    limits.into_iter().fold(builder, |builder, limit| builder.concurrency(limit)).build().unwrap()
}

fn of_customer(limit: u32) -> Concurrency {
    Concurrency::of(limit).key("$.customer")
}

fn order(context: Value) -> Submission {
    Submission::to("test/limited").context(&context).unwrap()
}

async fn submit(tasker: &Tasker, context: Value) -> Uuid {
    tasker.submit(order(context)).await.unwrap()
}

async fn state(tasker: &Tasker, task: Uuid) -> TaskState {
    tasker.show(task).await.unwrap().unwrap().state
}

/// A gate that the steps of all tasks wait at, and a world whose engine knows the template.
async fn gated(world: &World, template: &Template) -> (Tasker, Arc<Semaphore>) {
    let gate = world.stage.gate("work");
    (world.start(template).await, gate)
}

fn started(stage: &Stage) -> Vec<Uuid> {
    stage.calls().into_iter().map(|call| call.task).collect()
}

#[tokio::test]
async fn no_more_tasks_of_a_key_run_than_may_and_the_next_starts_when_one_ends() {
    for world in worlds().await {
        let template = limited([of_customer(2)]);
        let (tasker, gate) = gated(&world, &template).await;
        let other = world.start(&template).await;
        let mut tasks = Vec::new();
        for number in 0..5 {
            let submitter = if number % 2 == 0 { &tasker } else { &other };
            tasks.push(submit(submitter, json!({"customer": 7, "number": number})).await);
        }
        let of_another = submit(&tasker, json!({"customer": "7"})).await;
        world.stage.wait_for("work", 3).await;
        let mut running = started(&world.stage);
        running.sort_unstable();
        let mut expected = vec![tasks[0], tasks[1], of_another];
        expected.sort_unstable();
        assert_eq!(running, expected, "{}", world.database);
        let waits = |number: usize| tasker.show(tasks[number]);
        let report = waits(2).await.unwrap().unwrap();
        let waits_for = "its turn, at most 2 of `test/limited $.customer 7` at once: it is the next in line";
        assert_eq!((report.state, report.next_at), (TaskState::Pending, None), "{}", world.database);
        assert_eq!(report.waits_for.as_deref(), Some(waits_for), "{}", world.database);
        let report = waits(4).await.unwrap().unwrap();
        assert!(report.waits_for.unwrap().ends_with("2 tasks are before it"), "{}", world.database);
        gate.add_permits(10);
        for task in tasks.into_iter().chain([of_another]) {
            assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        }
        other.stop().await.unwrap();
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn line_goes_by_priority_and_then_by_age() {
    for world in worlds().await {
        let template = limited([Concurrency::of(1)]);
        let (tasker, gate) = gated(&world, &template).await;
        let first = submit(&tasker, json!({})).await;
        world.stage.wait_for("work", 1).await;
        let mut lined = Vec::new();
        for priority in [0, 5, 0, 5] {
            lined.push(tasker.submit(order(json!({})).priority(priority)).await.unwrap());
        }
        gate.add_permits(10);
        for task in &lined {
            settled(&tasker, *task).await;
        }
        assert_eq!(
            started(&world.stage),
            [first, lined[1], lined[3], lined[0], lined[2]],
            "{}",
            world.database
        );
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn submission_that_would_wait_is_skipped_where_the_limit_says_so() {
    for world in worlds().await {
        let template = limited([of_customer(1).on_conflict(OnConflict::Skip)]);
        let (tasker, gate) = gated(&world, &template).await;
        let first = submit(&tasker, json!({"customer": 1})).await;
        assert_eq!(submit(&tasker, json!({"customer": 1})).await, first, "{}", world.database);
        // In one transaction the first of a key is added, and stands for the others.
        let two = || order(json!({"customer": 2}));
        let all = tasker.submit_all([two(), order(json!({"customer": 1})), two()]).await.unwrap();
        assert_eq!((all[1], all[2]), (first, all[0]), "{}", world.database);
        // A key that was used is answered as ever.
        let keyed = order(json!({"customer": 3})).idempotency_key("once");
        let third = tasker.submit(keyed.clone()).await.unwrap();
        gate.add_permits(1);
        for task in [first, all[0], third] {
            gate.add_permits(1);
            settled(&tasker, task).await;
        }
        let again = submit(&tasker, json!({"customer": 3})).await;
        assert_ne!(again, third);
        assert_eq!(tasker.submit(keyed).await.unwrap(), third, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 4, "{}", world.database);
        gate.add_permits(10);
        settled(&tasker, again).await;
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn newest_submission_takes_the_place_of_what_runs_and_waits_where_the_limit_says_so() {
    for world in worlds().await {
        let template = limited([of_customer(1).on_conflict(OnConflict::CancelRunning)]);
        let (tasker, gate) = gated(&world, &template).await;
        let mut tasks = vec![submit(&tasker, json!({"customer": 1})).await];
        world.stage.wait_for("work", 1).await;
        tasks.push(submit(&tasker, json!({"customer": 1})).await);
        tasks.push(submit(&tasker, json!({"customer": 1})).await);
        let look = || async {
            // What runs is told, and dropped after a while.
            world.clock.advance(Duration::from_secs(1));
            let states = [state(&tasker, tasks[0]).await, state(&tasker, tasks[1]).await];
            (states == [TaskState::Cancelled; 2]).then_some(())
        };
        eventually("the first two to be cancelled", look).await;
        gate.add_permits(10);
        assert_eq!(settled(&tasker, tasks[2]).await.state, TaskState::Complete, "{}", world.database);
        let who = world.column("select actor from tasker.audit order by id").await;
        assert_eq!(who[0], "limit test/limited $.customer 1", "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn task_waits_for_its_turn_of_each_limit_and_holds_none_it_does_not_use() {
    for world in worlds().await {
        let template = limited([of_customer(1), Concurrency::of(2)]);
        let (tasker, gate) = gated(&world, &template).await;
        let mut tasks = Vec::new();
        for customer in [1, 1, 2, 3] {
            tasks.push(submit(&tasker, json!({ "customer": customer })).await);
        }
        world.stage.wait_for("work", 2).await;
        let mut running = started(&world.stage);
        running.sort_unstable();
        let mut expected = [tasks[0], tasks[2]];
        expected.sort_unstable();
        assert_eq!(running, expected, "{}", world.database);
        let report = tasker.show(tasks[3]).await.unwrap().unwrap();
        assert!(report.waits_for.unwrap().starts_with("its turn, at most 2 of `test/limited` at once"));
        gate.add_permits(10);
        for task in tasks {
            assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        }
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn turn_of_a_process_that_died_is_passed_on() {
    for world in worlds().await {
        let template = limited([Concurrency::of(1)]);
        let gate = world.stage.gate("work");
        let dead = world.process(&template).await;
        let first = dead.submit(order(json!({}))).await;
        world.stage.wait_for("work", 1).await;
        let second = dead.submit(order(json!({}))).await;
        dead.kill();
        let tasker = world.start(&template).await;
        // Its lease runs out, and its task goes on: it has its turn still.
        gate.add_permits(1);
        let look = || async {
            world.clock.advance(Duration::from_secs(5));
            (state(&tasker, first).await == TaskState::Complete).then_some(())
        };
        eventually("the first task to go on", look).await;
        gate.add_permits(1);
        assert_eq!(settled(&tasker, second).await.state, TaskState::Complete, "{}", world.database);
        // Somebody ended a task and died before the turn was passed on.
        let calls = world.stage.calls().len();
        let third = submit(&tasker, json!({})).await;
        world.stage.wait_for("work", calls + 1).await;
        let fourth = submit(&tasker, json!({})).await;
        tasker.stop().await.unwrap();
        world.change("update tasker.runs set state = 12, finished_at = 1, owner = 0 where finished_at is null and run_at <> 9223372036854775807").await;
        let office = world.start(&template).await;
        assert_eq!(state(&office, third).await, TaskState::Cancelled, "{}", world.database);
        // What ran of the third may still wait at the gate.
        gate.add_permits(5);
        let calls = world.stage.calls().len();
        let look = || async {
            world.clock.advance(Duration::from_secs(1));
            (world.stage.calls().len() > calls).then_some(())
        };
        eventually("the turn to be passed on", look).await;
        assert_eq!(settled(&office, fourth).await.state, TaskState::Complete, "{}", world.database);
        office.stop().await.unwrap();
    }
}

#[tokio::test]
async fn operators_move_no_task_past_its_turn() {
    for world in worlds().await {
        let template = limited([Concurrency::of(1)]);
        let (tasker, gate) = gated(&world, &template).await;
        let first = submit(&tasker, json!({})).await;
        world.stage.wait_for("work", 1).await;
        let (second, third) = (submit(&tasker, json!({})).await, submit(&tasker, json!({})).await);
        tasker.operate(second, &Command::Pause).await.unwrap();
        tasker.operate(second, &Command::Resume).await.unwrap();
        assert_eq!(state(&tasker, second).await, TaskState::Pending);
        tasker.operate(third, &Command::Pause).await.unwrap();
        assert_eq!(world.stage.calls().len(), 1, "{}", world.database);
        // Who is cancelled gives its turn away, held or not.
        tasker.operate(first, &Command::Cancel).await.unwrap();
        let look = || async {
            world.clock.advance(Duration::from_secs(1));
            (world.stage.calls().len() == 2).then_some(())
        };
        eventually("the second to start", look).await;
        assert_eq!(started(&world.stage)[1], second, "{}", world.database);
        gate.add_permits(2);
        settled(&tasker, second).await;
        // The turn of a task that is paused waits for it.
        tasker.operate(third, &Command::Resume).await.unwrap();
        gate.add_permits(1);
        assert_eq!(settled(&tasker, third).await.state, TaskState::Complete, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn delay_counts_as_well_as_the_turn() {
    for world in worlds().await {
        let tasker = world.start(&limited([Concurrency::of(1)])).await;
        let later = tasker.submit(order(json!({})).delay(Duration::from_secs(60))).await.unwrap();
        world.clock.advance(Duration::from_secs(60) - Duration::from_micros(1));
        assert_eq!(state(&tasker, later).await, TaskState::Pending, "{}", world.database);
        assert!(world.stage.calls().is_empty());
        world.clock.advance(Duration::from_micros(1));
        assert_eq!(settled(&tasker, later).await.state, TaskState::Complete, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn context_without_a_key_is_refused_and_nothing_is_written() {
    for world in worlds().await {
        let tasker = world.start(&limited([of_customer(1)])).await;
        for (context, problem) in [
            (json!({}), "the context has no `$.customer`"),
            (json!({"customer": null}), "the context has no `$.customer`"),
            (json!({"customer": {"id": 1}}), "must be text, a number, true or false"),
            (json!({"customer": "x".repeat(256)}), "may have at most 255 bytes, and has 256"),
        ] {
            let refused = tasker.submit(order(context)).await;
            let Err(SubmitError::NoKey { problem: said, .. }) = refused else { panic!("{refused:?}") };
            assert!(said.contains(problem), "{said}");
        }
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 0, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn task_of_a_callers_own_transaction_lines_up_with_it() {
    for world in worlds().await {
        let (tasker, gate) = gated(&world, &limited([Concurrency::of(1)])).await;
        let first = submit(&tasker, json!({})).await;
        world.stage.wait_for("work", 1).await;
        let second = in_transaction(&world, &tasker).await;
        assert!(tasker.show(second).await.unwrap().unwrap().waits_for.is_some(), "{}", world.database);
        gate.add_permits(2);
        settled(&tasker, first).await;
        let look = || async {
            world.clock.advance(Duration::from_secs(1));
            (state(&tasker, second).await == TaskState::Complete).then_some(())
        };
        eventually("the second task", look).await;
        tasker.stop().await.unwrap();
    }
}

async fn in_transaction(world: &World, tasker: &Tasker) -> Uuid {
    use sqlx::Connection as _;
    if world.database.is_sqlite() {
        let mut connection = sqlx::SqliteConnection::connect(&world.database.url).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        let task =
            tasker.submit_in(CallerTransaction::from(&mut transaction), order(json!({}))).await.unwrap();
        transaction.commit().await.unwrap();
        task
    } else {
        let mut connection = sqlx::PgConnection::connect(&world.database.url).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        let task =
            tasker.submit_in(CallerTransaction::from(&mut transaction), order(json!({}))).await.unwrap();
        transaction.commit().await.unwrap();
        task
    }
}
