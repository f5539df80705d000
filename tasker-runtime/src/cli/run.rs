//! Submits a task and runs it here, or takes up one that was interrupted.

use std::{io::Read, path::Path, sync::Arc, time::Duration};

use clap::Args;
use uuid::Uuid;

use super::{Context, Done, Failure, Form, inspect, live::Live, output, task_id};
use crate::{
    api::{OperateError, Submission, SubmitError, TaskReport, Tasker, UnknownTemplate, WaitError, Watch},
    model::{Command, CommandError, Json, StepState, TaskState},
    template::Template,
};

/// What a task is made from.
#[derive(Debug, Args)]
struct Order {
    /// The template, as namespace/name
    template: String,
    /// The context: JSON, @file, or - for standard input
    #[arg(short, long, value_name = "JSON", default_value = "{}")]
    input: String,
    /// The same key and input again give the task that is there already
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Higher goes first among the tasks of a queue
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i16,
    /// Not before this many seconds have passed
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    delay: u64,
}

impl Order {
    fn submission(&self) -> Result<Submission, Failure> {
        let submission = Submission::to(&self.template)
            .json(read_input(&self.input, "--input", "run")?)
            .priority(self.priority)
            .delay(Duration::from_secs(self.delay));
        Ok(match &self.idempotency_key {
            Some(key) => submission.idempotency_key(key),
            None => submission,
        })
    }
}

/// Submit a task for others to run, and print its id.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    order: Order,
}

impl Submit {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let submission = self.order.submission()?;
        let tasker = context.builder().only(&self.order.template).connect().await?;
        tell_left_out(&tasker);
        let template =
            tasker.catalog().find(&self.order.template).map_err(|error| refused(error.into(), None))?.clone();
        let task = tasker.submit(submission).await.map_err(|error| refused(error, Some(&template)))?;
        tasker.stop().await?;
        match form {
            Form::Table => output::print(&task.to_string()),
            form => output::json(&serde_json::json!({ "task_id": task }), form),
        }
    }
}

/// Watch a task that others run until it is over.
#[derive(Debug, Args)]
pub(crate) struct Watching {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Uuid,
    /// Give up watching after this many seconds; the task goes on
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl Watching {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.builder().without_templates().connect().await?;
        let (report, template) = seen(&tasker, self.task).await?;
        let mut live = Live::new(template, form != Form::Table);
        live.look(&report);
        let report = follow(&tasker, tasker.watch(self.task), live, self.timeout).await?;
        conclude(&report, form)
    }
}

/// Submit a task, run it here and show its result.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    order: Order,
    /// Give up waiting after this many seconds; the task stays
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// Take up a task that was interrupted or paused and run it to its end; a pause that is still to come is taken
/// back.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Uuid,
    /// Give up waiting after this many seconds; the task stays
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl Run {
    pub(crate) async fn run(self, context: Context) -> Done {
        let submission = self.order.submission()?;
        let form = context.global.output;
        let tasker = context.builder().only(&self.order.template).start().await?;
        tell_left_out(&tasker);
        let ended = async {
            let template = tasker
                .catalog()
                .find(&self.order.template)
                .map_err(|error| refused(error.into(), None))?
                .clone();
            let watch =
                tasker.submit_watched(submission).await.map_err(|error| refused(error, Some(&template)))?;
            let live = Live::new(template, form != Form::Table);
            follow(&tasker, watch, live, self.timeout).await
        }
        .await;
        tasker.stop().await?;
        ended.and_then(|report| conclude(&report, form))
    }
}

/// Says which templates are not known.
fn tell_left_out(tasker: &Tasker) {
    for warning in tasker.left_out() {
        output::say!("{} {warning}", output::yellow("warning:"));
    }
}

/// A task as it stands, and the template it started with.
async fn seen(tasker: &Tasker, task: Uuid) -> Result<(TaskReport, Arc<Template>), Failure> {
    tasker.show_with_template(task).await?.ok_or_else(|| inspect::unknown_task(task))
}

impl Resume {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let started = context.builder().resume(self.task).await?;
        let (tasker, watch) = started.ok_or_else(|| inspect::unknown_task(self.task))?;
        let ended = async {
            let (report, template) = seen(&tasker, self.task).await?;
            let mut live = Live::new(template, form != Form::Table);
            live.look(&report);
            match tasker.operate(self.task, &Command::Resume).await {
                // Nobody paused it: it was interrupted.
                Ok(_) | Err(OperateError::Refused(CommandError::NotPaused(_) | CommandError::Over(_))) => {}
                Err(OperateError::Store(error)) => return Err(error.into()),
                Err(error) => return Err(Failure::run(error)),
            }
            follow(&tasker, watch, live, self.timeout).await
        }
        .await;
        tasker.stop().await?;
        ended.and_then(|report| conclude(&report, form))
    }
}

