//! Sends signals to tasks.

use clap::Args;
use uuid::Uuid;

use super::{Context, Done, Failure, Form, input, inspect, output, printable::printable, task_id};
use crate::api::{Message, SignalError};

/// Send a signal to a task, for a step that waits for it or will.
#[derive(Debug, Args)]
pub(crate) struct Signal {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Uuid,
    /// The name of the signal
    name: String,
    /// What it says, the result of the step: JSON, @file, or - for standard input
    #[arg(short, long, value_name = "JSON", default_value = "null")]
    payload: String,
    /// Send it once, however often this is called with the same key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl Signal {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let task = self.task;
        let payload = input::read(&self.payload, "--payload", "signal")?;
        let message = Message::named(&*self.name).payload(&payload).map_err(Failure::usage)?;
        let message = self.key.into_iter().fold(message, Message::idempotency_key);
        let tasker = context.visiting()?.without_templates().connect().await?;
        let receipt = tasker.send(task, &message).await.map_err(|error| match error {
            SignalError::Store(error) => error.into(),
            SignalError::UnknownTask(task) => inspect::unknown_task(task),
            error => Failure::run(error).try_this(format!("show {task}")),
        })?;
        tasker.stop().await?;
        if form != Form::Table {
            return output::json(&receipt, form);
        }
        output::say!(
            "signal: `{}` was sent to {task}, as its signal {}",
            printable(&self.name),
            receipt.number
        );
        Ok(())
    }
}
