//! What is kept of subscriptions: how far each is, what is parked, and which worker serves it.
//!
//! A worker serves a subscription as it holds a task: for as long as it is alive, and under a lease whose number grows
//! each time somebody takes it. Whatever an operator changes takes it away from whoever serves it, so that he begins
//! anew from what is written.

mod again;

pub(crate) use self::again::{DeadDelivery, Treatment, dead, replay, treat};
use crate::{
    model::{
        StepError, TaskNo, Timestamp, WorkerId,
        subscription::{ParkedEvent, SubscriptionChanges},
    },
    store::{Column, Connection, Error, Result, Row, Rows, sql, values},
};

/// What a subscription does, as its row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Live,
    Paused,
    Blocked,
    Disabled,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Live, Self::Paused, Self::Blocked, Self::Disabled];

    /// The number that stands in the row.
    const fn code(self) -> i64 {
        self as i64
    }

    fn read(row: &Row, column: usize) -> Result<Self> {
        let code = row.int(column)?;
        let known = Self::ALL.into_iter().find(|phase| phase.code() == code);
        known.ok_or_else(|| Error::corrupt("subscriptions.state", code, "is not a state of subscriptions"))
    }

    /// Whether a worker may serve it.
    pub(crate) fn is_served(self) -> bool {
        matches!(self, Self::Live | Self::Blocked)
    }
}

/// The kind of subscriptions that functions of a program serve.
const HANDLER: i64 = 0;

/// A subscription that a program wants to serve.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub name: &'static str,
    pub patterns: &'static [&'static str],
    pub namespaces: &'static [&'static str],
    /// Where it begins if it is new.
    pub position: i64,
}

/// Who serves a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub id: i64,
    pub name: String,
    pub lease: i64,
    pub phase: Phase,
    /// The live worker that serves it.
    pub owner: Option<WorkerId>,
}

/// What a worker that took a subscription goes on from.
#[derive(Debug)]
pub(crate) struct Taken {
    pub lease: i64,
    pub position: i64,
    pub blocked: bool,
    pub parked: Vec<ParkedEvent>,
}

/// Puts subscriptions there that are not, and notes what those are told of that are.
pub(crate) async fn put(connection: &mut Connection, wanted: &[Wanted], now: Timestamp) -> Result<()> {
    for Wanted { name, patterns, namespaces, position } in wanted {
        let text = |names: &[&str]| serde_json::to_string(names).unwrap_or_default();
        let (patterns, namespaces) = (text(patterns), text(namespaces));
        let values = values![*name, HANDLER, &*patterns, &*namespaces, *position, now.as_micros()];
        connection.execute(&sql::PUT_SUBSCRIPTION, values).await?;
    }
    Ok(())
}

/// Who serves which subscription.
pub(crate) async fn owners(connection: &mut Connection) -> Result<Vec<Served>> {
    let served = |row: &Row| {
        Ok(Served {
            id: row.int(0)?,
            name: row.text(1)?.to_owned(),
            lease: row.int(2)?,
            phase: Phase::read(row, 3)?,
            owner: row.maybe_int(4)?.map(WorkerId),
        })
    };
    connection.fetch(&sql::SUBSCRIPTION_OWNERS, &[]).await?.iter().map(served).collect()
}

/// Takes a subscription that nobody serves; `None` where somebody does, or nobody may.
pub(crate) async fn take(connection: &mut Connection, id: i64, worker: WorkerId) -> Result<Option<Taken>> {
    connection
        .transaction(async |connection| {
            let taken = connection.fetch_first(&sql::TAKE_SUBSCRIPTION, values![id, worker.0]).await?;
            let Some(row) = taken else { return Ok(None) };
            let position = row.int(0)?;
            let rows = connection.fetch(&sql::PARKED_OF, values![id, position]).await?;
            Ok(Some(Taken {
                lease: row.int(1)?,
                position,
                blocked: Phase::read(&row, 2)? == Phase::Blocked,
                parked: rows.iter().map(parked).collect::<Result<_>>()?,
            }))
        })
        .await
}

fn parked(row: &Row) -> Result<ParkedEvent> {
    Ok(ParkedEvent {
        position: row.int(0)?,
        task: TaskNo(row.int(1)?),
        attempts: row.count(2, "parked.attempts")?,
        next_at: row.maybe_int(3)?.map(Timestamp::from_micros),
        redelivered: row.int(4)? == 1,
        error: error(row, 5)?,
    })
}

/// Why a delivery failed.
fn error(row: &Row, column: usize) -> Result<Option<StepError>> {
    let Some(text) = row.maybe_text(column)? else { return Ok(None) };
    let read = serde_json::from_str(text);
    read.map(Some).map_err(|problem| Error::corrupt("parked.error", "text", problem.to_string()))
}