/// What to say where a template is not there.
pub(super) fn unknown_template(error: UnknownTemplate) -> Failure {
    let message = match &error.nearest {
        Some(_) => error.to_string(),
        None => format!("there is no template `{}`", error.name),
    };
    Failure::not_found(message).try_this("tasker template list")
}

fn refused(error: SubmitError, template: Option<&Arc<Template>>) -> Failure {
    let show =
        template.map(|template| format!("tasker template show {}/{}", template.namespace(), template.name()));
    match error {
        SubmitError::Store(error) => error.into(),
        SubmitError::UnknownTemplate(error) => unknown_template(error),
        error @ SubmitError::KeyReused { task, .. } => {
            Failure::usage(error).try_this(format!("tasker show {task}"))
        }
        error => Failure { hint: show, ..Failure::usage(error) },
    }
}

/// How often the report is looked at while this process hears nothing of the task: another one may have it.
const LOOK: Duration = Duration::from_millis(500);

/// The task once it is over or cannot go on by itself.
async fn rested(tasker: &Tasker, task: Uuid) -> Result<TaskReport, WaitError> {
    tasker.wait(task).await?;
    tasker.show(task).await?.ok_or(WaitError::UnknownTask(task))
}

/// Shows the task until it comes to rest.
async fn follow(
    tasker: &Tasker,
    mut watch: Watch,
    mut live: Live,
    timeout: Option<u64>,
) -> Result<TaskReport, Failure> {
    let task = watch.task();
    let mut rest = std::pin::pin!(rested(tasker, task));
    let mut limit = std::pin::pin!(async {
        match timeout {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    });
    let come_back = || format!("tasker resume {task}");
    loop {
        tokio::select! {
            biased;
            Some(update) = watch.next() => live.show(&update),
            () = tokio::time::sleep(LOOK), if !live.is_silent() => {
                // A database that is away for a moment is waited for below.
                if let Ok(Some(report)) = tasker.show(task).await {
                    live.look(&report);
                }
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
                let message = format!("task {task} is not over after {} s; it stays", timeout.unwrap_or_default());
                return Err(Failure { code: 5, message, hint: Some(come_back()) });
            }
            _ = tokio::signal::ctrl_c() => {
                let message = format!("stopped watching; task {task} stays and can be taken up again");
                return Err(Failure { code: 130, message, hint: Some(come_back()) });
            }
        }
    }
}

/// Prints the result and decides the exit code.
fn conclude(report: &TaskReport, form: Form) -> Done {
    match (form, report.state) {
        (Form::Json | Form::Jsonl, _) => output::json(report, form)?,
        (Form::Table, TaskState::Complete) => {
            let text = serde_json::to_string_pretty(&report.result).map_err(Failure::run)?;
            output::print(&text)?;
        }
        _ => {}
    }
    if report.state == TaskState::Complete {
        return Ok(());
    }
    let failed = report.all().filter(|step| step.state == StepState::Error);
    let lines: Vec<String> = failed
        .map(|step| match (&step.error, step.batches) {
            (Some(error), _) => format!(
                "step `{}` failed for good after {} of {} attempts: {error}",
                step.name, step.attempts, step.max_attempts
            ),
            (None, Some(batches)) => format!("step `{}` failed for good: {batches}", step.name),
            (None, None) => format!("step `{}` failed for good", step.name),
        })
        .collect();
    let why = if lines.is_empty() {
        let cause = report.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("task {} is {}{cause}", report.task_id, report.state)
    } else {
        lines.join("\n       ")
    };
    let task = report.task_id;
    Err(Failure::run(why).try_this(match report.state {
        TaskState::Paused => format!("tasker resume {task}"),
        TaskState::BlockedByFailures => format!("tasker show {task}, then tasker retry {task}"),
        _ => format!("tasker show {task}"),
    }))
}

/// JSON given as text, as `@file` or as `-`, with this option of this command.
pub(crate) fn read_input(input: &str, option: &str, command: &str) -> Result<Json, Failure> {
    let no_input = |message| Failure::usage(message).try_this(format!("tasker {command} --help"));
    let (name, text) = match input.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read_to_string(Path::new(path))
                .map_err(|error| no_input(format!("cannot read the input file {path}: {error}")))?;
            (path.to_owned(), text)
        }
        None if input == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| no_input(format!("cannot read standard input: {error}")))?;
            ("standard input".to_owned(), text)
        }
        None => (option.to_owned(), input.to_owned()),
    };
    Json::from_text(text.trim()).map_err(|error| no_input(format!("{name} is no JSON: {error}")))
}
