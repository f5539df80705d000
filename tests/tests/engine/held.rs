//! Operators move tasks that some process holds: through that process.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use support::{
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    StepError, Tasker,
    api::{CommandOutcome, OperateError, Submission},
    model::{Command, StepState, TaskState},
    template::RetryOptions,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::operators::{in_state, refusal, resolve, retry, skip, step_in_state};

/// Lets the holder of a task look for commands.
fn look(world: &World) {
    world.clock.advance(Duration::from_secs(1));
}

/// Asks something of a task that somebody holds, and does not wait for the answer.
async fn pass(office: &Tasker, task: Uuid, command: &Command) {
    match office.operate_within(task, command, Duration::ZERO).await {
        // Where holders are told, one may have answered already.
        Ok(_) | Err(OperateError::RefusedByHolder { .. }) => {}
        refused => panic!("{refused:?}"),
    }
}

/// Asks something of a task that somebody holds while time passes, for long enough.
async fn answered(
    world: &World,
    office: &Tasker,
    task: Uuid,
    command: &Command,
) -> Result<CommandOutcome, OperateError> {
    let mut asked = std::pin::pin!(office.operate_within(task, command, Duration::from_secs(86_400)));
    loop {
        tokio::select! {
            answer = &mut asked => return answer,
            () = tokio::time::sleep(Duration::from_millis(5)) => look(world),
        }
    }
}

/// Waits until so many commands are still to be followed.
async fn waiting(world: &World, commands: u64) {
    let left =
        || async { (world.count("select count(*) from tasker.commands").await == commands).then_some(()) };
    eventually(&format!("{commands} commands to wait"), left).await;
}

