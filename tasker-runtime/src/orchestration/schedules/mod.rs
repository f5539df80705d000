//! Schedules: when tasks start by themselves.
//!
//! Any process may look at what is due, and one does: it holds the row while it adds the tasks of its ticks and moves
//! the row on, in one transaction. The tasks have idempotency keys as well, so that a tick is one task for good.

mod advance;
mod fire;
mod keep;

use serde_json::Value as JsonValue;
use uuid::Uuid;

use self::advance::Course;
pub(crate) use self::fire::{NotTriggered, TickTasks, fire, trigger};
pub(crate) use self::keep::keep;
use crate::{
    model::Timestamp,
    store::{Column, Connection, Error, Result, Row, Rows, Value, sql, values},
    template::{Schedule, Ticks},
};

/// A schedule as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub name: String,
    /// Namespace and name.
    pub template: String,
    /// The version of the template that says it; `None`: it was made by a command.
    pub version: Option<String>,
    pub definition: String,
    pub paused: bool,
    pub course: Course,
    /// When it is looked at next.
    pub due_at: Option<Timestamp>,
    pub last_at: Option<Timestamp>,
    pub last_task: Option<Uuid>,
    pub started: i64,
    pub skipped: i64,
    pub problem: Option<String>,
    pub created_at: Timestamp,
}

impl Stored {
    fn read(row: &Row) -> Result<Self> {
        let time = |column| Ok(row.maybe_int(column)?.map(Timestamp::from_micros));
        let waiting = serde_json::from_str(row.text(7)?);
        let last_task = row.maybe_text(9)?.map(str::parse).transpose();
        let stored = Self {
            name: row.text(0)?.to_owned(),
            template: row.text(1)?.to_owned(),
            version: row.maybe_text(2)?.map(str::to_owned),
            definition: row.text(3)?.to_owned(),
            paused: row.int(4)? != 0,
            course: Course { next_at: row.maybe_int(5)?, waiting: Vec::new() },
            due_at: time(6)?,
            last_at: time(8)?,
            last_task: None,
            started: row.int(10)?,
            skipped: row.int(11)?,
            problem: row.maybe_text(12)?.map(str::to_owned),
            created_at: Timestamp::from_micros(row.int(13)?),
        };
        let corrupt =
            |what: &str| Error::Corrupt { what: format!("{what} of the schedule `{}`", stored.name) };
        let waiting = waiting.map_err(|_| corrupt("the ticks that wait"))?;
        let last_task = last_task.map_err(|_| corrupt("the last task"))?;
        Ok(Self { course: Course { waiting, ..stored.course }, last_task, ..stored })
    }

    /// What it says, and its ticks.
    pub(crate) fn parts(&self) -> std::result::Result<(Schedule, Ticks), String> {
        let value: JsonValue = serde_json::from_str(&self.definition).map_err(|error| error.to_string())?;
        let schedule = Schedule::from_json(&self.name, value).map_err(|report| report.to_string())?;
        let ticks = Ticks::of(&schedule).map_err(|bad| bad.to_string())?;
        Ok((schedule, ticks))
    }
}

/// At most `limit` schedules by name, those after one.
pub(crate) async fn list(connection: &mut Connection, after: &str, limit: i64) -> Result<Vec<Stored>> {
    connection.fetch(&sql::SCHEDULES, values![after, limit]).await?.iter().map(Stored::read).collect()
}

/// The schedule of that name.
pub(crate) async fn find(connection: &mut Connection, name: &str) -> Result<Option<Stored>> {
    connection.fetch_first(&sql::SCHEDULE, values![name]).await?.as_ref().map(Stored::read).transpose()
}

/// The schedule of that name, for whoever changes it in the transaction that is open.
async fn lock(connection: &mut Connection, name: &str) -> Result<Option<Stored>> {
    connection.fetch_first(&sql::LOCK_SCHEDULE, values![name]).await?.as_ref().map(Stored::read).transpose()
}

/// A schedule that is to be looked at.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub name: String,
    pub at: Timestamp,
    /// The task to be cancelled then.
    pub cancels: Option<Uuid>,
}

/// The schedules of the templates that are to be looked at first, at most `limit`.
pub(crate) async fn first(
    connection: &mut Connection,
    templates: Vec<String>,
    limit: i64,
) -> Result<Vec<Look>> {
    let rows = connection.fetch(&sql::DUE_SCHEDULES, values![templates, limit]).await?;
    let look = |row: &Row| {
        let last = row.maybe_text(3)?.and_then(|task| task.parse().ok());
        let at = Timestamp::from_micros(row.int(1)?);
        Ok(Look { name: row.text(0)?.to_owned(), at, cancels: last.filter(|_| matches!(row.int(2), Ok(1))) })
    };
    rows.iter().map(look).collect()
}

