//! Lists tasks and shows one.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{
    Context, Done, Failure, Form, filters::Filters, fit::cut, output, printable::printable, task_id,
};
use crate::{
    api::{ChildReport, Cursor, StepReport, TaskFilter, TaskReport},
    model::{StepState, TaskState, Timestamp},
};

/// List tasks, newest first.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    filters: Filters,
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on where an earlier list ended, which said so
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
}

/// Show a task with all its steps.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Uuid,
}

pub(crate) fn state(name: &str) -> Result<TaskState, String> {
    TaskState::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = TaskState::ALL.iter().map(|state| state.as_str()).collect();
        format!("the states are {}", names.join(", "))
    })
}

pub(crate) fn unknown_task(task: Uuid) -> Failure {
    Failure::not_found(format!("there is no task {task}")).try_this("list")
}

impl List {
    fn filter(&self) -> TaskFilter {
        let filter = self.filters.filter().limit(self.limit as usize);
        self.after.into_iter().fold(filter, TaskFilter::after)
    }

    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let page = tasker.list(&self.filter()).await?;
        if let Some(next) = page.next {
            let why = if page.incomplete {
                "incomplete: there are older tasks to look at"
            } else {
                "there may be more"
            };
            output::say!("{}", output::dim(&format!("{why}: --after {next}")));
        }
        output::list(&page.tasks, form, &["task", "template", "state", "created", "took", "note"], |task| {
            vec![
                task.task_id.to_string(),
                format!("{}/{}", task.namespace, task.template),
                task.state.to_string(),
                seconds(task.created_at),
                task.finished_at.map(|at| output::duration(at.since(task.created_at))).unwrap_or_default(),
                task.cause.clone().unwrap_or_default(),
            ]
        })
    }
}

impl Show {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let report = tasker.show(self.task).await?.ok_or_else(|| unknown_task(self.task))?;
        if form != Form::Table {
            return output::json(&report, form);
        }
        head(&report)?;
        let (steps, left_out) = readable(&report);
        output::list(&steps, form, &["step", "state", "attempts", "took", "result or error"], |step| {
            // A worker itself is never tried: its batches are.
            let attempts = match step.batches {
                Some(_) => String::new(),
                None if step.max_attempts == 0 => String::new(),
                None => format!("{}/{}", step.attempts, step.max_attempts),
            };
            vec![step.name.clone(), step.state.to_string(), attempts, took(step), what(step)]
        })?;
        if left_out > 0 {
            output::say!("{}", output::dim(&format!("{left_out} more batches; `-o json` shows them all")));
        }
        Ok(())
    }
}

/// So many batches of one worker are shown; of more, those that are not complete come first.
const MOST_BATCHES: usize = 20;

/// The steps and the compensations that people want to see, and how many batches are left out.
fn readable(report: &TaskReport) -> (Vec<&StepReport>, usize) {
    let (mut shown, mut left_out, mut of_worker) = (Vec::new(), 0, 0);
    let mut many = false;
    for step in report.all() {
        if step.batch_of.is_none() {
            (many, of_worker) =
                (step.batches.is_some_and(|batches| batches.total as usize > MOST_BATCHES), 0);
            shown.push(step);
        } else if of_worker < MOST_BATCHES && !(many && step.state == StepState::Complete) {
            of_worker += 1;
            shown.push(step);
        } else {
            left_out += 1;
        }
    }
    (shown, left_out)
}

