//! When tasks start by themselves.

use std::{fs, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::{Context, Done, Failure, Form, input, inspect, output, printable::printable};
use crate::{
    api::{Backfill, ScheduleError, ScheduleReport},
    model::Timestamp,
    template::{CatchUp, Overlap, Schedule, When, duration_ms},
};

/// See to when tasks start by themselves.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the schedules
    List(List),
    /// Show a schedule with its next five ticks
    Show(Named),
    /// Make a schedule for tasks of a template
    Create(Box<Create>),
    /// Let a schedule start nothing until it is resumed
    Pause(Named),
    /// Let a paused schedule go on from now
    Resume(Named),
    /// Start a task of a schedule now, out of turn
    Trigger(Named),
    /// Start the tasks of ticks that have passed, those that have none, and wait for them
    Backfill(Fill),
    /// Delete a schedule that `create` made
    Delete(Named),
}

/// List the schedules.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on after the schedule of this name
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
}

/// One schedule.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The name of the schedule
    name: String,
}

/// Make a schedule for tasks of a template.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name of the schedule; that of the template without this
    #[arg(long)]
    name: Option<String>,
    /// Everything about it, as YAML; other options change what it says
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What it starts tasks of, as namespace/name
    #[arg(long, value_name = "TEMPLATE", required_unless_present = "file")]
    template: Option<String>,
    /// When: minute, hour, day of the month, month, day of the week; a sixth field before them is the second
    #[arg(long, value_name = "EXPRESSION", required_unless_present_any = ["every", "file"])]
    cron: Option<String>,
    /// How far apart, counted from --start or from 1970: 90s, 15m, 1d
    #[arg(long, value_name = "PERIOD", conflicts_with = "cron", value_parser = duration)]
    every: Option<Duration>,
    /// The zone by whose clock --cron is read; UTC without this
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The context of its tasks: JSON, @file, or - for standard input; {{scheduled_at}} in a text is the time of the tick
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// Start each task up to so much after its tick
    #[arg(long, value_name = "TIME", value_parser = duration)]
    jitter: Option<Duration>,
    /// No tick before this time
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// No tick after this time
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// At a tick while the task of the last one runs: skip, queue, cancel_running or allow
    #[arg(long, value_parser = overlap)]
    overlap: Option<Overlap>,
    /// Of ticks that nobody saw: last, none or all
    #[arg(long, value_parser = catch_up)]
    catch_up: Option<CatchUp>,
    /// It starts nothing until it is resumed
    #[arg(long)]
    paused: bool,
    /// Put it in the place of a schedule of this name
    #[arg(long)]
    overwrite: bool,
}

/// Start the tasks of ticks that have passed.
#[derive(Debug, Args)]
pub(crate) struct Fill {
    /// The name of the schedule
    name: String,
    /// The first time whose tick counts, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Timestamp,
    /// Ticks before this time count; now without this
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// How many of its tasks run at once
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    parallel: u32,
}

fn duration(text: &str) -> Result<Duration, String> {
    duration_ms(text)
        .map(Duration::from_millis)
        .ok_or_else(|| "write a number and a unit: 90s, 15m, 1h30m, 2d".to_owned())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time = serde_json::from_value(serde_json::Value::from(text));
    time.map_err(|_| "a time looks like 2026-12-24T18:00:00+01:00".to_owned())
}

fn overlap(text: &str) -> Result<Overlap, String> {
    Overlap::from_word(text).ok_or_else(|| "write skip, queue, cancel_running or allow".to_owned())
}

fn catch_up(text: &str) -> Result<CatchUp, String> {
    CatchUp::from_word(text).ok_or_else(|| "write last, none or all".to_owned())
}

