//! What operators do to many tasks at once.

use std::io::{IsTerminal, stdin};

use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::{
    Context, Done, Failure, Form, filters::Filters, operate::operate, output, printable::printable, program,
};
use crate::{
    api::{BulkOutcome, Tasker},
    model::Command,
};

/// Which tasks are meant where none is named.
#[derive(Debug, Args)]
#[command(next_help_heading = "Many tasks, instead of one by its id")]
pub(crate) struct Many {
    #[command(flatten)]
    filters: Filters,
    /// Say how many tasks are meant, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// The tasks that a command means.
#[derive(Debug)]
pub(crate) enum Meant {
    One(Uuid),
    Many(Many),
}

impl Many {
    /// The task that is named or, where filters are given instead, the tasks that these let through.
    pub(crate) fn or(self, task: Option<Uuid>, command: &str) -> Result<Meant, Failure> {
        let wrong = |message: &str| Err(Failure::usage(message).try_this(format!("{command} --help")));
        match (task, self.filters.is_empty()) {
            (Some(_), false) => wrong("name a task, or say which ones are meant, not both"),
            (None, true) => wrong("name a task, or say which ones are meant, as with --template or --error"),
            (Some(_), true) if self.dry_run || self.yes => wrong("--dry-run and --yes are for many tasks"),
            (Some(task), true) => Ok(Meant::One(task)),
            (None, false) => Ok(Meant::Many(self)),
        }
    }

    /// The step that is waited for, if that is what is asked.
    pub(crate) fn waited_for(&self) -> Option<&str> {
        self.filters.waiting_for()
    }
}

impl Meant {
    /// Gives the command to the task, or to all of them.
    pub(crate) async fn operate(self, context: Context, command: Command) -> Done {
        match self {
            Self::One(task) => operate(context, task, command).await,
            Self::Many(many) => many.operate(context, command).await,
        }
    }
}

/// How many tasks would be given the command.
#[derive(Serialize)]
struct Counted {
    tasks: usize,
    dry_run: bool,
}

impl Many {
    async fn operate(self, context: Context, command: Command) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let tasks = tasker.matching(&self.filters.open_unless_asked()).await?;
        let verb = command.verb().replace('_', "-");
        let plan = format!("{verb}: {}{}", many(tasks.len()), of_step(&command));
        if self.dry_run {
            return match form {
                Form::Table => output::print(&format!("{plan}; nothing was done")),
                form => output::json(&Counted { tasks: tasks.len(), dry_run: true }, form),
            };
        }
        output::say!("{plan}");
        if !tasks.is_empty() && !self.yes && !agreed(&verb).await? {
            return Err(Failure::run("nothing was done"));
        }
        let outcome = give(&tasker, &tasks, &command).await?;
        tasker.stop().await?;
        tell(&outcome, &verb);
        if form != Form::Table {
            output::json(&outcome, form)?;
        }
        if outcome.refused.is_empty() { Ok(()) } else { Err(Failure::quiet(1)) }
    }
}

async fn give(tasker: &Tasker, tasks: &[Uuid], command: &Command) -> Result<BulkOutcome, Failure> {
    tasker.operate_each(tasks, command).await.map_err(|error| {
        let failure = Failure::from(error);
        let message = format!(
            "{}; some tasks may have followed, and the same command goes on with the others",
            failure.message
        );
        Failure { message, ..failure }
    })
}

/// Whether somebody who sits at a terminal says yes.
async fn agreed(verb: &str) -> Result<bool, Failure> {
    if !stdin().is_terminal() {
        let message = format!(
            "{verb} asks before it changes many tasks, and there is nobody to ask: add --yes, or --dry-run"
        );
        return Err(Failure::usage(message).try_this(format!("{verb} --help")));
    }
    output::say!("go on? [y/N]");
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await.map_err(Failure::run)?.map_err(Failure::run)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// So many refusals are told one by one.
const MAX_TOLD: usize = 20;

fn tell(outcome: &BulkOutcome, verb: &str) {
    for refusal in outcome.refused.iter().take(MAX_TOLD) {
        output::say!("{} {}: {}", output::red("refused:"), refusal.task_id, printable(&refusal.reason));
    }
    if let Some(more @ 1..) = outcome.refused.len().checked_sub(MAX_TOLD) {
        output::say!("{}", output::dim(&format!("{more} more were refused; `-o json` shows them all")));
    }
    let mut parts = vec![format!("{} followed", outcome.followed)];
    if outcome.pending > 0 {
        parts.push(format!("{} requested of the processes that run them", outcome.pending));
    }
    if !outcome.refused.is_empty() {
        parts.push(format!("{} refused", outcome.refused.len()));
    }
    output::say!("{verb}: of {} {}", many(outcome.tasks as usize), parts.join(", "));
    if outcome.followed > 0 && matches!(verb, "retry" | "skip" | "resume") {
        output::say!("{} {}", output::dim("they run where tasks are run:"), program::command("serve"));
    }
}

fn many(tasks: usize) -> String {
    format!("{tasks} task{}", if tasks == 1 { "" } else { "s" })
}

fn of_step(command: &Command) -> String {
    match command {
        Command::Skip { step } => {
            format!(", each without `{}` and what needs its result; a timer is over", printable(step))
        }
        Command::Retry { steps } if !steps.is_empty() => {
            let steps: Vec<String> = steps.iter().map(|step| format!("`{}`", printable(step))).collect();
            format!(", of each {}", steps.join(", "))
        }
        _ => String::new(),
    }
}
