//! Reads the log of domain events.
//!
//! Only what is settled is read: everything up to a position that no transaction can add anything before.

mod horizon;

use uuid::Uuid;

pub(crate) use horizon::Horizon;

use crate::{
    model::{EventOutcome, Json, StepIndex, TaskNo, Timestamp},
    store::{Connection, Error, Result, Row, sql, values},
};

/// An event as the log has it.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub position: i64,
    pub at: Timestamp,
    /// Its number among the events of its task, from 1.
    pub sequence: u32,
    pub step: StepIndex,
    pub attempt: u32,
    /// Its place among the events of its attempt.
    pub place: u32,
    pub outcome: EventOutcome,
    pub name: String,
    pub payload: Json,
    pub task: Uuid,
    pub template: i64,
    pub correlation_id: Uuid,
    pub namespace: String,
    pub template_name: String,
    pub version: String,
    /// The number of its task.
    pub number: TaskNo,
}

/// An event that could not be published.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub at: Timestamp,
    pub step: StepIndex,
    pub attempt: u32,
    pub place: u32,
    pub name: String,
    pub reason: String,
    pub detail: String,
    pub payload: Json,
    pub task: Uuid,
    pub template: i64,
}

/// The events after position `after` up to `until`, `limit` of them at most.
pub(crate) async fn page(
    connection: &mut Connection,
    after: i64,
    until: i64,
    limit: usize,
) -> Result<Vec<Logged>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection.fetch(&sql::EVENTS, values![after, until, limit]).await?;
    rows.iter().map(logged).collect()
}

/// The events of a task after its number `after`, `limit` of them at most.
pub(crate) async fn of_task(
    connection: &mut Connection,
    task: Uuid,
    after: u32,
    limit: usize,
) -> Result<Vec<Logged>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection.fetch(&sql::TASK_EVENTS, values![task, i64::from(after), limit]).await?;
    rows.iter().map(logged).collect()
}

/// The events that could not be published, the newest first, `limit` of them at most.
pub(crate) async fn letters(connection: &mut Connection, limit: usize) -> Result<Vec<Letter>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection.fetch(&sql::EVENT_LETTERS, values![limit]).await?;
    let letter = |row: &Row| {
        Ok(Letter {
            at: Timestamp::from_micros(row.int(0)?),
            step: row.step(1, "event_letters.step")?,
            attempt: row.count(2, "event_letters.attempt")?,
            place: row.count(3, "event_letters.place")?,
            name: row.text(4)?.to_owned(),
            reason: row.text(5)?.to_owned(),
            detail: row.text(6)?.to_owned(),
            payload: row.json(7, "event_letters.payload")?,
            task: row.uuid(8)?,
            template: row.int(9)?,
        })
    };
    rows.iter().map(letter).collect()
}

fn logged(row: &Row) -> Result<Logged> {
    let outcome = row.int(6)?;
    let unknown = || Error::corrupt("events.outcome", outcome, "is not an outcome of attempts");
    Ok(Logged {
        position: row.int(0)?,
        at: Timestamp::from_micros(row.int(1)?),
        sequence: row.count(2, "events.seq")?,
        step: row.step(3, "events.step")?,
        attempt: row.count(4, "events.attempt")?,
        place: row.count(5, "events.place")?,
        outcome: EventOutcome::from_code(outcome).ok_or_else(unknown)?,
        name: row.text(7)?.to_owned(),
        payload: row.json(8, "events.payload")?,
        task: row.uuid(9)?,
        template: row.int(10)?,
        correlation_id: row.uuid(11)?,
        namespace: row.text(12)?.to_owned(),
        template_name: row.text(13)?.to_owned(),
        version: row.text(14)?.to_owned(),
        number: TaskNo(row.int(15)?),
    })
}