/// A schedule that is to be kept.
pub(crate) struct New<'a> {
    pub tasks: TickTasks<'a>,
    /// The version of the template that says it.
    pub version: Option<&'a str>,
    pub paused: bool,
}

/// Puts a schedule in its place; its ticks count from now on.
async fn put(connection: &mut Connection, new: New<'_>, now: Timestamp) -> Result<()> {
    let TickTasks { name, template, schedule, ticks } = new.tasks;
    let definition = serde_json::to_string(schedule).unwrap_or_default();
    let next = ticks.after(now.as_micros());
    let cancels = schedule.overlap == crate::template::Overlap::CancelRunning;
    let values = values![
        name,
        template,
        new.version,
        &*definition,
        i64::from(cancels),
        i64::from(new.paused),
        next,
        next.filter(|_| !new.paused),
        now.as_micros()
    ];
    connection.execute(&sql::PUT_SCHEDULE, values).await.map(drop)
}

/// What stands in the way of a command to a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InTheWay {
    /// There is no such schedule.
    Unknown,
    /// One of that name is there.
    Exists,
    /// It belongs to a template.
    OfTemplate(String),
}

/// Makes a schedule by a command; with `replace` in the place of another one that a command made.
pub(crate) async fn create(
    connection: &mut Connection,
    new: New<'_>,
    replace: bool,
    now: Timestamp,
) -> Result<std::result::Result<(), InTheWay>> {
    connection
        .transaction(async |connection| {
            match lock(connection, new.tasks.name).await? {
                Some(Stored { version: Some(_), template, .. }) => {
                    return Ok(Err(InTheWay::OfTemplate(template)));
                }
                Some(_) if !replace => return Ok(Err(InTheWay::Exists)),
                _ => {}
            }
            put(connection, new, now).await.map(Ok)
        })
        .await
}

/// Deletes a schedule that a command made.
pub(crate) async fn delete(
    connection: &mut Connection,
    name: &str,
) -> Result<std::result::Result<(), InTheWay>> {
    connection
        .transaction(async |connection| {
            match lock(connection, name).await? {
                None => return Ok(Err(InTheWay::Unknown)),
                Some(Stored { version: Some(_), template, .. }) => {
                    return Ok(Err(InTheWay::OfTemplate(template)));
                }
                Some(_) => {}
            }
            connection.execute(&sql::DELETE_SCHEDULE, values![name]).await.map(|_| Ok(()))
        })
        .await
}

/// Pauses a schedule, or lets it go on from now: what it missed meanwhile was not to be. `None`: there is none.
pub(crate) async fn pause(
    connection: &mut Connection,
    name: &str,
    paused: bool,
    now: Timestamp,
) -> Result<Option<Stored>> {
    connection
        .transaction(async |connection| {
            let Some(stored) = lock(connection, name).await? else { return Ok(None) };
            if stored.paused == paused {
                return Ok(Some(stored));
            }
            let next = match paused {
                true => stored.course.next_at,
                false => stored.parts().ok().and_then(|(_, ticks)| ticks.after(now.as_micros())),
            };
            // Ticks that wait go on to do so.
            let waits = (!stored.course.waiting.is_empty()).then_some(now.as_micros());
            let due = waits.or(next).filter(|_| !paused);
            let values = values![name, i64::from(paused), next, due];
            connection.execute(&sql::PAUSE_SCHEDULE, values).await?;
            Ok(Some(Stored { paused, course: Course { next_at: next, ..stored.course }, ..stored }))
        })
        .await
}

/// Writes how far schedules are.
async fn moved(connection: &mut Connection, all: &[Stored]) -> Result<()> {
    let time = |time: Option<Timestamp>| time.map(Timestamp::as_micros);
    let waiting = |stored: &Stored| serde_json::to_string(&stored.course.waiting).unwrap_or_default();
    let rows = Rows::new(vec![
        Column::Text(all.iter().map(|stored| stored.name.clone()).collect()),
        Column::MaybeInt(all.iter().map(|stored| stored.course.next_at).collect()),
        Column::MaybeInt(all.iter().map(|stored| time(stored.due_at)).collect()),
        Column::Text(all.iter().map(waiting).collect()),
        Column::MaybeInt(all.iter().map(|stored| time(stored.last_at)).collect()),
        Column::MaybeText(all.iter().map(|stored| stored.last_task.map(|task| task.to_string())).collect()),
        Column::Int(all.iter().map(|stored| stored.started).collect()),
        Column::Int(all.iter().map(|stored| stored.skipped).collect()),
        Column::MaybeText(all.iter().map(|stored| stored.problem.clone()).collect()),
    ]);
    connection.execute(&sql::MOVE_SCHEDULES, &[Value::Rows(&rows)]).await.map(drop)
}
