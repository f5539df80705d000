//! Submits a task and runs it here, or takes up one that was interrupted.

use std::{sync::Arc, time::Duration};

use clap::Args;
use uuid::Uuid;

use super::{
    Context, Done, Failure, Form,
    bulk::{Many, Meant},
    follow::{Until, conclude, follow},
    input, inspect,
    live::Live,
    output, program,
    signals::Signals,
    task_id,
};
use crate::{
    api::{OperateError, Submission, SubmitError, TaskReport, Tasker, UnknownTemplate},
    model::{Command, CommandError},
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
    /// Submitting the same key and input again gives the task that exists already
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Tasks with a higher priority go first in their queue
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i16,
    /// Do not start before this time has passed: seconds, or a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = delay)]
    delay: Duration,
}

/// A delay as it is written: `90`, `90s`, `15m`, `2h` or `1d`.
fn delay(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("write seconds, or a number with s, m, h or d, such as 90s".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a whole number, such as 90 or 15m".to_owned())?;
    let delay = number.checked_mul(factor).map(Duration::from_secs);
    delay
        .filter(|delay| *delay <= Submission::MAX_DELAY)
        .ok_or_else(|| format!("at most {} days", Submission::MAX_DELAY.as_secs() / 86_400))
}

impl Order {
    fn submission(&self) -> Result<Submission, Failure> {
        let submission = Submission::to(&self.template)
            .json(input::read(&self.input, "--input", "run")?)
            .priority(self.priority)
            .delay(self.delay);
        Ok(match &self.idempotency_key {
            Some(key) => submission.idempotency_key(key),
            None => submission,
        })
    }
}

/// Submit a task for other processes to run, and print its id.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    order: Order,
}

impl Submit {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let submission = self.order.submission()?;
        let tasker = context.visiting()?.only(&self.order.template).connect().await?;
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

/// Watch a task that other processes run, until it has finished.
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
    pub(crate) async fn run(self, context: Context, mut signals: Signals) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let (report, template) = seen(&tasker, self.task).await?;
        signals.take_over();
        let mut live = Live::new(template, form != Form::Table);
        live.look(&report);
        let until = Until { signals: &mut signals, timeout: self.timeout, come_back: "watch" };
        let report = follow(&tasker, tasker.watch(self.task), live, until).await?;
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

/// Take up a task that was interrupted or paused and run it until it has finished; a pause that has not taken
/// effect yet is withdrawn. Of many tasks the pause is ended, and other processes run them.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The id of the task
    #[arg(value_parser = task_id)]
    task: Option<Uuid>,
    /// Give up waiting after this many seconds; the task stays
    #[arg(long, value_name = "SECONDS", requires = "task")]
    timeout: Option<u64>,
    #[command(flatten)]
    many: Many,
}

/// A task to be taken up and run here.
#[derive(Debug)]
struct TakenUp {
    task: Uuid,
    timeout: Option<u64>,
}

impl Run {
    pub(crate) async fn run(self, context: Context, mut signals: Signals) -> Done {
        let submission = self.order.submission()?;
        let (form, patience) = (context.global.output, context.patience());
        let builder = context.builder()?.only(&self.order.template);
        signals.take_over();
        let Some(started) = signals.unless_stopped(builder.start()).await else {
            return Err(Failure::interrupted("interrupted; nothing was submitted"));
        };
        let tasker = started?;
        tell_left_out(&tasker);
        let ended = self.submit_and_follow(&tasker, submission, form, &mut signals).await;
        stop(tasker, patience).await;
        ended.and_then(|report| conclude(&report, form))
    }

    async fn submit_and_follow(
        &self,
        tasker: &Tasker,
        submission: Submission,
        form: Form,
        signals: &mut Signals,
    ) -> Result<TaskReport, Failure> {
        let found = tasker.catalog().find(&self.order.template);
        let template = found.map_err(|error| refused(error.into(), None))?.clone();
        let Some(submitted) = signals.unless_stopped(tasker.submit_watched(submission)).await else {
            let message = "interrupted; it is unknown whether the task was submitted";
            return Err(Failure::interrupted(message).try_this("list"));
        };
        let watch = submitted.map_err(|error| refused(error, Some(&template)))?;
        let live = Live::new(template, form != Form::Table);
        follow(tasker, watch, live, Until { signals, timeout: self.timeout, come_back: "resume" }).await
    }
}

