//! Steps that wait for a time.

use std::time::Duration;

use serde_json::json;
use support::{
    stage::{step, template},
    world::{eventually, settled, worlds},
};
use tasker_runtime::{
    api::Submission,
    model::{StepState, TaskState},
    template::{Source, Step, TimerConfig},
};

use crate::{
    operators::{refusal, retry, skip},
    waits::{HOUR, returns, state_of, submitted, waits},
};

fn timer(name: &str, after: &[&str], delay: Duration) -> Step {
    Step::timer(name, TimerConfig::Delay(delay)).after(after.iter().copied())
}

fn until(name: &str, after: &[&str], text: &str) -> Step {
    let source = Source::parse(text, after.iter().copied()).unwrap();
    Step::timer(name, TimerConfig::Until(source)).after(after.iter().copied())
}

#[tokio::test]
async fn timer_is_over_at_its_time_and_not_before() {
    for world in worlds().await {
        returns(&world, "remind", "two_days");
        let template = template(
            "reminder",
            [step("invite", &[]), timer("two_days", &["invite"], 48 * HOUR), step("remind", &["two_days"])],
        );
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        let report = waits(&world, &tasker, task).await;
        let due = report.step("invite").unwrap().finished_at.unwrap() + 48 * HOUR;
        assert_eq!(report.next_at, Some(due), "{}", world.database);
        let waits_for = report.step("two_days").unwrap().waits_for.clone().unwrap();
        assert_eq!(waits_for, format!("its time, {due}: `skip` ends the wait"));
        world.clock.advance(due.since(world.clock.now()) - Duration::from_micros(1));
        assert_eq!(tasker.show(task).await.unwrap().unwrap().state, TaskState::Waiting);
        assert!(world.stage.times("remind").is_empty(), "{}", world.database);
        world.clock.advance(Duration::from_micros(1));
        let report = settled(&tasker, task).await;
        assert_eq!(report.result["due"], json!(due.to_string()), "{}", world.database);
        assert_eq!(report.state, TaskState::Complete);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn timer_that_is_skipped_is_over_and_what_comes_after_it_runs() {
    for world in worlds().await {
        let template =
            template("skipped", [timer("ten_years", &[], 87_600 * HOUR), step("after", &["ten_years"])]);
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        waits(&world, &tasker, task).await;
        assert_eq!(
            refusal(&tasker, task, retry(&["ten_years"])).await,
            "step `ten_years` is waiting: only a step that failed or waits for a retry can be retried"
        );
        tasker.operate(task, &skip("ten_years")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(state_of(&report, "ten_years"), StepState::ResolvedManually);
        assert_eq!(world.stage.times("after").len(), 1, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn timer_reads_its_time_in_the_context_or_in_a_result() {
    for world in worlds().await {
        let template = template(
            "at",
            [
                step("plan", &[]),
                until("from_context", &[], "$.reminder.at"),
                until("from_result", &["plan"], "plan.due"),
                step("end", &["from_context", "from_result"]),
            ],
        );
        let at = |hours: u32| world.clock.now() + HOUR * hours;
        let (of_context, of_result) = (at(2), at(5));
        world.stage.on("plan", move |_| async move { Ok(json!({"due": of_result.to_string()})) });
        let tasker = world.start(&template).await;
        let context = json!({"reminder": {"at": of_context.to_string()}});
        let submission = Submission::to("test/at").context(&context).unwrap();
        let task = tasker.submit(submission.clone()).await.unwrap();
        assert_eq!(waits(&world, &tasker, task).await.next_at, Some(of_context), "{}", world.database);
        world.clock.advance(HOUR * 2);
        let look = || async {
            let report = tasker.show(task).await.unwrap().unwrap();
            // The row of a task and its journal are read one after the other.
            let goes_on = state_of(&report, "from_context") == StepState::Complete
                && report.next_at != Some(of_context);
            (goes_on && report.state == TaskState::Waiting).then_some(report)
        };
        let report = eventually("the first timer to be over", look).await;
        assert_eq!(report.next_at, Some(of_result), "{}", world.database);
        world.clock.advance(HOUR * 3);
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete);
        // What is long past is due at once.
        let task = tasker.submit(submission).await.unwrap();
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn field_that_is_no_time_fails_the_timer_and_is_named() {
    for world in worlds().await {
        let template = template("bad", [until("wake", &[], "$.at"), step("end", &["wake"])]);
        let tasker = world.start(&template).await;
        for (context, problem) in [
            (
                json!({"at": "tomorrow"}),
                "`$.at` is \"tomorrow\", not a time like \"2026-12-24T18:00:00+01:00\"",
            ),
            (json!({"at": 5}), "`$.at` is 5, not a time like \"2026-12-24T18:00:00+01:00\""),
            (json!({}), "`$.at` is not there"),
        ] {
            let submission = Submission::to("test/bad").context(&context).unwrap();
            let task = tasker.submit(submission).await.unwrap();
            let report = settled(&tasker, task).await;
            assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
            let error = report.step("wake").unwrap().error.clone().unwrap();
            assert_eq!((error.code(), error.message()), ("INVALID_TIME", problem), "{}", world.database);
        }
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn delayed_step_starts_later_than_it_could() {
    for world in worlds().await {
        let mut later = step("later", &["first"]);
        later.delay = Some(HOUR);
        let template = template("delayed", [step("first", &[]), later]);
        let tasker = world.start(&template).await;
        let task = submitted(&tasker, &template).await;
        let report = waits(&world, &tasker, task).await;
        let first = report.step("first").unwrap().finished_at.unwrap();
        assert_eq!((state_of(&report, "later"), report.next_at), (StepState::Waiting, Some(first + HOUR)));
        world.clock.advance((first + HOUR).since(world.clock.now()));
        assert_eq!(settled(&tasker, task).await.state, TaskState::Complete);
        assert_eq!(world.stage.times("later"), [first + HOUR], "{}", world.database);
        tasker.stop().await.unwrap();
    }
}