fn head(report: &TaskReport) -> Done {
    let mut lines = vec![
        format!("task      {}", report.task_id),
        printable(&format!("template  {}/{} {}", report.namespace, report.template, report.version))
            .into_owned(),
        format!("state     {}", report.state),
        format!("created   {}", report.created_at),
    ];
    lines.extend(report.origin.as_ref().map(|origin| {
        let from = origin.from.as_ref().map(|step| format!(" from `{}`", printable(step)));
        format!("origin    {} of {}{}", origin.kind.as_str(), origin.task, from.unwrap_or_default())
    }));
    let parent = report.parent.as_ref();
    lines.extend(
        parent.map(|parent| format!("parent    {}, step `{}`", parent.task_id, printable(&parent.step))),
    );
    lines.extend(
        report
            .finished_at
            .map(|at| format!("finished  {at}, {} after", output::duration(at.since(report.created_at)))),
    );
    lines.push(format!("queue     {}, priority {}", printable(&report.queue), report.priority));
    lines.extend(report.next_at.map(|at| format!("due       {at}")));
    lines.extend(report.waits_for.as_ref().map(|what| format!("waits for {}", printable(what))));
    lines.extend(report.cause.as_ref().map(|cause| format!("cause     {}", printable(cause))));
    lines.push(format!("input     {}", printable(&report.context.to_string())));
    lines.extend(report.mailbox.iter().map(|signal| {
        let payload = signal.payload.to_string();
        let (name, payload) = (printable(&signal.name), printable(&payload));
        format!("signal    {name}, sent {}, not used yet: {}", signal.sent_at, cut(&payload, 100))
    }));
    lines.extend(children(report));
    if !report.result.is_null() {
        lines.push(format!("result    {}", printable(&report.result.to_string())));
    }
    lines.push(String::new());
    output::print(&lines.join("\n"))
}

/// So many of the tasks that one started are shown.
const MOST_CHILDREN: usize = 10;

/// The tasks that it started, those first that need a look.
fn children(report: &TaskReport) -> Vec<String> {
    let mut children: Vec<&ChildReport> = report.children.iter().collect();
    children.sort_by_key(|child| child.state == TaskState::Complete);
    let mut lines: Vec<String> = children
        .iter()
        .take(MOST_CHILDREN)
        .map(|child| format!("child     {} of `{}`: {}", child.task_id, printable(&child.step), child.state))
        .collect();
    if children.len() > MOST_CHILDREN {
        lines.push(format!("          and {} more", children.len() - MOST_CHILDREN));
    }
    lines
}

fn took(step: &StepReport) -> String {
    match (step.started_at, step.finished_at) {
        (Some(start), Some(end)) => output::duration(end.since(start)),
        _ => String::new(),
    }
}

fn what(step: &StepReport) -> String {
    if let Some(waits_for) = step.waits_for.as_ref().filter(|_| step.error.is_none()) {
        return format!("waits for {}", printable(waits_for));
    }
    if let Some(error) = &step.error {
        let next = step.retry_at.map(|at| format!(" (next attempt {})", seconds(at))).unwrap_or_default();
        return format!("{}: {}{next}", error.code(), error.message());
    }
    if let Some(batches) = step.batches {
        return batches.to_string();
    }
    if let (StepState::InProgress, Some(start)) = (step.state, step.started_at) {
        return format!("since {}", seconds(start));
    }
    let text = if step.result.is_null() { String::new() } else { step.result.to_string() };
    cut(&printable(&text), 100)
}

/// A time without fractions of seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text,
    }
}

/// List the processes that run tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum Workers {
    /// List the processes that run tasks
    List,
}

impl Workers {
    pub(crate) async fn run(self, context: Context) -> Done {
        let Self::List = self;
        let form = context.global.output;
        let workers = context.visiting()?.without_templates().connect().await?.workers().await?;
        output::list(&workers, form, &["worker", "name", "started", "seen", "handlers", "queues"], |worker| {
            vec![
                worker.worker.to_string(),
                worker.name.clone(),
                seconds(worker.started_at),
                seconds(worker.seen_at),
                worker.handlers.len().to_string(),
                worker.queues.as_ref().map_or_else(|| "all".to_owned(), |queues| queues.join(", ")),
            ]
        })
    }
}

/// Inspect tasks that were set aside.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List the tasks that were set aside, newest first; `retry` runs one again
    List,
}

impl DeadLetters {
    pub(crate) async fn run(self, context: Context) -> Done {
        let Self::List = self;
        let form = context.global.output;
        let letters = context.visiting()?.without_templates().connect().await?.dead_letters(1000).await?;
        output::list(&letters, form, &["task", "template", "since", "reason"], |letter| {
            vec![
                letter.task_id.to_string(),
                format!("{}/{}", letter.namespace, letter.template),
                seconds(letter.since),
                letter.reason.clone(),
            ]
        })
    }
}
