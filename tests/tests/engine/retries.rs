//! Failed attempts are followed by others at the times the policy gives.

use std::{future, time::Duration};

use serde_json::json;
use support::{
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{StepReport, Submission, TaskReport},
    model::{StepState, TaskState, Timestamp},
    template::{Backoff, RetryOptions, Template},
};
use uuid::Uuid;

const MILLIS: Duration = Duration::from_millis(1);

fn policy(max_attempts: u32, backoff: Backoff, base: Duration, max: Duration) -> RetryOptions {
    RetryOptions {
        retryable: None,
        max_attempts: Some(max_attempts),
        backoff: Some(backoff),
        base: Some(base),
        max: Some(max),
    }
}

fn plain(max_attempts: u32) -> RetryOptions {
    policy(max_attempts, Backoff::None, 100 * MILLIS, 100 * MILLIS)
}

async fn report(tasker: &Tasker, task: Uuid) -> TaskReport {
    tasker.show(task).await.unwrap().unwrap()
}

/// The step once `attempts` of its attempts have failed.
async fn failed(tasker: &Tasker, task: Uuid, name: &str, attempts: u32) -> StepReport {
    let look = || async {
        let step = report(tasker, task).await.step(name).unwrap().clone();
        (step.attempts >= attempts && step.state != StepState::InProgress).then_some(step)
    };
    eventually(&format!("failed attempt {attempts} of `{name}`"), look).await
}

/// Runs another task from start to end: whatever was due before has begun afterwards.
async fn let_others_run(tasker: &Tasker) {
    let name: String = tasker.run("test/probe", &()).await.unwrap();
    assert_eq!(name, "probe");
}

fn probe() -> Template {
    template("probe", [step("probe", &[])])
}

async fn with_probe(world: &World, template: &Template) -> Tasker {
    world.builder(&[]).template(template.clone()).template(probe()).start().await.unwrap()
}

/// Follows the attempts of the one step `flaky` and compares their times with `factors` of 100 ms.
async fn attempts_follow(world: &World, backoff: Backoff, factors: &[u32]) {
    let base = 100 * MILLIS;
    let attempts = u32::try_from(factors.len()).unwrap() + 1;
    let name = format!("flaky_{backoff}");
    let flaky = retried(step("flaky", &[]), policy(attempts, backoff, base, 350 * MILLIS));
    let tasker = with_probe(world, &template(&name, [flaky])).await;
    let before = world.stage.times("flaky").len();
    let task = tasker.submit(Submission::to(format!("test/{name}"))).await.unwrap();
    for (attempt, &factor) in (1..).zip(factors) {
        let called = before + attempt as usize;
        let step = failed(&tasker, task, "flaky", attempt).await;
        let at = step.retry_at.unwrap();
        let (delay, meant) = (at.since(step.finished_at.unwrap()), (base * factor).min(350 * MILLIS));
        let range = meant.mul_f64(0.85)..=meant.mul_f64(1.15);
        assert!(range.contains(&delay), "{}: {backoff} {attempt}: {delay:?} for {meant:?}", world.database);

        let now = world.clock.now();
        world.clock.advance(at.since(now) - Duration::from_micros(1));
        let_others_run(&tasker).await;
        assert_eq!(world.stage.times("flaky").len(), called, "{}: {backoff}: too early", world.database);
        world.clock.advance(Duration::from_micros(1));
        world.stage.wait_for("flaky", called + 1).await;
        assert_eq!(world.stage.times("flaky")[called], at, "{}: {backoff}", world.database);
    }
    assert_eq!(settled(&tasker, task).await.state, TaskState::BlockedByFailures, "{}", world.database);
    tasker.stop().await.unwrap();
}

#[tokio::test]
async fn retries_come_at_exactly_the_times_of_their_backoff() {
    for world in worlds().await {
        world.stage.on("flaky", |_| async { Err(StepError::retryable("DOWN", "no answer")) });
        attempts_follow(&world, Backoff::None, &[1, 1, 1, 1]).await;
        attempts_follow(&world, Backoff::Linear, &[1, 2, 3, 4]).await;
        attempts_follow(&world, Backoff::Exponential, &[1, 2, 4]).await;
        attempts_follow(&world, Backoff::Fibonacci, &[1, 1, 2, 3]).await;
    }
}

