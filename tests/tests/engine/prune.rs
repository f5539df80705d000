//! Tasks that are over are deleted when they are old enough, whole, and nothing else is.

use std::time::Duration;

use serde_json::Value;
use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{NotOver, Prune, Pruned, Submission},
    model::{Command, TaskState},
    template::Template,
};
use uuid::Uuid;

use crate::waits::HOUR;

const DAY: Duration = Duration::from_secs(86_400);

/// The tables that have rows of tasks, with the column of the task.
const TABLES: &[(&str, &str)] = &[
    ("tasks", "id"),
    ("runs", "task_id"),
    ("steps", "task_id"),
    ("attempts", "task_id"),
    ("checkpoints", "task_id"),
    ("offers", "task_id"),
    ("commands", "task_id"),
    ("dead_letters", "task_id"),
    ("audit", "task_id"),
];

fn plain() -> Template {
    template("plain", [step("a", &[]), step("b", &["a"])])
}

fn order(key: &str) -> Submission {
    Submission::to("test/plain").idempotency_key(key)
}

/// A task that ended in each state, and one that has not begun; in the order they were submitted.
async fn history(world: &World) -> (Tasker, Vec<Uuid>) {
    world.stage.on("a", |step| async move {
        let fails = step.context::<String>().is_ok_and(|context| context == "fail");
        if fails { Err(StepError::permanent("BAD", "no")) } else { Ok(Value::Null) }
    });
    let worker = world.start(&plain()).await;
    let mut tasks = Vec::new();
    tasks.push(worker.submit(order("complete")).await.unwrap());
    settled(&worker, tasks[0]).await;
    let failing = order("error").context(&"fail").unwrap();
    tasks.push(worker.submit(failing).await.unwrap());
    settled(&worker, tasks[1]).await;
    worker.operate(tasks[1], &Command::GiveUp).await.unwrap();
    worker.stop().await.unwrap();
    let office = world.connect(&plain()).await;
    tasks.push(office.submit(order("cancelled")).await.unwrap());
    office.operate(tasks[2], &Command::Cancel).await.unwrap();
    tasks.push(office.submit(order("waiting")).await.unwrap());
    (office, tasks)
}

/// The tasks that are there, oldest first.
async fn left(office: &Tasker, tasks: &[Uuid]) -> Vec<Uuid> {
    let mut left = Vec::new();
    for &task in tasks {
        if office.show(task).await.unwrap().is_some() {
            left.push(task);
        }
    }
    left
}

/// Rows that belong to no task.
async fn orphans(world: &World) -> u64 {
    let mut orphans = 0;
    for (table, column) in TABLES {
        let text = format!(
            "select count(*) from tasker.{table} where {column} is not null and {column} not in \
             (select id from tasker.tasks)"
        );
        orphans += world.count(&text).await;
    }
    orphans
}

