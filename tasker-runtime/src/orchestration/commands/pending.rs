//! Commands that are left to the holder of their task, and what becomes of them.
//!
//! Such a command is a row until it is followed or refused. Its line in the audit trail outlives it and has
//! the reason of a refusal, for whoever asked.

use uuid::Uuid;

use super::super::append;
use crate::{
    model::{
        Command, CommandError, Fact, Lease, Rules, TaskNo, TaskState, Timestamp, WorkerId,
        task_loop::PendingCommand,
    },
    store::{Connection, Error, Result, Row, Session, sql, values},
};

/// What a command came to that was left to the holder of its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    Pending,
    Followed,
    /// Because of this.
    Refused(String),
}

/// A command that waits for somebody to follow it.
#[derive(Clone, Debug)]
pub(crate) struct StoredCommand {
    pub id: i64,
    pub task: TaskNo,
    pub uuid: Uuid,
    pub command: Command,
    /// The number of the template the task started with.
    pub template: i64,
    /// The lease of the task when this was read.
    pub epoch: i64,
    /// Somebody holds the task, or did when it ended: this worker.
    pub held: bool,
    /// The task is over, in this state.
    pub over: Option<TaskState>,
    /// The line of the audit trail it stands in.
    pub audit: Option<i64>,
}

impl StoredCommand {
    /// As the holder of the task gets it.
    pub(crate) fn pending(self) -> PendingCommand {
        let lease = Lease { task: self.task, epoch: self.epoch };
        PendingCommand { id: self.id, lease, command: self.command, audit: self.audit }
    }
}

/// Writes the facts a command leads to for a task this process holds, and forgets the command. False: it is
/// not there any more, because it was followed before or taken back; or the task is held no more, and it is left
/// to whoever holds it next.
pub(crate) async fn record(
    session: &mut Session,
    command: &PendingCommand,
    facts: &[Fact],
    rules: &Rules,
    now: Timestamp,
) -> Result<bool> {
    let written = session.run(async |connection| {
        let write = async |connection: &mut Connection| write(connection, command, facts, rules, now).await;
        let written = connection.transaction(write);
        written.await
    });
    match written.await {
        // Nothing of it is written, and asking again would come to the same.
        Err(error) if !error.is_transient() => {
            refuse_because(session, command, &error.to_string()).await?;
            Ok(false)
        }
        written => written,
    }
}

async fn write(
    connection: &mut Connection,
    command: &PendingCommand,
    facts: &[Fact],
    rules: &Rules,
    now: Timestamp,
) -> Result<bool> {
    let lease = command.lease;
    let held = connection.fetch_first(&sql::HOLD_RUN, values![lease.task.0, lease.epoch]).await?;
    let Some(holder) = held.map(|row| row.int(0)).transpose()?.map(WorkerId) else { return Ok(false) };
    if connection.execute(&sql::DROP_COMMAND, values![command.id]).await? == 0 {
        return Ok(false);
    }
    append::decide(connection, Some(holder), lease, facts, rules, now).await.map(|()| true)
}

/// Forgets a command that cannot be followed and notes why, where it is still there.
pub(crate) async fn refuse(
    session: &mut Session,
    command: &PendingCommand,
    problem: &CommandError,
) -> Result<bool> {
    refuse_because(session, command, &problem.to_string()).await
}

async fn refuse_because(session: &mut Session, command: &PendingCommand, problem: &str) -> Result<bool> {
    let (id, line) = (command.id, command.audit);
    session.run(async |connection| drop_and_note(connection, id, line, problem).await).await
}

async fn drop_and_note(
    connection: &mut Connection,
    id: i64,
    line: Option<i64>,
    problem: &str,
) -> Result<bool> {
    let noted = connection.transaction(async |connection| {
        if connection.execute(&sql::DROP_COMMAND, values![id]).await? == 0 {
            return Ok::<_, Error>(false);
        }
        note_refusal(connection, line, problem).await.map(|()| true)
    });
    noted.await
}

/// Writes into the audit trail why a command was not followed.
pub(super) async fn note_refusal(
    connection: &mut Connection,
    line: Option<i64>,
    problem: &str,
) -> Result<()> {
    let Some(line) = line else { return Ok(()) };
    connection.execute(&sql::REFUSE, values![line, problem]).await.map(drop)
}

/// What became of the command in this line of the audit trail.
pub(crate) async fn answer(connection: &mut Connection, line: i64) -> Result<Response> {
    let Some(row) = connection.fetch_first(&sql::ANSWER, values![line]).await? else {
        return Ok(Response::Followed);
    };
    Ok(match (row.maybe_int(0)?, row.maybe_text(1)?) {
        (Some(_), _) => Response::Pending,
        (None, Some(problem)) => Response::Refused(problem.to_owned()),
        (None, None) => Response::Followed,
    })
}

/// Forgets a command that was followed.
pub(crate) async fn forget(session: &mut Session, id: i64) -> Result<()> {
    session.run(async |connection| connection.execute(&sql::DROP_COMMAND, values![id]).await.map(drop)).await
}

/// The commands this process can do something about: for tasks `worker` or nobody holds, or that are over.
pub(crate) async fn stored(connection: &mut Connection, worker: i64) -> Result<Vec<StoredCommand>> {
    let mut waiting = Vec::new();
    for row in connection.fetch(&sql::COMMANDS, values![worker]).await? {
        let (id, audit, uuid) = (row.int(0)?, row.maybe_int(7)?, row.uuid(5)?);
        let read = read(&row).map_err(|error| error.of_task(uuid));
        match read {
            Ok(command) => waiting.push(command),
            Err(problem) => {
                tracing::error!(id, %problem, "a stored command cannot be read and is dropped");
                drop_and_note(connection, id, audit, &problem.to_string()).await?;
            }
        }
    }
    Ok(waiting)
}

fn read(row: &Row) -> Result<StoredCommand> {
    let text = row.text(2)?;
    Ok(StoredCommand {
        id: row.int(0)?,
        task: TaskNo(row.int(1)?),
        command: serde_json::from_str(text).map_err(|problem| {
            Error::corrupt("commands.command", text, format!("is no command: {problem}"))
        })?,
        held: row.maybe_int(3)?.is_some(),
        over: row.maybe_int(4)?.map(|_| row.state(6, 3)).transpose()?,
        uuid: row.uuid(5)?,
        audit: row.maybe_int(7)?,
        epoch: row.int(8)?,
        template: row.int(9)?,
    })
}
