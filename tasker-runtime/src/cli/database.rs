//! What is done to the database as a whole.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Context, Done, Failure, Form, inspect, output, times::age};
use crate::{api::Prune, model::TaskState};

/// Look after the database.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Delete tasks that are over, with everything that belongs to them
    Prune(Pruning),
}

/// Delete tasks that are over, with everything that belongs to them: steps, attempts, audit trails and, last, their
/// idempotency keys. Tasks that are not over stay, however old they are.
#[derive(Debug, Args)]
pub(crate) struct Pruning {
    /// Only tasks that ended longer ago: 30d, 12h, 90m
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Duration,
    /// Only tasks that ended in this state
    #[arg(long, value_parser = inspect::state)]
    state: Option<TaskState>,
    /// Say how many tasks that are, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Deleted {
    tasks: u64,
    /// Unknown until the tasks are gone.
    idempotency_keys: Option<u64>,
    dry_run: bool,
}

impl Command {
    pub(crate) async fn run(self, context: Context) -> Done {
        let Self::Prune(command) = self;
        command.run(context).await
    }
}

impl Pruning {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let prune = Prune::older_than(self.older_than);
        let prune = self.state.map_or(Ok(prune), |state| prune.state(state)).map_err(Failure::usage)?;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let deleted = if self.dry_run {
            let tasks = tasker.would_prune(prune).await?;
            Deleted { tasks, idempotency_keys: None, dry_run: true }
        } else {
            let pruned = tasker.prune(prune).await?;
            let idempotency_keys = Some(pruned.idempotency_keys);
            Deleted { tasks: pruned.tasks, idempotency_keys, dry_run: false }
        };
        match form {
            Form::Table => output::print(&deleted.sentence()),
            _ => output::json(&deleted, form),
        }
    }
}

impl Deleted {
    fn sentence(&self) -> String {
        let many = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let tasks = many(self.tasks, "task");
        match self.idempotency_keys {
            None => format!("{tasks} would be deleted"),
            Some(0) => format!("{tasks} deleted"),
            Some(keys) => format!("{tasks} and {} deleted", many(keys, "idempotency key")),
        }
    }
}
