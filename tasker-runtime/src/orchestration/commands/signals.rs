//! Takes in what is sent to tasks from outside.
//!
//! A signal is a row, numbered in the order it arrived, for as long as its task is there. It is used up by the entry
//! of the step that it settles, which has its number: so a signal settles one step at most, and one that no step
//! waits for yet waits itself.
//!
//! Whoever holds the task is told by a command, in the transaction that adds the signal; one command is enough for all
//! that were sent since somebody looked. A crash before the commit leaves nothing; after it, the command is there until
//! the signal was looked at.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Asker, Delivery, Locked, audit_line, is_set_aside, lock, put};
use crate::{
    model::{Command, Json, MAX_MAILBOX, Moved, Rules, Signal, SignalRefused, TaskNo, TaskState, Timestamp},
    store::{self, Connection, Error, Result, Row, Session, sql, values},
};

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewSignal<'s> {
    pub name: &'s str,
    pub payload: &'s Json,
    pub key: Option<&'s str>,
    /// Who sends it.
    pub by: Asker<'s>,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its number among those of its task.
    pub number: u32,
    /// Somebody holds the task and is told.
    pub held: bool,
}

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    #[error(transparent)]
    Refused(#[from] SignalRefused),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Adds a signal to the task `uuid`, whose template has these rules, in a transaction of its own; `None`: there is no
/// such task. Where the idempotency key was used for the same signal before, that one counts.
pub(crate) async fn send(
    connection: &mut Connection,
    uuid: Uuid,
    signal: NewSignal<'_>,
    rules: &Rules,
    now: Timestamp,
) -> std::result::Result<Option<Sent>, NotSent> {
    connection
        .transaction(async |connection| {
            let Some(locked) = lock(connection, uuid).await? else { return Ok(None) };
            if let Some(known) = known(connection, locked.task, signal).await? {
                return Ok(Some(known));
            }
            match locked.state {
                state if state.is_final() => return Err(SignalRefused::Over(state).into()),
                TaskState::Compensating => return Err(SignalRefused::RollingBack.into()),
                _ => {}
            }
            rules.knows_signal(signal.name)?;
            let number = next_number(connection, locked.task, rules).await?;
            let (task, payload) = (locked.task.0, signal.payload.as_str());
            let values = values![task, i64::from(number), now.as_micros(), signal.name, signal.key, payload];
            connection.execute(&sql::ADD_SIGNAL, values).await?;
            let detail = serde_json::json!({ "signal": { "name": signal.name, "number": number } });
            let verb = Command::Deliver.verb();
            let line = audit_line(connection, locked.task, now, signal.by, verb, &detail.to_string()).await?;
            deliver_or_tell(connection, &locked, now, line).await?;
            Ok(Some(Sent { number, held: locked.held }))
        })
        .await
}

/// The same signal, where it was sent before with this idempotency key.
async fn known(
    connection: &mut Connection,
    task: TaskNo,
    signal: NewSignal<'_>,
) -> std::result::Result<Option<Sent>, NotSent> {
    let Some(key) = signal.key else { return Ok(None) };
    let Some(row) = connection.fetch_first(&sql::SIGNAL_OF_KEY, values![task.0, key]).await? else {
        return Ok(None);
    };
    let number = row.count(0, "signals.number")?;
    let payload = row.json(2, "signals.payload")?;
    let same = row.text(1)? == signal.name && payload.canonical() == signal.payload.canonical();
    if same {
        Ok(Some(Sent { number, held: false }))
    } else {
        Err(SignalRefused::KeyReused { number }.into())
    }
}

/// The number of the next signal of a task.
async fn next_number(
    connection: &mut Connection,
    task: TaskNo,
    rules: &Rules,
) -> std::result::Result<u32, NotSent> {
    let counts = connection.fetch_first(&sql::SIGNAL_COUNTS, values![task.0]).await?;
    let (sent, last) = match &counts {
        Some(row) => (row.int(0)?, row.count(1, "signals.number")?),
        None => (0, 0),
    };
    // As long as all that were ever sent are few enough, it does not matter how many are used up.
    if u64::try_from(sent).unwrap_or(0) >= MAX_MAILBOX {
        let steps: Vec<i64> = rules.steps_for_signal(None).map(i64::from).collect();
        let used = connection.fetch_first(&sql::SIGNALS_USED, values![task.0, steps]).await?;
        let used = used.map_or(Ok(0), |row| row.int(0))?;
        if u64::try_from(sent - used).unwrap_or(0) >= MAX_MAILBOX {
            return Err(SignalRefused::MailboxFull.into());
        }
    }
    Ok(last + 1)
}

async fn deliver_or_tell(
    connection: &mut Connection,
    locked: &Locked,
    now: Timestamp,
    line: Option<i64>,
) -> Result<()> {
    if !locked.held {
        return deliver(connection, locked, now).await.map(drop);
    }
    let text = serde_json::to_string(&Command::Deliver).unwrap_or_default();
    // One that is still there when this commits brings this signal as well.
    if connection.fetch_first(&sql::PENDING_COMMAND, values![locked.task.0, &*text]).await?.is_some() {
        return Ok(());
    }
    connection
        .execute(&sql::ADD_COMMAND, values![locked.task.0, now.as_micros(), &*text, line])
        .await
        .map(drop)
}

/// Has somebody look at what was sent to a locked task that nobody holds: it is due at once where it only waited.
pub(super) async fn deliver(
    connection: &mut Connection,
    locked: &Locked,
    now: Timestamp,
) -> Result<Delivery> {
    let waits = match locked.state {
        TaskState::Waiting => true,
        // A step may go on although others have failed; what was set aside stays so.
        TaskState::BlockedByFailures => !is_set_aside(connection, locked.task).await?,
        _ => false,
    };
    if !waits {
        return Ok(Delivery::Done(locked.state));
    }
    let moved = Moved { state: locked.state.to(TaskState::Pending), due: now, cause: None };
    put(connection, locked.task, moved, now).await?;
    Ok(Delivery::Done(TaskState::Pending))
}

/// Takes the command to look at what was sent to a task, and what that is; `None`: the command is not there any more,
/// because somebody has looked.
pub(crate) async fn take_delivery(
    session: &mut Session,
    command: i64,
    task: TaskNo,
) -> Result<Option<Vec<Signal>>> {
    let taken = session.run(async |connection| {
        let taken = connection.transaction(async |connection| {
            if connection.execute(&sql::DROP_COMMAND, values![command]).await? == 0 {
                return Ok::<_, Error>(None);
            }
            Ok(Some(sent_to(connection, &[task]).await?.remove(&task).unwrap_or_default()))
        });
        taken.await
    });
    taken.await
}

/// What was sent to these tasks, in the order it arrived.
pub(crate) async fn sent_to(
    connection: &mut Connection,
    tasks: &[TaskNo],
) -> Result<HashMap<TaskNo, Vec<Signal>>> {
    let mut sent: HashMap<TaskNo, Vec<Signal>> = HashMap::new();
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    for row in connection.fetch(&sql::SIGNALS, values![numbers]).await? {
        let task = TaskNo(row.int(0)?);
        sent.entry(task).or_default().push(read(&row).map_err(|error| error.of_task(task.0))?);
    }
    Ok(sent)
}

fn read(row: &Row) -> Result<Signal> {
    Ok(Signal {
        number: row.count(1, "signals.number")?,
        name: row.text(2)?.into(),
        payload: row.json(3, "signals.payload")?,
        sent_at: Timestamp::from_micros(row.int(4)?),
    })
}
