//! Schedules: when tasks start by themselves.

use serde::Serialize;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use super::{SubmitError, Tasker, UnknownTemplate, WaitError};
use crate::{
    dispatch::notify::Notification,
    model::{TaskState, Timestamp},
    orchestration::schedules::{self, InTheWay, New, NotTriggered, Stored, TickTasks},
    registry::catalog::full_name,
    store,
    template::{Mistake, Report, Schedule, Ticks},
};

/// The schedules of a [`Tasker`], as [`Tasker::schedules`] gives them.
///
/// Those that templates say are kept when a program with them starts; others are made here, or by
/// `tasker schedule create`. The tasks of their ticks are started by any process that runs tasks and knows the
/// template; each tick is one task, however many look.
///
/// ```
/// use tasker_runtime::{Tasker, prelude::*, template::Schedule};
///
/// #[step_handler]
/// async fn write(day: String) -> String {
///     format!("the report of {day}")
/// }
///
/// workflow!(report = [write]);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let nightly = Schedule::cron("30 2 * * *").timezone("Europe/Berlin").input("{{scheduled_at}}".into());
/// let made = tasker.schedules().create("report", nightly.name("nightly")).await?;
/// assert_eq!((&*made.name, made.next.len()), ("nightly", 5));
///
/// let task = tasker.schedules().trigger("nightly").await?;
/// let said: String = tasker.wait(task).await?.result()?;
/// assert!(said.starts_with("the report of 2"));
/// tasker.schedules().delete("nightly").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Schedules<'t>(&'t Tasker);

/// A schedule and how far it is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ScheduleReport {
    /// Its name.
    pub name: String,
    /// Namespace and name of the template that it starts tasks of.
    pub template: String,
    /// The version of the template that says it; `None`: it was made by a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_version: Option<String>,
    /// It starts nothing until it is resumed.
    pub paused: bool,
    /// What it says; `None` where this program cannot read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Schedule>,
    /// Its next ticks, at most five, as RFC 3339 text in its zone. One that is paused has none.
    pub next: Vec<String>,
    /// How many ticks wait for the task of the last one.
    pub waiting: usize,
    /// The last tick that started a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// The task it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_task: Option<Uuid>,
    /// How many tasks it has started.
    pub started: u64,
    /// How many ticks started none, because a task was running or its input was refused.
    pub skipped: u64,
    /// Why its last tick started nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When it was made.
    pub created: Timestamp,
}

impl ScheduleReport {
    fn new(stored: Stored) -> Self {
        let parts = stored.parts();
        let next = match &parts {
            Ok((_, ticks)) if !stored.paused => {
                let ticks_from = std::iter::successors(stored.course.next_at, |tick| ticks.after(*tick));
                ticks_from.take(5).map(|tick| ticks.show(tick)).collect()
            }
            _ => Vec::new(),
        };
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let (definition, unreadable) = match parts {
            Ok((schedule, _)) => (Some(schedule), None),
            Err(problem) => (None, Some(problem)),
        };
        Self {
            name: stored.name,
            template: stored.template,
            of_version: stored.version,
            paused: stored.paused,
            definition,
            next,
            waiting: stored.course.waiting.len(),
            last_at: stored.last_at,
            last_task: stored.last_task,
            started: count(stored.started),
            skipped: count(stored.skipped),
            problem: unreadable.or(stored.problem),
            created: stored.created_at,
        }
    }
}

/// Why a command to a schedule was not followed. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// It says what there is not.
    #[error("{}", in_lines(_0))]
    Invalid(Report),
    /// There is no such template.
    #[error(transparent)]
    UnknownTemplate(#[from] UnknownTemplate),
    /// There is no such schedule.
    #[error("there is no schedule `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// One of that name is there.
    #[error("there is a schedule `{name}` already: replace it, or give this one another name")]
    Exists {
        /// The name.
        name: String,
    },
    /// It is a template's, which would say it again.
    #[error("the schedule `{name}` is part of {template}: change it there, or pause it")]
    OfTemplate {
        /// The schedule.
        name: String,
        /// Namespace and name of the template.
        template: String,
    },
    /// The stored schedule cannot be read here, perhaps because a newer program made it.
    #[error("the schedule `{name}` cannot be read: {problem}")]
    Unreadable {
        /// The schedule.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A task of it was refused, such as for an input that does not fit the template.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A task that it started cannot be waited for.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The mistakes of a schedule that stands in no file, each in a line with the way out.
fn in_lines(report: &Report) -> String {
    let line = |mistake: &Mistake| match &mistake.help {
        Some(help) => format!("{}: {help}", mistake.message),
        None => mistake.message.clone(),
    };
    report.mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Which ticks a [backfill](Schedules::backfill) makes up for, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// The first moment whose tick counts.
    pub from: Timestamp,
    /// Ticks before this moment count.
    pub to: Timestamp,
    /// How many of its tasks are open at once, at least 1.
    pub parallel: usize,
}

/// What a [backfill](Schedules::backfill) came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Backfilled {
    /// Ticks whose task was started.
    pub started: u64,
    /// Ticks that had a task already.
    pub there_already: u64,
    /// The tasks that did not end complete.
    pub unsuccessful: Vec<Uuid>,
}

impl Tasker {
    /// When tasks start by themselves.
    #[must_use]
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules(self)
    }
}