/// Writes what happened to a subscription, all of it; `false`: it is somebody else's by now, and nothing is written.
pub(crate) async fn write(
    connection: &mut Connection,
    (id, worker, lease): (i64, WorkerId, i64),
    changes: &SubscriptionChanges,
    now: Timestamp,
) -> Result<bool> {
    let blocked = i64::from(changes.blocked);
    let values = values![id, worker.0, lease, changes.cursor, blocked, now.as_micros()];
    if changes.parked.is_empty() && changes.delivered.is_empty() {
        return Ok(connection.execute(&sql::MOVE_SUBSCRIPTION, values).await? == 1);
    }
    connection
        .transaction(async |connection| {
            if connection.execute(&sql::MOVE_SUBSCRIPTION, values).await? != 1 {
                return Ok(false);
            }
            if !changes.parked.is_empty() {
                connection.execute(&sql::PARK, values![id, &rows(&changes.parked)]).await?;
            }
            if !changes.delivered.is_empty() {
                connection.execute(&sql::UNPARK, values![id, changes.delivered.clone()]).await?;
            }
            Ok(true)
        })
        .await
}

fn rows(parked: &[ParkedEvent]) -> Rows {
    let error =
        |event: &ParkedEvent| event.error.as_ref().and_then(|error| serde_json::to_string(error).ok());
    Rows::new(vec![
        Column::Int(parked.iter().map(|event| event.position).collect()),
        Column::Int(parked.iter().map(|event| event.task.0).collect()),
        Column::Int(parked.iter().map(|event| event.attempts.into()).collect()),
        Column::MaybeInt(parked.iter().map(|event| event.next_at.map(Timestamp::as_micros)).collect()),
        Column::Int(parked.iter().map(|event| event.redelivered.into()).collect()),
        Column::MaybeText(parked.iter().map(error).collect()),
    ])
}

/// Lets others serve what this worker served.
pub(crate) async fn leave(connection: &mut Connection, worker: WorkerId) -> Result<()> {
    connection.execute(&sql::LEAVE_SUBSCRIPTIONS, values![worker.0]).await.map(drop)
}

/// A subscription as its row says.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub name: String,
    pub patterns: Vec<String>,
    pub namespaces: Vec<String>,
    pub position: i64,
    pub phase: Phase,
    pub since: Timestamp,
    /// The name of the live worker that serves it.
    pub worker: Option<String>,
    pub parked: u64,
    pub dead: u64,
    /// Events that are settled and after its position, 10,001 at most.
    pub behind: u64,
    /// When the first of them happened.
    pub next_at: Option<Timestamp>,
}

/// The subscriptions by name, where the log is settled up to `end`.
pub(crate) async fn list(connection: &mut Connection, end: i64) -> Result<Vec<Stored>> {
    let names = |row: &Row, column| -> Result<Vec<String>> {
        let text = row.text(column)?;
        let read = serde_json::from_str(text);
        read.map_err(|problem| Error::corrupt("subscriptions.patterns", "text", problem.to_string()))
    };
    let number = |row: &Row, column| row.int(column).map(i64::unsigned_abs);
    let stored = |row: &Row| {
        Ok(Stored {
            name: row.text(1)?.to_owned(),
            patterns: names(row, 3)?,
            namespaces: names(row, 4)?,
            position: row.int(5)?,
            phase: Phase::read(row, 6)?,
            since: Timestamp::from_micros(row.int(7)?),
            worker: row.maybe_text(8)?.map(str::to_owned),
            parked: number(row, 9)?,
            dead: number(row, 10)?,
            behind: number(row, 11)?,
            next_at: row.maybe_int(12)?.map(Timestamp::from_micros),
        })
    };
    connection.fetch(&sql::SUBSCRIPTIONS, values![end]).await?.iter().map(stored).collect()
}

/// Pauses a subscription, or lets it go on; `false`: there is none of this name.
pub(crate) async fn set(
    connection: &mut Connection,
    name: &str,
    phase: Phase,
    now: Timestamp,
) -> Result<bool> {
    let values = values![name, phase.code(), now.as_micros()];
    Ok(connection.fetch_first(&sql::SET_SUBSCRIPTION, values).await?.is_some())
}

/// Lets a subscription go on after a position: what is parked is forgotten, and so are dead letters after it; `false`:
/// there is none of this name.
pub(crate) async fn reset(connection: &mut Connection, name: &str, position: i64) -> Result<bool> {
    connection
        .transaction(async |connection| {
            let found = connection.fetch_first(&sql::RESET_SUBSCRIPTION, values![name, position]).await?;
            let Some(row) = found else { return Ok(false) };
            connection.execute(&sql::FORGET_PARKED, values![row.int(0)?, position]).await?;
            Ok(true)
        })
        .await
}

/// The position of the first event at or after a time; `None`: there is none yet.
pub(crate) async fn position_at(connection: &mut Connection, time: Timestamp) -> Result<Option<i64>> {
    let row = connection.fetch_first(&sql::POSITION_AT, values![time.as_micros()]).await?;
    row.map(|row| row.int(0)).transpose()
}