/// Stops an engine, in at most this time. What it could not give back is free once its lease runs out, which
/// changes nothing about what is known of the task.
pub(super) async fn stop(tasker: Tasker, patience: Duration) {
    if let Err(error) = super::stopped(tasker, patience).await {
        output::warn(&format!(
            "{}; whatever this process held is free once its lease runs out",
            error.message
        ));
    }
}

/// Says which templates are not known.
fn tell_left_out(tasker: &Tasker) {
    tasker.left_out().iter().for_each(|warning| output::warn(warning));
    if !tasker.left_out().is_empty() {
        output::say!("{} {}", output::dim("try:"), program::command("template check"));
    }
}

/// A task as it stands, and the template it started with.
async fn seen(tasker: &Tasker, task: Uuid) -> Result<(TaskReport, Arc<Template>), Failure> {
    tasker.show_with_template(task).await?.ok_or_else(|| inspect::unknown_task(task))
}

impl Resume {
    pub(crate) async fn run(self, context: Context, signals: Signals) -> Done {
        match self.many.or(self.task, "resume")? {
            Meant::One(task) => TakenUp { task, timeout: self.timeout }.run(context, signals).await,
            many => many.operate(context, Command::Resume).await,
        }
    }
}

impl TakenUp {
    async fn run(self, context: Context, mut signals: Signals) -> Done {
        let (form, patience) = (context.global.output, context.patience());
        let builder = context.visiting()?;
        signals.take_over();
        let Some(started) = signals.unless_stopped(builder.resume(self.task)).await else {
            return Err(self.interrupted());
        };
        let (tasker, watch) = started?.ok_or_else(|| inspect::unknown_task(self.task))?;
        let ended = async {
            let Some(live) = signals.unless_stopped(self.take_up(&tasker, form)).await else {
                return Err(self.interrupted());
            };
            let until = Until { signals: &mut signals, timeout: self.timeout, come_back: "resume" };
            follow(&tasker, watch, live?, until).await
        }
        .await;
        stop(tasker, patience).await;
        ended.and_then(|report| conclude(&report, form))
    }

    fn interrupted(&self) -> Failure {
        let message = format!("interrupted; task {} stays and can be taken up again", self.task);
        Failure::interrupted(message).try_this(format!("resume {}", self.task))
    }

    /// Shows the task and lets it go on.
    async fn take_up(&self, tasker: &Tasker, form: Form) -> Result<Live, Failure> {
        let (report, template) = seen(tasker, self.task).await?;
        let mut live = Live::new(template, form != Form::Table);
        live.look(&report);
        match tasker.operate(self.task, &Command::Resume).await {
            // Nobody paused it: it was interrupted.
            Ok(_) | Err(OperateError::Refused(CommandError::NotPaused(_) | CommandError::Over(_))) => {
                Ok(live)
            }
            Err(OperateError::Store(error)) => Err(error.into()),
            Err(error) => Err(Failure::run(error)),
        }
    }
}

/// What to say where a template is not there.
pub(super) fn unknown_template(error: UnknownTemplate) -> Failure {
    Failure::not_found(error).try_this("template list")
}

fn refused(error: SubmitError, template: Option<&Arc<Template>>) -> Failure {
    let show = template.map(|template| {
        program::command(&format!("template show {}/{}", template.namespace(), template.name()))
    });
    match error {
        SubmitError::Store(error) => error.into(),
        SubmitError::UnknownTemplate(error) => unknown_template(error),
        error @ SubmitError::KeyReused { task, .. } => Failure::usage(error).try_this(format!("show {task}")),
        error => Failure { hint: show, ..Failure::usage(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_has_a_unit_and_a_limit() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("2h", 7_200), ("36500d", 3_153_600_000)]
        {
            assert_eq!(delay(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, problem) in [
            ("99999999d", "at most 36500 days"),
            ("36501d", "at most 36500 days"),
            ("18446744073709551615", "at most 36500 days"),
            ("18446744073709551615d", "at most 36500 days"),
            ("99999999999999999999", "a whole number"),
            ("-1", "a whole number"),
            ("1.5h", "a whole number"),
            ("", "a whole number"),
            ("1w", "s, m, h or d"),
        ] {
            assert!(delay(text).is_err_and(|said| said.contains(problem)), "{text}");
        }
    }
}
