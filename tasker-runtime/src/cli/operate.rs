//! What operators do to tasks.

use clap::Args;
use uuid::Uuid;

use super::{
    Context, Done, Failure, bulk::Many, input, inspect, output, printable::printable, program, task_id,
};
use crate::{
    api::{CommandOutcome, OperateError, Tasker},
    model::{Command, StepState, TaskState},
    template::StepKind,
};

/// Give failed steps a new round of attempts, and end the wait of those that wait for their next one.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Option<Uuid>,
    /// The steps [default: all that failed for good or wait for their next attempt]
    steps: Vec<String>,
    #[command(flatten)]
    many: Many,
    /// Of many tasks, the step, or one of several
    #[arg(long = "step", value_name = "STEP", conflicts_with = "task")]
    of_many: Vec<String>,
}

/// Give a step that failed or waits its result by hand.
#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Uuid,
    /// The step
    step: String,
    /// The result: JSON, @file, or - for standard input
    #[arg(short, long, value_name = "JSON", default_value = "null")]
    result: String,
}

/// Continue without a step that failed or waits, and without those that need its result; a timer is over at once.
#[derive(Debug, Args)]
pub(crate) struct Skip {
    /// The id of the task
    #[arg(value_parser = task_id, requires = "step")]
    task: Option<Uuid>,
    /// The step
    step: Option<String>,
    #[command(flatten)]
    many: Many,
    /// Of many tasks, the step [default: that of --waiting-for]
    #[arg(long = "step", value_name = "STEP", conflicts_with = "task")]
    of_many: Option<String>,
}

/// A command that takes tasks and nothing else.
#[derive(Debug, Args)]
pub(crate) struct Whole {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Option<Uuid>,
    #[command(flatten)]
    many: Many,
}

impl Retry {
    pub(crate) async fn run(self, context: Context) -> Done {
        let meant = self.many.or(self.task, "retry")?;
        let steps = [self.steps, self.of_many].concat();
        meant.operate(context, Command::Retry { steps }).await
    }
}

impl Resolve {
    pub(crate) async fn run(self, context: Context) -> Done {
        let result = input::read(&self.result, "--result", "resolve")?;
        operate(context, self.task, Command::Resolve { step: self.step, result }).await
    }
}

impl Skip {
    pub(crate) async fn run(self, context: Context) -> Done {
        let waited_for = self.many.waited_for().map(str::to_owned);
        let meant = self.many.or(self.task, "skip")?;
        let step = self.step.or(self.of_many).or(waited_for);
        let missing =
            || Failure::usage("name the step that is left out, with --step").try_this("skip --help");
        meant.operate(context, Command::Skip { step: step.ok_or_else(missing)? }).await
    }
}

impl Whole {
    pub(crate) async fn cancel(self, context: Context) -> Done {
        self.many.or(self.task, "cancel")?.operate(context, Command::Cancel).await
    }

    pub(crate) async fn give_up(self, context: Context) -> Done {
        self.many.or(self.task, "give-up")?.operate(context, Command::GiveUp).await
    }

    pub(crate) async fn pause(self, context: Context) -> Done {
        self.many.or(self.task, "pause")?.operate(context, Command::Pause).await
    }
}

/// What becomes of the others when `step` is left out.
fn leaves_out(step: &str, others: &[String]) -> String {
    let name = |name: &str| format!("`{}`", printable(name));
    match others {
        [] => format!("{} is left out; no other step is", name(step)),
        others => {
            let others: Vec<String> = others.iter().map(|other| name(other)).collect();
            format!("without {}, these are left out as well: {}", name(step), others.join(", "))
        }
    }
}

/// Whether a step of the task is a timer.
async fn is_timer(tasker: &Tasker, task: Uuid, step: &str) -> Result<bool, Failure> {
    let Some((_, template)) = tasker.show_with_template(task).await? else { return Ok(false) };
    let found = template.number_of(step).and_then(|number| template.step(number));
    Ok(found.is_some_and(|step| step.kind == StepKind::Timer))
}

pub(super) async fn operate(context: Context, task: Uuid, command: Command) -> Done {
    let form = context.global.output;
    let tasker = context.visiting()?.without_templates().connect().await?;
    let failed = |error| match error {
        OperateError::Store(error) => error.into(),
        OperateError::UnknownTask(task) => inspect::unknown_task(task),
        error => Failure::run(error).try_this(format!("show {task}")),
    };
    let left_out = match &command {
        Command::Skip { step } if is_timer(&tasker, task, step).await? => {
            output::say!("skip: `{}` waits no longer", printable(step));
            Vec::new()
        }
        Command::Skip { step } => {
            let left_out = tasker.would_leave_out(task, &command).await.map_err(failed)?;
            output::say!("skip: {}", leaves_out(step, &left_out));
            left_out
        }
        _ => Vec::new(),
    };
    let outcome = tasker.operate(task, &command).await.map_err(failed)?;
    let report = tasker.show(task).await?.ok_or_else(|| inspect::unknown_task(task))?;
    tasker.stop().await?;
    let (verb, state) = (command.verb().replace('_', "-"), output::task_state(report.state));
    if outcome == CommandOutcome::Followed && !left_out.is_empty() {
        let skipped = |name: &&String| report.step(name).is_some_and(|step| step.state == StepState::Skipped);
        let skipped: Vec<String> =
            left_out.iter().filter(skipped).map(|name| printable(name).into()).collect();
        output::say!("skip: left out as well: {}", skipped.join(", "));
    }
    match (outcome, report.state) {
        (CommandOutcome::Pending, _) => {
            output::say!(
                "{verb}: requested: {task} is {state} until the process that runs it follows the request"
            );
        }
        (CommandOutcome::Followed, TaskState::Pending | TaskState::Compensating)
            if form == super::Form::Table =>
        {
            let (serve, resume) = (program::command("serve"), program::command(&format!("resume {task}")));
            output::say!("{verb}: {task} is {state}, until `{serve}` or `{resume}`");
        }
        _ if form == super::Form::Table => output::say!("{verb}: {task} is {state}"),
        _ => {}
    }
    if form == super::Form::Table { Ok(()) } else { output::json(&report, form) }
}
