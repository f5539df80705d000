//! Commands that are left to the holder of their task, and what becomes of them.
//!
//! Such a command is a row until it is followed or refused. Its line in the audit trail outlives it and has
//! the reason of a refusal, for whoever asked.

use uuid::Uuid;

use super::write_facts;
use crate::{
    model::{Command, CommandError, Fact, Lease, TaskNo, TaskState, Timestamp, task_loop::PendingCommand},
    store::{Connection, Result, Session, sql, values},
};

/// What a command came to that was left to the holder of its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    NotYet,
    Followed,
    /// Because of this.
    Refused(String),
}

/// A command that waits for somebody to follow it.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
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

impl Waiting {
    /// As the holder of the task gets it.
    pub(crate) fn pending(self) -> PendingCommand {
        let lease = Lease { task: self.task, epoch: self.epoch };
        PendingCommand { id: self.id, lease, command: self.command, audit: self.audit }
    }
}

/// Writes the facts a command leads to for a task this process holds, and forgets the command. False: it is
/// not there any more, because it was followed before or taken back.
pub(crate) async fn record(
    session: &mut Session,
    command: &PendingCommand,
    facts: &[Fact],
    now: Timestamp,
) -> Result<bool> {
    let mut connection = session.open().await?;
    connection.begin().await?;
    let written = async {
        if connection.execute(&sql::DROP_COMMAND, values![command.id]).await? == 0 {
            return Ok(false);
        }
        write_facts(&mut connection, command.lease.task, facts, now).await.map(|()| true)
    }
    .await;
    end(session, connection, written).await
}

/// Forgets a command that cannot be followed and notes why, where it is still there.
pub(crate) async fn refuse(
    session: &mut Session,
    command: &PendingCommand,
    problem: &CommandError,
) -> Result<bool> {
    let mut connection = session.open().await?;
    connection.begin().await?;
    let written = async {
        if connection.execute(&sql::DROP_COMMAND, values![command.id]).await? == 0 {
            return Ok(false);
        }
        note_refusal(&mut connection, command.audit, problem).await.map(|()| true)
    }
    .await;
    end(session, connection, written).await
}

/// Ends a transaction by what came of it.
async fn end<T>(session: &mut Session, mut connection: Connection, written: Result<T>) -> Result<T> {
    match written {
        Ok(written) => {
            connection.commit().await?;
            session.keep(connection);
            Ok(written)
        }
        Err(error) => {
            connection.roll_back().await;
            Err(error)
        }
    }
}

/// Writes into the audit trail why a command was not followed.
pub(super) async fn note_refusal(
    connection: &mut Connection,
    line: Option<i64>,
    problem: &CommandError,
) -> Result<()> {
    let Some(line) = line else { return Ok(()) };
    connection.execute(&sql::REFUSE, values![line, &*problem.to_string()]).await.map(drop)
}

/// What became of the command in this line of the audit trail.
pub(crate) async fn answer(connection: &mut Connection, line: i64) -> Result<Answered> {
    let Some(row) = connection.fetch_first(&sql::ANSWER, values![line]).await? else {
        return Ok(Answered::Followed);
    };
    Ok(match (row.maybe_int(0)?, row.maybe_text(1)?) {
        (Some(_), _) => Answered::NotYet,
        (None, Some(problem)) => Answered::Refused(problem.to_owned()),
        (None, None) => Answered::Followed,
    })
}

/// Forgets a command that was followed.
pub(crate) async fn forget(session: &mut Session, id: i64) -> Result<()> {
    let mut connection = session.open().await?;
    drop_command(&mut connection, id).await?;
    session.keep(connection);
    Ok(())
}

/// The commands this process can do something about: for tasks `worker` or nobody holds, or that are over.
pub(crate) async fn waiting(connection: &mut Connection, worker: i64) -> Result<Vec<Waiting>> {
    let mut waiting = Vec::new();
    for row in connection.fetch(&sql::COMMANDS, values![worker]).await? {
        let id = row.int(0)?;
        let Ok(command) = serde_json::from_str(row.text(2)?) else {
            tracing::error!(id, "a stored command cannot be read and is dropped");
            drop_command(connection, id).await?;
            continue;
        };
        waiting.push(Waiting {
            id,
            task: TaskNo(row.int(1)?),
            command,
            held: row.maybe_int(3)?.is_some(),
            over: match row.maybe_int(4)? {
                Some(_) => TaskState::from_code(i16::try_from(row.int(6)?).unwrap_or(-1)),
                None => None,
            },
            uuid: row.uuid(5)?,
            audit: row.maybe_int(7)?,
            epoch: row.int(8)?,
            template: row.int(9)?,
        });
    }
    Ok(waiting)
}

/// Forgets a command that was followed or that nobody can read.
async fn drop_command(connection: &mut Connection, id: i64) -> Result<()> {
    connection.execute(&sql::DROP_COMMAND, values![id]).await.map(drop)
}