#[tokio::test]
async fn delay_the_failure_asks_for_goes_before_the_policy() {
    let template = template("later", [retried(step("a", &[]), plain(2))]);
    for world in worlds().await {
        world.stage.on("a", |step| async move {
            match step.attempt() {
                1 => Err(StepError::retryable("BUSY", "come back").after(Duration::from_secs(3))),
                attempt => Ok(json!(attempt)),
            }
        });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/later")).await.unwrap();
        let step = failed(&tasker, task, "a", 1).await;
        assert_eq!(step.retry_at, Some(world.clock.now() + Duration::from_secs(3)), "{}", world.database);
        world.clock.advance(Duration::from_secs(3));
        assert_eq!(settled(&tasker, task).await.result, json!(2), "{}", world.database);
        assert_eq!(world.stage.times("a")[1], step.retry_at.unwrap(), "{}", world.database);
    }
}

#[tokio::test]
async fn held_task_waits_while_nothing_can_run_before_a_near_retry() {
    let flaky = retried(step("flaky", &[]), plain(2));
    let template = template("near", [flaky, step("beside", &[])]);
    for world in worlds().await {
        let beside = world.stage.gate("beside");
        world.stage.on("flaky", |_| async {
            Err(StepError::retryable("BUSY", "come back").after(Duration::from_secs(3)))
        });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/near")).await.unwrap();
        let at = failed(&tasker, task, "flaky", 1).await.retry_at.unwrap();
        let stands = || async {
            let report = report(&tasker, task).await;
            (report.state, report.next_at)
        };
        let in_progress = (TaskState::InProgress, None);
        assert_eq!(stands().await, in_progress, "{}: another step runs", world.database);
        beside.add_permits(1);
        let waits = || async { (stands().await == (TaskState::Waiting, Some(at))).then_some(()) };
        eventually("the task to wait", waits).await;
        let held = world.count("select count(*) from tasker.runs where owner is not null").await;
        assert_eq!(held, 1, "{}", world.database);
        let retry = world.stage.gate("flaky");
        world.clock.advance(at.since(world.clock.now()));
        assert_eq!(stands().await, in_progress, "{}: its time has come", world.database);
        world.stage.wait_for("flaky", 2).await;
        retry.add_permits(1);
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
    }
}

#[tokio::test]
async fn task_that_waits_for_a_far_retry_is_given_back_and_taken_at_its_time() {
    let template = template("far", [step("a", &[]), retried(step("b", &["a"]), plain(2))]);
    for world in worlds().await {
        world.stage.on("b", |step| async move {
            match step.attempt() {
                1 => Err(StepError::retryable("CLOSED", "open at nine").after(Duration::from_secs(3600))),
                _ => Ok(json!("served")),
            }
        });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/far")).await.unwrap();
        let look = || async { Some(report(&tasker, task).await).filter(|r| r.state == TaskState::Waiting) };
        let waiting = eventually("the task to wait", look).await;
        let at = world.clock.now() + Duration::from_secs(3600);
        assert_eq!(waiting.next_at, Some(at), "{}", world.database);
        let held = world.count("select count(*) from tasker.runs where owner is not null").await;
        assert_eq!(held, 0, "{}", world.database);

        // The poll just before finds nothing, and the next one is nearly a second away.
        let claims = tasker.stats().claims;
        world.clock.advance(Duration::from_secs(3600) - 10 * MILLIS);
        let polled = || async { (tasker.stats().claims > claims).then_some(()) };
        eventually("a poll", polled).await;
        world.clock.advance(10 * MILLIS);
        let report = settled(&tasker, task).await;
        assert_eq!(report.result, json!("served"), "{}", world.database);
        assert_eq!(world.stage.times("b")[1], at, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "b 1", "b 2"], "{}", world.database);
    }
}

#[tokio::test]
async fn retry_that_waits_when_its_process_dies_is_made_by_the_next() {
    let template = template("orphan", [retried(step("a", &[]), plain(2))]);
    for delay in [3, 60] {
        for world in worlds().await {
            world.stage.on("a", move |step| async move {
                match step.attempt() {
                    1 => Err(StepError::retryable("BUSY", "").after(Duration::from_secs(delay))),
                    attempt => Ok(json!(attempt)),
                }
            });
            let first = world.process(&template).await;
            let task = first.submit(Submission::to("test/orphan")).await;
            failed(&first.tasker, task, "a", 1).await;
            first.kill();
            world.clock.advance(Duration::from_secs(70));
            let second = world.start(&template).await;
            assert_eq!(settled(&second, task).await.result, json!(2), "{} {delay}", world.database);
            assert_eq!(world.stage.called(), ["a 1", "a 2"], "{}", world.database);
        }
    }
}