impl Schedules<'_> {
    /// Makes a schedule for tasks of a template. Without a name of its own it has that of the template. Its first tick
    /// is the next one from now.
    ///
    /// # Errors
    /// When it has mistakes, there is no such template, its input does not fit that, the name is taken, or the database
    /// does not answer.
    pub async fn create(&self, template: &str, schedule: Schedule) -> Result<ScheduleReport, ScheduleError> {
        self.put(template, schedule, false).await
    }

    /// As [`create`](Self::create), in the place of a schedule of the same name that was made like this.
    ///
    /// # Errors
    /// As [`create`](Self::create); one that is part of a template cannot be replaced.
    pub async fn replace(&self, template: &str, schedule: Schedule) -> Result<ScheduleReport, ScheduleError> {
        self.put(template, schedule, true).await
    }

    async fn put(
        &self,
        template: &str,
        schedule: Schedule,
        replace: bool,
    ) -> Result<ScheduleReport, ScheduleError> {
        let inner = &self.0.inner;
        let schedule = schedule.checked().map_err(ScheduleError::Invalid)?;
        let template = full_name(inner.catalog.find(template)?);
        let name = schedule.name.clone().unwrap_or_else(|| template.clone());
        let ticks = Ticks::of(&schedule)
            .map_err(|bad| ScheduleError::Unreadable { name: name.clone(), problem: bad.to_string() })?;
        let now = inner.clock.now();
        let tasks = TickTasks { name: &name, template: &template, schedule: &schedule, ticks: &ticks };
        // What the template does not take now, it does not take at any tick.
        tasks.request(&inner.catalog, now.as_micros(), now).map_err(SubmitError::from)?;
        let new = New { tasks, version: None, paused: schedule.paused };
        let mut connection = inner.store.writer().await?;
        let made = schedules::create(&mut connection, new, replace, now).await?;
        drop(connection);
        made.map_err(|problem| in_the_way(&name, problem))?;
        self.changed();
        self.get(&name).await?.ok_or(ScheduleError::Unknown { name })
    }

    /// At most `limit` schedules in the order of their names, those after one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> store::Result<Vec<ScheduleReport>> {
        let mut connection = self.0.inner.store.reader().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = schedules::list(&mut connection, after.unwrap_or_default(), limit).await?;
        Ok(found.into_iter().map(ScheduleReport::new).collect())
    }

    /// The schedule of that name; `None` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get(&self, name: &str) -> store::Result<Option<ScheduleReport>> {
        let found = schedules::find(&mut self.0.inner.store.reader().await?, name).await?;
        Ok(found.map(ScheduleReport::new))
    }

    /// Lets a schedule start nothing until it is resumed.
    ///
    /// # Errors
    /// When there is none of that name, or the database does not answer.
    pub async fn pause(&self, name: &str) -> Result<ScheduleReport, ScheduleError> {
        self.set_paused(name, true).await
    }

    /// Lets a paused schedule go on from now. The ticks of the meantime are not made up for; see
    /// [`backfill`](Self::backfill).
    ///
    /// # Errors
    /// When there is none of that name, or the database does not answer.
    pub async fn resume(&self, name: &str) -> Result<ScheduleReport, ScheduleError> {
        self.set_paused(name, false).await
    }

    async fn set_paused(&self, name: &str, paused: bool) -> Result<ScheduleReport, ScheduleError> {
        let inner = &self.0.inner;
        let mut connection = inner.store.writer().await?;
        let stored = schedules::pause(&mut connection, name, paused, inner.clock.now()).await?;
        drop(connection);
        let stored = stored.ok_or_else(|| ScheduleError::Unknown { name: name.to_owned() })?;
        self.changed();
        Ok(ScheduleReport::new(stored))
    }

    /// Starts a task of a schedule out of turn, with now as its time, even if it is paused or the task of the last
    /// tick is not over. Its ticks stay as they are.
    ///
    /// # Errors
    /// When there is none of that name, its input does not fit the template, or the database does not answer.
    pub async fn trigger(&self, name: &str) -> Result<Uuid, ScheduleError> {
        let inner = &self.0.inner;
        let mut connection = inner.store.writer().await?;
        let triggered = schedules::trigger(&mut connection, name, &inner.catalog, inner.clock.now()).await?;
        drop(connection);
        match triggered.ok_or_else(|| ScheduleError::Unknown { name: name.to_owned() })? {
            Ok((task, queue)) => {
                self.0.say_due(&queue);
                Ok(task)
            }
            Err(NotTriggered::Refused(refused)) => Err(SubmitError::from(refused).into()),
            Err(NotTriggered::Unreadable(problem)) => {
                Err(ScheduleError::Unreadable { name: name.to_owned(), problem })
            }
        }
    }

    /// Starts the tasks of ticks that have passed, one after the other, so many at once, and waits for them. A tick
    /// that has a task keeps it: so this may be done again after it was interrupted. Some process must run tasks.
    ///
    /// # Errors
    /// When there is none of that name, its input does not fit the template, or the database does not answer.
    pub async fn backfill(&self, name: &str, backfill: Backfill) -> Result<Backfilled, ScheduleError> {
        let inner = &self.0.inner;
        let stored = schedules::find(&mut inner.store.reader().await?, name).await?;
        let stored = stored.ok_or_else(|| ScheduleError::Unknown { name: name.to_owned() })?;
        let parts =
            stored.parts().map_err(|problem| ScheduleError::Unreadable { name: name.to_owned(), problem })?;
        let mut done = Backfilled::default();
        let mut open: JoinSet<Ended> = JoinSet::new();
        let mut at = backfill.from.as_micros().saturating_sub(1);
        while let Some(tick) = parts.1.after(at).filter(|tick| *tick < backfill.to.as_micros()) {
            at = tick;
            while open.len() >= backfill.parallel.max(1) {
                done.note(open.join_next().await)?;
            }
            let now = inner.clock.now();
            let mut request =
                stored.tasks(&parts).request(&inner.catalog, tick, now).map_err(SubmitError::from)?;
            request.task.run_at = request.task.run_at.max(now);
            let asked = request.task.uuid;
            let task = self.0.submit_once(request).await?;
            if task != asked {
                done.there_already += 1;
                continue;
            }
            done.started += 1;
            let tasker = self.0.clone();
            open.spawn(async move {
                let outcome = tasker.wait(task).await?;
                Ok((task, outcome.state == TaskState::Complete))
            });
        }
        while !open.is_empty() {
            done.note(open.join_next().await)?;
        }
        Ok(done)
    }

    /// Deletes a schedule that was made by [`create`](Self::create). Its tasks stay.
    ///
    /// # Errors
    /// When there is none of that name, it is part of a template, or the database does not answer.
    pub async fn delete(&self, name: &str) -> Result<(), ScheduleError> {
        let mut connection = self.0.inner.store.writer().await?;
        let deleted = schedules::delete(&mut connection, name).await?;
        deleted.map_err(|problem| in_the_way(name, problem))
    }

    /// Says here and elsewhere that a schedule was made or changed.
    fn changed(&self) {
        let inner = &self.0.inner;
        inner.notifier.notify(Notification::Schedules);
        if let Some(engine) = &inner.engine {
            engine.schedules_changed();
        }
    }
}

/// A task that came to rest, and whether it is complete.
type Ended = Result<(Uuid, bool), WaitError>;

impl Backfilled {
    /// Notes that a task came to rest. A task that panicked here was told of where it did.
    fn note(&mut self, ended: Option<Result<Ended, JoinError>>) -> Result<(), WaitError> {
        if let Some(Ok(ended)) = ended {
            let (task, complete) = ended?;
            self.unsuccessful.extend((!complete).then_some(task));
        }
        Ok(())
    }
}

fn in_the_way(name: &str, problem: InTheWay) -> ScheduleError {
    let name = name.to_owned();
    match problem {
        InTheWay::Unknown => ScheduleError::Unknown { name },
        InTheWay::Exists => ScheduleError::Exists { name },
        InTheWay::OfTemplate(template) => ScheduleError::OfTemplate { name, template },
    }
}
