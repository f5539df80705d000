//! Starts tasks again, from their beginning or from one of their steps.

use clap::Args;
use uuid::Uuid;

use super::{Context, Done, Failure, Form, input, inspect, output, program, task_id};
use crate::api::{Fork, ForkError, Tasker};

/// Submit a task anew, with the same template, input, queue and priority, and print the id of the new one.
///
/// The old task stays as it is, in whatever state it is. The new one has the template in the version and with the
/// content that the old one began with.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Uuid,
}

/// Submit a task anew that goes on from one step of an old one, and print the id of the new one.
///
/// The results of everything that is not below the step are kept; the step and everything below it run again. What was
/// decided above it stays decided, batches above it stay as they were cut, and signals and timers above it have come.
/// The old task stays as it is.
#[derive(Debug, Args)]
pub(crate) struct Forking {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Uuid,
    /// The step from which on the new task runs
    #[arg(long, value_name = "STEP")]
    from: String,
    /// Another input: JSON, @file, or - for standard input. Results that are kept were computed from the old one
    #[arg(short, long, value_name = "JSON")]
    input: Option<String>,
}

impl Replay {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let added = tasker.replay(self.task).await.map_err(|error| refused(error, self.task))?;
        tell(tasker, added, form).await
    }
}

impl Forking {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let fork = Fork::from_step(&*self.from);
        let fork = match &self.input {
            Some(input) => fork.json(input::read(input, "--input", "fork")?),
            None => fork,
        };
        let tasker = context.visiting()?.without_templates().connect().await?;
        let added = tasker.fork(self.task, fork).await.map_err(|error| refused(error, self.task))?;
        tell(tasker, added, form).await
    }
}

fn refused(error: ForkError, task: Uuid) -> Failure {
    match error {
        ForkError::Store(error) => error.into(),
        ForkError::UnknownTask(task) => inspect::unknown_task(task),
        error @ ForkError::Context { .. } => Failure::usage(error).try_this(format!("show {task}")),
        error => Failure::run(format!("{}: {error}", error.code())).try_this(format!("show {task}")),
    }
}

/// Prints what was added.
async fn tell(tasker: Tasker, added: Uuid, form: Form) -> Done {
    let report = tasker.show(added).await?;
    tasker.stop().await?;
    match form {
        Form::Table => {
            output::print(&added.to_string())?;
            let (serve, resume) = (program::command("serve"), program::command(&format!("resume {added}")));
            output::say!("{}", output::dim(&format!("it runs with `{serve}` or `{resume}`")));
            Ok(())
        }
        form => {
            let origin = report.and_then(|report| report.origin);
            output::json(&serde_json::json!({ "task_id": added, "origin": origin }), form)
        }
    }
}
