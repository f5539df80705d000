//! Shows a task until it comes to rest, and says how it ended.

use std::time::Duration;

use uuid::Uuid;

use super::{Done, Failure, Form, live::Live, output, printable::printable, program, signals::Signals};
use crate::{
    api::{TaskReport, Tasker, WaitError, Watch},
    model::{StepState, TaskState},
    store,
};

/// How often the report is looked at while this process hears nothing of the task: another one may have it.
const LOOK: Duration = Duration::from_millis(500);

/// What ends the watching before the task does.
pub(super) struct Until<'a> {
    pub signals: &'a mut Signals,
    /// In seconds.
    pub timeout: Option<u64>,
    /// The command that goes on where this one stopped.
    pub come_back: &'static str,
}

/// Shows the task until it comes to rest.
pub(super) async fn follow(
    tasker: &Tasker,
    mut watch: Watch,
    mut live: Live,
    until: Until<'_>,
) -> Result<TaskReport, Failure> {
    let task = watch.task();
    let come_back = program::command(&format!("{} {task}", until.come_back));
    let mut rest = std::pin::pin!(rested(tasker, task));
    let mut looked = std::pin::pin!(look(tasker, task));
    let mut limit = std::pin::pin!(async {
        match until.timeout {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    });
    // No branch waits for the database by itself: a signal counts also while that does not answer.
    loop {
        tokio::select! {
            biased;
            () = until.signals.stop() => {
                let message = format!("interrupted; task {task} stays and can be taken up again");
                return Err(Failure::interrupted(message).try_all_this(come_back));
            }
            // What runs the task here cannot go on.
            () = tasker.broken() => {
                let message = format!("a part of this worker failed, as the log says; task {task} stays");
                return Err(Failure::run(message).try_this(come_back));
            }
            Some(update) = watch.next() => {
                live.show(&update);
                looked.set(look(tasker, task));
            }
            report = &mut looked, if !live.is_silent() => {
                // A database that is away for a moment is waited for below.
                if let Ok(Some(report)) = report {
                    live.look(&report);
                }
                looked.set(look(tasker, task));
            }
            report = &mut rest => {
                while let Some(update) = watch.pending() {
                    live.show(&update);
                }
                let report = report.map_err(|error| match error {
                    WaitError::Store(error) => error.into(),
                    error => Failure::not_found(error),
                })?;
                live.finish(&report);
                return Ok(report);
            }
            () = &mut limit => {
                let seconds = until.timeout.unwrap_or_default();
                let message = format!("task {task} has not finished after {seconds} s; it stays");
                return Err(Failure { code: 5, message, hint: Some(come_back) });
            }
        }
    }
}

/// The task once it is over or cannot go on by itself.
async fn rested(tasker: &Tasker, task: Uuid) -> Result<TaskReport, WaitError> {
    tasker.wait(task).await?;
    tasker.show(task).await?.ok_or(WaitError::UnknownTask(task))
}

/// The report, a moment from now.
async fn look(tasker: &Tasker, task: Uuid) -> store::Result<Option<TaskReport>> {
    tokio::time::sleep(LOOK).await;
    tasker.show(task).await
}

/// Prints the result and decides the exit code.
pub(super) fn conclude(report: &TaskReport, form: Form) -> Done {
    match (form, report.state) {
        (Form::Json | Form::Jsonl, _) => output::json(report, form)?,
        (Form::Table, TaskState::Complete) => output::json(&report.shown_result(), form)?,
        _ => {}
    }
    if report.state == TaskState::Complete {
        return Ok(());
    }
    let failed = report.all().filter(|step| step.state == StepState::Error);
    let lines: Vec<String> = failed
        .map(|step| {
            let name = printable(&step.name);
            match (&step.error, step.batches) {
                (Some(error), _) if step.max_attempts == 0 => {
                    format!("step `{name}` failed for good: {}", printable(&error.to_string()))
                }
                (Some(error), _) => format!(
                    "step `{name}` failed for good after {} of {} attempts: {}",
                    step.attempts,
                    step.max_attempts,
                    printable(&error.to_string())
                ),
                (None, Some(batches)) => format!("step `{name}` failed for good: {batches}"),
                (None, None) => format!("step `{name}` failed for good"),
            }
        })
        .collect();
    let why = if lines.is_empty() {
        let cause = report.cause.as_ref().map(|cause| format!(": {}", printable(cause))).unwrap_or_default();
        format!("task {} is {}{cause}", report.task_id, report.state)
    } else {
        lines.join("\n       ")
    };
    Err(Failure::run(why).try_all_this(next(report)))
}

/// What to try where a task did not complete.
fn next(report: &TaskReport) -> String {
    let task = report.task_id;
    let command = |name: &str| program::command(&format!("{name} {task}"));
    if report.state == TaskState::Paused {
        return command("resume");
    }
    if report.state != TaskState::BlockedByFailures {
        return command("show");
    }
    let failed = || report.all().filter_map(|step| Some((step, step.error.as_ref()?)));
    if failed().any(|(_, error)| error.is_retryable()) {
        return format!("{}, then {}", command("show"), command("retry"));
    }
    // What is wrong with the input is wrong with it each time.
    if report.failed_by_context() {
        let submit = program::command(&format!("run {}/{} --input …", report.namespace, report.template));
        return format!("{submit} with another input, and {}", command("give-up"));
    }
    let step = failed().next().map_or("STEP", |(step, _)| &step.name);
    let step = program::in_shell(&printable(step));
    format!("{}, then {} {step} --result …, or {}", command("show"), command("resolve"), command("give-up"))
}