impl From<ScheduleError> for Failure {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Store(error) => error.into(),
            ScheduleError::Unknown { .. } => Self::not_found(error).try_this("schedule list"),
            ScheduleError::UnknownTemplate(unknown) => super::run::unknown_template(unknown),
            ScheduleError::Exists { .. } => Self::run(error).try_all_this("the same with --overwrite"),
            ScheduleError::Invalid(_) => Self::usage(error).try_this("schedule create --help"),
            ScheduleError::OfTemplate { ref name, .. } => {
                let pause = format!("schedule pause {name}");
                Self::run(error).try_this(pause)
            }
            error => Self::run(error),
        }
    }
}

impl Command {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        match self {
            Self::List(command) => command.run(context).await,
            Self::Create(command) => command.run(context).await,
            Self::Backfill(command) => command.run(context).await,
            Self::Show(Named { name }) => {
                let tasker = context.visiting()?.without_templates().connect().await?;
                let found = tasker.schedules().get(&name).await?;
                let report = found.ok_or(ScheduleError::Unknown { name })?;
                if form == Form::Table { show(&report) } else { output::json(&report, form) }
            }
            Self::Pause(Named { name }) => {
                let tasker = context.visiting()?.without_templates().connect().await?;
                let report = tasker.schedules().pause(&name).await?;
                tasker.stop().await?;
                said(&report, "is paused", form)
            }
            Self::Resume(Named { name }) => {
                let tasker = context.visiting()?.without_templates().connect().await?;
                let report = tasker.schedules().resume(&name).await?;
                tasker.stop().await?;
                said(&report, "goes on", form)
            }
            Self::Delete(Named { name }) => {
                let tasker = context.visiting()?.without_templates().connect().await?;
                tasker.schedules().delete(&name).await?;
                output::say!("schedule: `{}` is deleted", printable(&name));
                Ok(())
            }
            Self::Trigger(Named { name }) => {
                let tasker = context.visiting()?.connect().await?;
                let task = tasker.schedules().trigger(&name).await?;
                tasker.stop().await?;
                match form {
                    Form::Table => output::print(&task.to_string()),
                    form => output::json(&serde_json::json!({ "task_id": task }), form),
                }
            }
        }
    }
}

/// Says what became of a schedule, and when it ticks next.
fn said(report: &ScheduleReport, what: &str, form: Form) -> Done {
    if form != Form::Table {
        return output::json(report, form);
    }
    let next = report.next.first().map(|next| format!(", next at {next}")).unwrap_or_default();
    output::say!("schedule: `{}` {what}{next}", printable(&report.name));
    Ok(())
}

impl List {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.without_templates().connect().await?;
        let limit = self.limit as usize;
        let reports = tasker.schedules().list(self.after.as_deref(), limit).await?;
        if let Some(last) = reports.last().filter(|_| reports.len() == limit) {
            output::say!("{}", output::dim(&format!("there may be more: --after {}", printable(&last.name))));
        }
        let columns = ["schedule", "template", "when", "next", "last", "started", "skipped"];
        output::list(&reports, form, &columns, |report| {
            let next = match report.next.first() {
                Some(next) => next.clone(),
                None if report.paused => "paused".to_owned(),
                None => "never again".to_owned(),
            };
            vec![
                report.name.clone(),
                report.template.clone(),
                when(report),
                next,
                report.last_at.map(inspect::seconds).unwrap_or_default(),
                report.started.to_string(),
                report.skipped.to_string(),
            ]
        })
    }
}

/// What a schedule says of its ticks, in short.
fn when(report: &ScheduleReport) -> String {
    let Some(schedule) = &report.definition else { return "unreadable".to_owned() };
    match (&schedule.when, &schedule.timezone) {
        (When::Cron(cron), Some(zone)) => format!("{cron} {zone}"),
        (When::Cron(cron), None) => format!("{cron} UTC"),
        (When::Every(period), _) => format!("every {}", output::duration(*period)),
    }
}