#[tokio::test]
async fn spent_attempts_block_the_task_and_say_why() {
    let template = template("spent", [retried(step("a", &[]), plain(3)), step("b", &["a"])]);
    for world in worlds().await {
        world.stage.on("a", |step| async move {
            Err(StepError::retryable("DOWN", format!("no answer {}", step.attempt())))
        });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/spent")).await.unwrap();
        for attempt in 1..3 {
            failed(&tasker, task, "a", attempt).await;
            world.clock.advance(Duration::from_millis(150));
        }
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        assert_eq!(report.cause.as_deref(), Some("failed for good: a"), "{}", world.database);
        let a = report.step("a").unwrap();
        assert_eq!((a.state, a.attempts, a.max_attempts), (StepState::Error, 3, 3), "{}", world.database);
        assert_eq!(a.error.as_ref().unwrap().to_string(), "DOWN: no answer 3", "{}", world.database);
        assert_eq!(report.step("b").unwrap().state, StepState::Pending, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "a 2", "a 3"], "{}", world.database);
    }
}

#[tokio::test]
async fn permanent_error_fails_at_once() {
    let template = template("permanent", [retried(step("a", &[]), plain(5))]);
    for world in worlds().await {
        world.stage.on("a", |_| async {
            Err(StepError::permanent("DECLINED", "no").with_context(json!({"code": 51})))
        });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/permanent")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        let error = report.step("a").unwrap().error.clone().unwrap();
        assert_eq!(
            (error.code(), error.context()),
            ("DECLINED", Some(&json!({"code": 51}))),
            "{}",
            world.database
        );
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn step_that_is_not_retryable_runs_once() {
    let once = RetryOptions { retryable: Some(false), ..plain(5) };
    let template = template("once", [retried(step("a", &[]), once)]);
    for world in worlds().await {
        world.stage.on("a", |_| async { Err(StepError::retryable("DOWN", "no answer")) });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/once")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn panic_is_a_failed_attempt_and_is_retried() {
    let template = template("panics", [retried(step("a", &[]), plain(3))]);
    for world in worlds().await {
        world.stage.on("a", |step| {
            assert!(step.attempt() != 1, "before the first await");
            async move {
                tokio::task::yield_now().await;
                assert!(step.attempt() != 2, "after the first await");
                Ok(json!(step.attempt()))
            }
        });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/panics")).await.unwrap();
        for (attempt, message) in [(1, "before the first await"), (2, "after the first await")] {
            let error = failed(&tasker, task, "a", attempt).await.error.unwrap();
            assert_eq!(error.code(), "PANIC", "{}", world.database);
            assert!(
                error.is_retryable() && error.message().ends_with(message),
                "{}: {error}",
                world.database
            );
            world.clock.advance(Duration::from_millis(150));
        }
        assert_eq!(settled(&tasker, task).await.result, json!(3), "{}", world.database);
    }
}

#[tokio::test]
async fn attempt_past_its_deadline_is_dropped_and_retried() {
    let mut slow = retried(step("slow", &[]), plain(2));
    slow.timeout = Some(Duration::from_secs(2));
    let template = template("deadline", [slow]);
    for world in worlds().await {
        world.stage.on("slow", |step| async move {
            if step.attempt() == 1 {
                future::pending::<()>().await;
            }
            Ok(json!(step.attempt()))
        });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/deadline")).await.unwrap();
        world.stage.wait_for("slow", 1).await;
        world.clock.advance(Duration::from_secs(2));
        let step = failed(&tasker, task, "slow", 1).await;
        let error = step.error.unwrap();
        assert_eq!((error.code(), error.is_retryable()), ("TIMEOUT", true), "{}", world.database);
        assert_eq!(step.finished_at, Some(world.clock.now()), "{}", world.database);
        world.clock.advance(Duration::from_millis(150));
        assert_eq!(settled(&tasker, task).await.result, json!(2), "{}", world.database);
    }
}

#[tokio::test]
async fn every_failed_attempt_is_kept_with_its_times() {
    let template = template("kept", [retried(step("a", &[]), plain(2))]);
    for world in worlds().await {
        world.stage.on("a", |_| async { Err(StepError::retryable("DOWN", "no answer")) });
        let tasker = world.start(&template).await;
        let start: Timestamp = world.clock.now();
        let task = tasker.submit(Submission::to("test/kept")).await.unwrap();
        let at = failed(&tasker, task, "a", 1).await.retry_at.unwrap();
        world.clock.advance(at.since(start));
        settled(&tasker, task).await;
        let rows = world
            .rows("select cast(attempt as text), cast(failed_at as text), cast(retry_at as text) from tasker.attempts order by attempt")
            .await;
        let text = |time: Timestamp| Some(time.as_micros().to_string());
        let expected =
            [vec![Some("1".to_owned()), text(start), text(at)], vec![Some("2".to_owned()), text(at), None]];
        assert_eq!(rows, expected, "{}", world.database);
    }
}
