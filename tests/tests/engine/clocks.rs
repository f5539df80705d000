//! Calendars are set, forwards and back: the database's, or the machine's. What takes so and so long takes so long all
//! the same; only what is due goes by the calendar.

use std::time::Duration;

use support::{
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::Submission,
    handler::Registration,
    model::{Command, TaskState, Timestamp},
    registry::Registry,
    template::{RetryOptions, Template},
};
use uuid::Uuid;

const POLLING: [(&str, &str); 1] = [("worker.wake", "polling_only")];

/// Ten minutes forwards and back, on each store.
async fn jumps() -> Vec<(World, i64)> {
    let back = worlds().await.into_iter().map(|world| (world, -10));
    back.chain(worlds().await.into_iter().map(|world| (world, 10))).collect()
}

/// Somebody sets the clock by so many minutes.
fn set(world: &World, minutes: i64) {
    let now = world.clock.now().as_micros();
    world.clock.set(Timestamp::from_micros(now + minutes * 60_000_000));
}

/// What `look` finds before more than so many seconds have gone by: far fewer than any clock is set by here, and far
/// more than anything waits.
const SOON: u64 = 120;

async fn soon<T>(world: &World, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let end = world.clock.steady() + Duration::from_secs(SOON);
    let look = || async {
        if world.clock.steady() < end {
            world.clock.advance(Duration::from_millis(250));
            // The processes have time to do what is due now.
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
        look().await
    };
    eventually(&format!("{what} within {SOON} seconds"), look).await
}

async fn submit(tasker: &Tasker, template: &str) -> Uuid {
    tasker.submit(Submission::to(template)).await.unwrap()
}

async fn start(world: &World, template: &Template) -> Tasker {
    world.builder(&POLLING).template(template.clone()).start().await.unwrap()
}

/// Lets everything come to rest: each loop has begun to wait.
async fn rest(tasker: &Tasker) {
    let idle = || async { (tasker.stats().claims > 0).then_some(()) };
    eventually("the first look at the queue", idle).await;
}

#[tokio::test]
async fn signs_of_life_go_on() {
    let template = template("plain", [step("a", &[])]);
    for (world, minutes) in jumps().await {
        let tasker = start(&world, &template).await;
        rest(&tasker).await;
        set(&world, minutes);
        let set_to = world.clock.now().as_micros();
        let sql = format!(
            "select count(*) from tasker.workers where id = 1 and stopped_at is null and seen_at between {set_to} and {}",
            set_to + 130_000_000
        );
        let seen = async || (world.count(&sql).await == 1).then_some(());
        soon(&world, "a sign of life", seen).await;
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_others_submit_is_found() {
    let template = template("plain", [step("a", &[])]);
    for (world, minutes) in jumps().await {
        let (office, tasker) = (world.connect(&template).await, start(&world, &template).await);
        rest(&tasker).await;
        set(&world, minutes);
        submit(&office, "test/plain").await;
        let called = async || (!world.stage.calls().is_empty()).then_some(());
        soon(&world, "the call", called).await;
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_due_by_the_calendar_starts_then() {
    let template = template("plain", [step("a", &[])]);
    for world in worlds().await {
        let tasker = start(&world, &template).await;
        let later = Submission::to("test/plain").delay(Duration::from_secs(600));
        tasker.submit(later).await.unwrap();
        rest(&tasker).await;
        set(&world, 10);
        let called = async || (!world.stage.calls().is_empty()).then_some(());
        soon(&world, "the call", called).await;
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn commands_are_followed() {
    let template = template("long", [step("a", &[])]);
    for (world, minutes) in jumps().await {
        let _gate = world.stage.gate("a");
        let (office, tasker) = (world.connect(&template).await, start(&world, &template).await);
        let task = submit(&tasker, "test/long").await;
        world.stage.wait_for("a", 1).await;
        set(&world, minutes);
        office.operate_within(task, &Command::Cancel, Duration::ZERO).await.unwrap();
        let cancelled = async || {
            let report = office.show(task).await.unwrap().unwrap();
            (report.state == TaskState::Cancelled).then_some(())
        };
        soon(&world, "the end", cancelled).await;
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn deadlines_come_when_they_would_have() {
    let mut slow = step("a", &[]);
    slow.timeout = Some(Duration::from_secs(4));
    slow.retry = RetryOptions { max_attempts: Some(1), ..RetryOptions::default() };
    let template = template("late", [slow]);
    for (world, minutes) in jumps().await {
        let _gate = world.stage.gate("a");
        let tasker = start(&world, &template).await;
        let task = submit(&tasker, "test/late").await;
        world.stage.wait_for("a", 1).await;
        set(&world, minutes);
        let failures = "select count(*) from tasker.attempts";
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(world.count(failures).await, 0, "{}: {minutes}: a second is left", world.database);
        let failed = async || (world.count(failures).await == 1).then_some(());
        soon(&world, "the failure", failed).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn retries_wait_as_long_as_they_would_have() {
    let second = RetryOptions { base: Some(Duration::from_secs(2)), ..RetryOptions::default() };
    let template = template("again", [retried(step("a", &[]), second)]);
    for (world, minutes) in jumps().await {
        world.stage.on("a", |step| async move {
            match step.attempt() {
                1 => Err(StepError::retryable("ONCE", "not yet")),
                _ => Ok(step.name().into()),
            }
        });
        let tasker = start(&world, &template).await;
        let task = submit(&tasker, "test/again").await;
        let failed =
            || async { (world.count("select count(*) from tasker.attempts").await == 1).then_some(()) };
        eventually("the first failure", failed).await;
        set(&world, minutes);
        for _ in 0..4 {
            world.clock.advance(Duration::from_millis(250));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(world.stage.times("a").len(), 1, "{}: {minutes}: it waits", world.database);
        let again = async || (world.stage.times("a").len() == 2).then_some(());
        soon(&world, "the second attempt", again).await;
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn work_of_a_process_that_died_is_taken_up() {
    let template = template("taken", [step("a", &[])]);
    for (world, minutes) in jumps().await {
        let gate = world.stage.gate("a");
        let first = world.process(&template).await;
        first.submit(Submission::to("test/taken")).await;
        world.stage.wait_for("a", 1).await;
        let second = start(&world, &template).await;
        let seen = "select count(*) from tasker.workers where id = 2 and seen_at > started_at";
        let looked = async || (world.count(seen).await == 1).then_some(());
        soon(&world, "its first look", looked).await;
        first.kill();
        set(&world, minutes);
        let again = async || (world.stage.times("a").len() == 2).then_some(());
        soon(&world, "the second call", again).await;
        gate.add_permits(2);
        second.stop().await.unwrap();
    }
}

#[tokio::test]
async fn nobody_who_lives_loses_what_it_holds() {
    let template = template("kept", [step("a", &[])]);
    for (world, minutes) in jumps().await {
        let gate = world.stage.gate("a");
        let (first, second) = (start(&world, &template).await, start(&world, &template).await);
        submit(&first, "test/kept").await;
        world.stage.wait_for("a", 1).await;
        // Both have looked at each other.
        for _ in 0..2 {
            beat(&world).await;
        }
        set(&world, minutes);
        for _ in 0..5 {
            beat(&world).await;
        }
        assert_eq!(world.stage.times("a").len(), 1, "{}: {minutes}", world.database);
        let given_up = "select count(*) from tasker.workers where stopped_at is not null";
        assert_eq!(world.count(given_up).await, 0, "{}: {minutes}", world.database);
        gate.add_permits(1);
        first.stop().await.unwrap();
        second.stop().await.unwrap();
    }
}

/// Lets a third of a lease go by, and both workers give a sign of life.
async fn beat(world: &World) {
    let before = world.column("select seen_at from tasker.workers order by id").await;
    world.clock.advance(Duration::from_millis(5_100));
    let beaten = || async {
        let now = world.column("select seen_at from tasker.workers order by id").await;
        now.iter().zip(&before).all(|(now, before)| now != before).then_some(())
    };
    eventually("both signs of life", beaten).await;
}

#[tokio::test]
async fn lent_steps_are_taken_and_come_home() {
    let template = template("lent", [step("a", &[]), step("b", &["a"])]);
    for (world, minutes) in jumps().await {
        let gate = world.stage.gate("a");
        let none = Registry::of([] as [Registration; 0]);
        let holder = world.builder(&POLLING).registry(none).partial(true).template(template.clone());
        let (holder, taker) = (holder.start().await.unwrap(), start(&world, &template).await);
        let task = submit(&holder, "test/lent").await;
        let a = async || (world.stage.times("a").len() == 1).then_some(());
        soon(&world, "the first step", a).await;
        set(&world, minutes);
        gate.add_permits(1);
        let over = async || {
            let report = holder.show(task).await.unwrap().unwrap();
            (report.state == TaskState::Complete).then_some(())
        };
        soon(&world, "both steps", over).await;
        taker.stop().await.unwrap();
        holder.stop().await.unwrap();
    }
}