fn show(report: &ScheduleReport) -> Done {
    let of = match &report.of_version {
        Some(version) => format!("{} {version}, which says it", report.template),
        None => report.template.clone(),
    };
    let mut lines = vec![
        format!("schedule  {}", report.name),
        format!("template  {of}"),
        format!("when      {}", when(report)),
        format!("state     {}", if report.paused { "paused" } else { "ticking" }),
    ];
    if let Some(schedule) = &report.definition {
        lines.push(format!("overlap   {}, catch up {}", schedule.overlap, schedule.catch_up));
        lines.push(format!("input     {}", schedule.input));
        lines.extend(schedule.jitter.map(|jitter| format!("jitter    up to {}", output::duration(jitter))));
    }
    lines.extend(report.next.iter().map(|next| format!("next      {next}")));
    if let (Some(at), Some(task)) = (report.last_at, report.last_task) {
        lines.push(format!("last      {at}, task {task}"));
    }
    lines.push(format!(
        "started   {}, skipped {}, waiting {}",
        report.started, report.skipped, report.waiting
    ));
    lines.extend(report.problem.iter().map(|problem| format!("problem   {problem}")));
    output::print(&lines.iter().map(|line| printable(line).into_owned()).collect::<Vec<_>>().join("\n"))
}

impl Create {
    /// What the file and the options say.
    fn schedule(&self) -> Result<(String, Schedule), Failure> {
        let refused = |message: String| Failure::usage(message).try_this("schedule create --help");
        let (template, read) = match &self.file {
            Some(path) => {
                let shown = path.display();
                let text = fs::read_to_string(path)
                    .map_err(|error| refused(format!("cannot read {shown}: {error}")))?;
                let (template, schedule) =
                    Schedule::parse(&shown.to_string(), &text).map_err(Failure::usage)?;
                (template, Some(schedule))
            }
            None => (None, None),
        };
        let template = self.template.clone().or(template);
        let template = template
            .ok_or_else(|| refused("say which template it starts tasks of: --template".to_owned()))?;
        let when = self.cron.clone().map(When::Cron).or(self.every.map(When::Every));
        let base = match (read, when) {
            (Some(read), Some(when)) => Schedule { when, ..read },
            (Some(read), None) => read,
            (None, Some(When::Every(period))) => Schedule::every(period),
            (None, Some(When::Cron(cron))) => Schedule::cron(cron),
            (None, None) => return Err(refused("say when: --cron or --every".to_owned())),
        };
        let input = match &self.input {
            Some(input) => input::read(input, "--input", "schedule create")?.to_value(),
            None => base.input.clone(),
        };
        let schedule = Schedule {
            name: self.name.clone().or(base.name),
            timezone: self.timezone.clone().or(base.timezone),
            input,
            jitter: self.jitter.or(base.jitter),
            start: self.start.clone().or(base.start),
            end: self.end.clone().or(base.end),
            overlap: self.overlap.unwrap_or(base.overlap),
            catch_up: self.catch_up.unwrap_or(base.catch_up),
            paused: self.paused || base.paused,
            when: base.when,
        };
        Ok((template, schedule))
    }

    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let (template, schedule) = self.schedule()?;
        let tasker = context.visiting()?.connect().await?;
        let made = match self.overwrite {
            true => tasker.schedules().replace(&template, schedule).await,
            false => tasker.schedules().create(&template, schedule).await,
        };
        let report = made?;
        tasker.stop().await?;
        said(&report, "is made", form)
    }
}

impl Fill {
    async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let tasker = context.visiting()?.connect().await?;
        let to = self.to.unwrap_or_else(|| tasker.now());
        let backfill = Backfill { from: self.from, to, parallel: self.parallel as usize };
        let done = tasker.schedules().backfill(&self.name, backfill).await?;
        tasker.stop().await?;
        if form != Form::Table {
            output::json(&done, form)?;
        } else {
            output::say!("schedule: {} tasks started, {} ticks had one", done.started, done.there_already);
        }
        match done.unsuccessful.first() {
            None => Ok(()),
            Some(task) => {
                let count = done.unsuccessful.len();
                Err(Failure::run(format!("{count} of them did not end complete"))
                    .try_this(format!("show {task}")))
            }
        }
    }
}