/// Has the holder of the task see the one command that was asked of it and stays until it is followed: another
/// one, which changes nothing, is seen after it.
async fn seen(world: &World, office: &Tasker, task: Uuid) {
    pass(office, task, &retry(&[])).await;
    // A process that has just started may not wait for its next look yet.
    loop {
        look(world);
        if tokio::time::timeout(Duration::from_millis(500), waiting(world, 1)).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn cancel_of_a_held_task_tells_its_handlers_and_refuses_what_they_return() {
    let template = template("stopped", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        world.stage.on("a", |step| async move {
            step.parts().cancel.cancelled().await;
            Ok(json!("too late"))
        });
        let holder = world.start(&template).await;
        let office = world.connect(&template).await;
        let task = holder.submit(Submission::to("test/stopped")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let asked = world.clock.now();
        pass(&office, task, &Command::Cancel).await;
        look(&world);
        let report = in_state(&office, task, TaskState::Cancelled).await;
        // A holder that was told may have followed it before the time moved.
        let meanwhile = report.finished_at.is_some_and(|at| asked <= at && at <= world.clock.now());
        assert!(meanwhile, "{}: {:?}", world.database, report.finished_at);
        let late = || async { (holder.stats().late == 1).then_some(()) };
        eventually("the handler's late result", late).await;
        assert_eq!(world.count("select count(*) from tasker.steps").await, 0, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn cancelled_handler_that_does_not_listen_is_dropped_after_its_grace() {
    let template = template("deaf", [step("a", &[])]);
    for world in worlds().await {
        let dropped = Arc::new(());
        let watched = Arc::downgrade(&dropped);
        let held = std::sync::Mutex::new(Some(dropped));
        world.stage.on("a", move |_| {
            let held = held.lock().unwrap().take();
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok(json!(null))
            }
        });
        let holder = world.start(&template).await;
        let task = holder.submit(Submission::to("test/deaf")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        holder.operate(task, &Command::Cancel).await.unwrap();
        in_state(&holder, task, TaskState::Cancelled).await;
        assert!(watched.upgrade().is_some(), "{}: it still has its grace", world.database);
        let gone = || async {
            world.clock.advance(Duration::from_secs(1));
            watched.upgrade().is_none().then_some(())
        };
        eventually("the handler to be dropped", gone).await;
    }
}

#[tokio::test]
async fn pause_of_a_held_task_lets_what_runs_come_to_an_end() {
    let template = template("breath", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let holder = world.start(&template).await;
        let office = world.connect(&template).await;
        let task = holder.submit(Submission::to("test/breath")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        pass(&office, task, &Command::Pause).await;
        seen(&world, &office, task).await;
        gate.add_permits(1);
        let report = in_state(&office, task, TaskState::Paused).await;
        assert_eq!(report.step("a").unwrap().state, StepState::Complete, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
        waiting(&world, 0).await;
        holder.operate(task, &Command::Resume).await.unwrap();
        assert_eq!(
            in_state(&office, task, TaskState::Complete).await.result,
            json!("b"),
            "{}",
            world.database
        );
        assert_eq!(world.stage.called(), ["a 1", "b 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn task_whose_last_step_ends_while_it_is_to_be_paused_is_over() {
    let template = template("end", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let holder = world.start(&template).await;
        let office = world.connect(&template).await;
        let task = holder.submit(Submission::to("test/end")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        pass(&office, task, &Command::Pause).await;
        seen(&world, &office, task).await;
        gate.add_permits(1);
        assert_eq!(settled(&office, task).await.state, TaskState::Complete, "{}", world.database);
        waiting(&world, 0).await;
    }
}

#[tokio::test]
async fn pause_that_waits_for_what_runs_is_taken_back_by_resume() {
    let template = template("regret", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        for known_to_the_holder in [false, true] {
            let gate = world.stage.gate("a");
            let holder = world.start(&template).await;
            let office = world.connect(&template).await;
            let task = holder.submit(Submission::to("test/regret")).await.unwrap();
            world.stage.wait_for("a", 1 + usize::from(known_to_the_holder)).await;
            assert_eq!(
                refusal(&office, task, Command::Resume).await,
                "the task is in_progress, not paused",
                "{}",
                world.database
            );
            pass(&office, task, &Command::Pause).await;
            if known_to_the_holder {
                seen(&world, &office, task).await;
            }
            pass(&office, task, &Command::Resume).await;
            look(&world);
            waiting(&world, 0).await;
            gate.add_permits(1);
            assert_eq!(settled(&holder, task).await.state, TaskState::Complete, "{}", world.database);
            let audit = "select action from tasker.audit where action <> 'retry' order by id desc limit 2";
            assert_eq!(world.column(audit).await, ["resume", "pause"], "{}", world.database);
            holder.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn pause_outlives_the_process_that_was_to_make_it() {
    let template = template("heir", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let process = world.process(&template).await;
        let task = process.submit(Submission::to("test/heir")).await;
        world.stage.wait_for("a", 1).await;
        let office = world.connect(&template).await;
        pass(&office, task, &Command::Pause).await;
        seen(&world, &office, task).await;
        process.kill();
        world.clock.advance(Duration::from_secs(16));
        // It looks for commands only when time goes on.
        let heir = world.builder(&[("worker.wake", "polling_only")]).template(template.clone());
        let heir = heir.start().await.unwrap();
        world.stage.wait_for("a", 2).await;
        seen(&world, &office, task).await;
        gate.add_permits(1);
        in_state(&office, task, TaskState::Paused).await;
        heir.operate(task, &Command::Resume).await.unwrap();
        in_state(&office, task, TaskState::Complete).await;
        assert_eq!(world.stage.called(), ["a 1", "a 1", "b 1"], "{}", world.database);
    }
}

/// A task that somebody holds because `busy` runs, while its step `bad` has failed.
async fn busy(world: &World, retries: RetryOptions) -> (Tasker, Tasker, Uuid, Arc<Semaphore>) {
    let steps = [retried(step("bad", &[]), retries), step("after", &["bad"]), step("busy", &[])];
    let template = template("busy", steps);
    let gate = world.stage.gate("busy");
    world.stage.on("bad", |step| async move {
        if step.attempt() > 1 { Ok(json!("mended")) } else { Err(StepError::retryable("DOWN", "no answer")) }
    });
    world.stage.on("after", |step| async move { Ok(json!(step.result::<Value>("bad").ok())) });
    let holder = world.start(&template).await;
    let office = world.connect(&template).await;
    let task = holder.submit(Submission::to("test/busy")).await.unwrap();
    (holder, office, task, gate)
}

fn only_once() -> RetryOptions {
    RetryOptions { max_attempts: Some(1), ..RetryOptions::default() }
}

#[tokio::test]
async fn failed_step_of_a_held_task_is_retried_while_others_run() {
    for world in worlds().await {
        let (_holder, office, task, gate) = busy(&world, only_once()).await;
        step_in_state(&office, task, "bad", StepState::Error).await;
        pass(&office, task, &retry(&[])).await;
        look(&world);
        step_in_state(&office, task, "after", StepState::Complete).await;
        gate.add_permits(1);
        let report = in_state(&office, task, TaskState::Complete).await;
        assert_eq!(report.result, json!({"after": "mended", "busy": "busy"}), "{}", world.database);
        assert_eq!(world.stage.times("busy").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn failed_step_of_a_held_task_is_resolved_while_others_run() {
    for world in worlds().await {
        let (_holder, office, task, gate) = busy(&world, only_once()).await;
        step_in_state(&office, task, "bad", StepState::Error).await;
        pass(&office, task, &resolve("bad", json!("by hand"))).await;
        look(&world);
        step_in_state(&office, task, "after", StepState::Complete).await;
        gate.add_permits(1);
        let report = in_state(&office, task, TaskState::Complete).await;
        assert_eq!(report.result, json!({"after": "by hand", "busy": "busy"}), "{}", world.database);
        assert_eq!(world.stage.times("bad").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn step_that_waits_for_a_retry_is_skipped_while_others_run() {
    let later = RetryOptions { base: Some(Duration::from_secs(600)), ..RetryOptions::default() };
    let later = RetryOptions { max: Some(Duration::from_secs(600)), ..later };
    for world in worlds().await {
        let (_holder, office, task, gate) = busy(&world, later.clone()).await;
        step_in_state(&office, task, "bad", StepState::WaitingForRetry).await;
        pass(&office, task, &skip("bad")).await;
        look(&world);
        step_in_state(&office, task, "after", StepState::Skipped).await;
        gate.add_permits(1);
        let report = in_state(&office, task, TaskState::Complete).await;
        assert_eq!(report.result, json!({"after": null, "busy": "busy"}), "{}", world.database);
        world.clock.advance(Duration::from_secs(700));
        let other: Value = office.show(task).await.unwrap().unwrap().result;
        assert_eq!(other, report.result, "{}", world.database);
        assert_eq!(world.stage.times("bad").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn step_that_waits_for_a_retry_is_due_at_once_while_others_run() {
    let later = RetryOptions { base: Some(Duration::from_secs(600)), ..RetryOptions::default() };
    let later = RetryOptions { max: Some(Duration::from_secs(600)), ..later };
    for world in worlds().await {
        let (_holder, office, task, gate) = busy(&world, later.clone()).await;
        step_in_state(&office, task, "bad", StepState::WaitingForRetry).await;
        world.stage.on("bad", |step| async move { Ok(json!(step.attempt())) });
        let answer = answered(&world, &office, task, &retry(&["bad"])).await.unwrap();
        assert_eq!(answer, CommandOutcome::Followed, "{}", world.database);
        step_in_state(&office, task, "after", StepState::Complete).await;
        gate.add_permits(1);
        let report = in_state(&office, task, TaskState::Complete).await;
        assert_eq!(report.step("bad").unwrap().result, json!(2), "{}", world.database);
    }
}

#[tokio::test]
async fn who_asks_hears_that_the_holder_followed() {
    for world in worlds().await {
        let (_holder, office, task, gate) = busy(&world, only_once()).await;
        step_in_state(&office, task, "bad", StepState::Error).await;
        let answer = answered(&world, &office, task, &resolve("bad", json!(1))).await.unwrap();
        assert_eq!(answer, CommandOutcome::Followed, "{}", world.database);
        let report = office.show(task).await.unwrap().unwrap();
        assert_eq!(report.step("bad").unwrap().state, StepState::ResolvedManually, "{}", world.database);
        gate.add_permits(1);
    }
}

#[tokio::test]
async fn who_asks_hears_why_the_holder_refused_and_the_audit_says_so() {
    for world in worlds().await {
        let (_holder, office, task, gate) = busy(&world, only_once()).await;
        world.stage.wait_for("busy", 1).await;
        let mut reasons = Vec::new();
        for (command, verb) in [
            (retry(&["busy"]), "retried"),
            (resolve("busy", json!(1)), "resolved"),
            (skip("busy"), "skipped"),
        ] {
            let refused = answered(&world, &office, task, &command).await.unwrap_err();
            assert!(
                matches!(refused, OperateError::RefusedByHolder { .. }),
                "{}: {refused:?}",
                world.database
            );
            reasons.push(refused.to_string());
            let waits = if verb == "retried" { "waits for a retry" } else { "waits" };
            let reason =
                format!("step `busy` is in_progress: only a step that failed or {waits} can be {verb}");
            assert_eq!(refused.to_string(), reason, "{}", world.database);
        }
        let audit = world.column("select refused from tasker.audit order by id").await;
        assert_eq!(audit, reasons, "{}", world.database);
        waiting(&world, 0).await;
        gate.add_permits(1);
    }
}

#[tokio::test]
async fn command_whose_task_ended_before_its_holder_looked_is_refused() {
    let template = template("gone", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        // It looks only when time goes on.
        let holder = world.builder(&[("worker.wake", "polling_only")]).template(template.clone());
        let holder = holder.start().await.unwrap();
        let office = world.connect(&template).await;
        let task = holder.submit(Submission::to("test/gone")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let answer = office.operate_within(task, &skip("a"), Duration::ZERO).await.unwrap();
        assert_eq!(answer, CommandOutcome::Pending, "{}", world.database);
        gate.add_permits(1);
        settled(&office, task).await;
        look(&world);
        waiting(&world, 0).await;
        let audit = world.column("select refused from tasker.audit").await;
        assert_eq!(audit, ["the task is complete: nothing can change it any more"], "{}", world.database);
    }
}

#[tokio::test]
async fn unknown_step_of_a_held_task_is_refused_at_once() {
    for world in worlds().await {
        let (_holder, office, task, gate) = busy(&world, only_once()).await;
        world.stage.wait_for("busy", 1).await;
        let reason = refusal(&office, task, skip("bussy")).await;
        assert_eq!(reason, "the task has no step `bussy`; did you mean `busy`?", "{}", world.database);
        gate.add_permits(1);
    }
}

#[tokio::test]
async fn operator_in_the_process_that_holds_the_task_need_not_wait() {
    for world in worlds().await {
        let (holder, _office, task, gate) = busy(&world, only_once()).await;
        step_in_state(&holder, task, "bad", StepState::Error).await;
        holder.operate(task, &resolve("bad", json!(1))).await.unwrap();
        step_in_state(&holder, task, "after", StepState::Complete).await;
        gate.add_permits(1);
        assert_eq!(settled(&holder, task).await.state, TaskState::Complete, "{}", world.database);
    }
}