#[tokio::test]
async fn old_tasks_that_are_over_go_with_all_that_belongs_to_them() {
    for world in worlds().await {
        let (office, mut tasks) = history(&world).await;
        world.clock.advance(30 * DAY);
        tasks.push(office.submit(order("late")).await.unwrap());
        office.operate(tasks[4], &Command::Cancel).await.unwrap();
        world.clock.advance(DAY);
        let month = Prune::older_than(30 * DAY);
        assert_eq!(office.would_prune(month).await.unwrap(), 3, "{}", world.database);
        assert_eq!(left(&office, &tasks).await.len(), 5, "{}: to ask deletes nothing", world.database);
        let pruned = office.prune(month).await.unwrap();
        assert_eq!((pruned.tasks, pruned.idempotency_keys), (3, 3), "{}", world.database);
        assert_eq!(left(&office, &tasks).await, tasks[3..], "{}: one waits, one ended late", world.database);
        assert_eq!(orphans(&world).await, 0, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.audit").await, 1, "{}", world.database);
        assert_eq!(office.prune(month).await.unwrap(), Pruned::default(), "{}", world.database);

        // The key is free for another task, that of a task which is still there is not.
        assert_ne!(office.submit(order("complete")).await.unwrap(), tasks[0], "{}", world.database);
        assert_eq!(office.submit(order("waiting")).await.unwrap(), tasks[3], "{}", world.database);
        // What waited for so long is run as ever.
        let worker = world.start(&plain()).await;
        assert_eq!(settled(&worker, tasks[3]).await.state, TaskState::Complete, "{}", world.database);
    }
}

#[tokio::test]
async fn one_state_alone_may_be_meant_if_it_is_a_last_one() {
    for world in worlds().await {
        let (office, tasks) = history(&world).await;
        world.clock.advance(DAY);
        let old = || Prune::older_than(DAY / 2);
        for state in TaskState::ALL.iter().copied().filter(|state| !state.is_final()) {
            assert_eq!(old().state(state).unwrap_err(), NotOver(state));
        }
        for (state, left_over) in [
            (TaskState::Compensated, &tasks[..]),
            (TaskState::Complete, &tasks[1..]),
            (TaskState::Cancelled, &[tasks[1], tasks[3]]),
            (TaskState::Error, &tasks[3..]),
        ] {
            let pruned = office.prune(old().state(state).unwrap()).await.unwrap();
            let expected = u64::from(state != TaskState::Compensated);
            assert_eq!(pruned.tasks, expected, "{}: {state}", world.database);
            assert_eq!(left(&office, &tasks).await, left_over, "{}: {state}", world.database);
        }
    }
}

#[tokio::test]
async fn what_is_old_is_found_in_whatever_lot_it_is() {
    for world in worlds().await {
        let office = world.connect(&plain()).await;
        let tasks = office.submit_all((0..1_203).map(|_| Submission::to("test/plain"))).await.unwrap();
        for &task in [&tasks[0], &tasks[499], &tasks[500], &tasks[1_202]] {
            office.operate(task, &Command::Cancel).await.unwrap();
        }
        world.clock.advance(DAY);
        let old = Prune::older_than(DAY / 2);
        assert_eq!(office.would_prune(old).await.unwrap(), 4, "{}", world.database);
        assert_eq!(office.prune(old).await.unwrap().tasks, 4, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 1_199, "{}", world.database);
        let longest = Prune::older_than(Duration::MAX);
        assert_eq!(office.prune(longest).await.unwrap(), Pruned::default(), "{}", world.database);
    }
}

/// A task that is taken up again while it is deleted is there as a whole or gone as a whole.
#[tokio::test]
async fn deleting_beside_an_operator_leaves_no_half_of_a_task() {
    for world in worlds().await {
        let (office, tasks) = history(&world).await;
        world.clock.advance(DAY);
        let retry = Command::Retry { steps: Vec::new() };
        let (pruned, operated) =
            tokio::join!(office.prune(Prune::older_than(DAY / 2)), office.operate(tasks[0], &retry));
        pruned.unwrap();
        let there = office.show(tasks[0]).await.unwrap().is_some();
        assert!(there || operated.is_err(), "{}", world.database);
        assert_eq!(orphans(&world).await, 0, "{}", world.database);
        assert_eq!(left(&office, &tasks[3..]).await, tasks[3..], "{}", world.database);
    }
}

/// `plain` where processes delete what is complete after a day, and what ended otherwise after two.
async fn forgetful(world: &World) -> Tasker {
    let settings = [("retention.complete_days", "1"), ("retention.failed_days", "2")];
    world.builder(&settings).template(plain()).start().await.unwrap()
}

#[tokio::test]
async fn processes_delete_by_themselves_what_was_kept_for_long_enough() {
    for world in worlds().await {
        let (office, tasks) = history(&world).await;
        let [complete, error, cancelled, waiting] = tasks[..] else { panic!("four tasks") };
        office.operate(waiting, &Command::Pause).await.unwrap();
        let (worker, other) = (forgetful(&world).await, forgetful(&world).await);
        let goes = async |expected: &[Uuid]| {
            let look = || async { (left(&office, &tasks).await == expected).then_some(()) };
            eventually("what is old to be deleted", look).await;
        };
        world.clock.advance(DAY - HOUR);
        // A walk that deletes something comes after this one.
        let fresh = worker.submit(order("fresh")).await.unwrap();
        settled(&worker, fresh).await;
        assert_eq!(left(&office, &tasks).await, tasks, "{}: not yet a day", world.database);
        world.clock.advance(2 * HOUR);
        goes(&[error, cancelled, waiting]).await;
        assert!(office.show(fresh).await.unwrap().is_some(), "{}: it is younger", world.database);
        assert!(office.show(complete).await.unwrap().is_none(), "{}", world.database);
        world.clock.advance(DAY);
        goes(&[waiting]).await;
        world.clock.advance(1000 * DAY);
        let key = async || world.count("select count(*) from tasker.idempotency_keys").await;
        let keys = || async { (key().await == 1).then_some(()) };
        eventually("the keys of those that are gone to be deleted", keys).await;
        assert_eq!(left(&office, &tasks).await, [waiting], "{}: it is not over", world.database);
        assert_eq!(orphans(&world).await, 0, "{}", world.database);
        worker.stop().await.unwrap();
        other.stop().await.unwrap();
    }
}

#[tokio::test]
async fn without_a_word_everything_is_kept_for_ever() {
    for world in worlds().await {
        let (office, tasks) = history(&world).await;
        office.operate(tasks[3], &Command::Cancel).await.unwrap();
        let settings = [("retention.failed_days", "3")];
        let worker = world.builder(&settings).template(plain()).start().await.unwrap();
        world.clock.advance(1000 * DAY);
        let complete = tasks[0];
        let look = || async { (left(&office, &tasks).await == [complete]).then_some(()) };
        eventually("what failed to be deleted", look).await;
        worker.stop().await.unwrap();
        let other = world.start(&plain()).await;
        world.clock.advance(1000 * DAY);
        let fresh = other.submit(order("fresh")).await.unwrap();
        settled(&other, fresh).await;
        assert_eq!(left(&office, &tasks).await, [complete], "{}", world.database);
    }
}
