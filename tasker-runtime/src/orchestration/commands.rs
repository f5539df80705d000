//! Lets operators move tasks: at once where nobody holds the task, through its holder otherwise.
//!
//! The facts a command leads to are rows like any other, so a crash loses no command: it is either
//! followed, or still there to be followed.

mod pending;
mod signals;

use std::sync::Arc;

use uuid::Uuid;

use self::pending::note_refusal;
pub(crate) use self::pending::{Response, StoredCommand, answer, forget, record, refuse, stored};
pub(crate) use self::signals::{NewSignal, NotSent, send, sent_to, take_delivery};
use super::{
    append, family,
    journal::{self, History},
    share, turns, view,
};
use crate::{
    model::{Command, CommandError, Fact, Lease, Moved, Progress, Rules, TaskNo, TaskState, Timestamp},
    store::{self, Connection, Result, sql, values},
};

/// The run of a task, locked until the transaction ends.
#[derive(Clone, Debug)]
struct Locked {
    task: TaskNo,
    epoch: i64,
    template: i64,
    state: TaskState,
    held: bool,
    cause: Option<String>,
    created_at: Timestamp,
}

/// What a process knows of a template.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub rules: Arc<Rules>,
    /// It has all its handlers, so it knows everything that is to be undone.
    pub whole: bool,
}

impl Locked {
    /// What entries about it are appended under.
    fn lease(&self) -> Lease {
        Lease { task: self.task, epoch: self.epoch }
    }
}

/// Why a command was not followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It is followed.
    Done(TaskState),
    /// The holder of the task is to follow it; what it answers stands in this line of the audit trail.
    LeftToHolder(Option<i64>),
}

/// Who stands in the audit trail for a command, and why they gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub actor: &'a str,
    pub reason: Option<&'a str>,
}

impl<'a> Asker<'a> {
    /// Somebody who says no reason.
    pub(crate) fn without_reason(actor: &'a str) -> Self {
        Self { actor, reason: None }
    }
}

/// Locks the run of a task; `None` when there is no such task. A transaction must be open.
async fn lock(connection: &mut Connection, uuid: Uuid) -> Result<Option<Locked>> {
    let Some(row) = connection.fetch_first(&sql::LOCK_RUN, values![uuid]).await? else { return Ok(None) };
    Ok(Some(Locked {
        task: TaskNo(row.int(0)?),
        epoch: row.int(4)?,
        template: row.int(1)?,
        state: row.state(2, 3).map_err(|error| error.of_task(uuid))?,
        held: row.maybe_int(3)?.is_some(),
        cause: row.maybe_text(5)?.map(str::to_owned),
        created_at: Timestamp::from_micros(row.int(6)?),
    }))
}

/// Follows `command` for the task `uuid`, or leaves it to its holder, in a transaction of its own.
/// `known` says what is known of a template by its number. `None`: there is no such task.
pub(crate) async fn ask<F: Future<Output = Result<Known>>>(
    connection: &mut Connection,
    uuid: Uuid,
    command: &Command,
    by: Option<Asker<'_>>,
    now: Timestamp,
    known: impl FnOnce(i64) -> F,
) -> std::result::Result<Option<Delivery>, Refused> {
    connection
        .transaction(async |connection| {
            let Some(locked) = lock(connection, uuid).await? else { return Ok(None) };
            let (known, task) = (known(locked.template).await?, locked.task);
            let line = match by {
                Some(by) => audit(connection, task, now, by, command).await?,
                None => None,
            };
            follow(connection, locked, known, command, now, line).await.map(Some)
        })
        .await
}

/// Follows a command that was left to a holder, for a task nobody holds any more. `None`: it is not there any
/// more, because somebody followed it or took it back.
pub(crate) async fn follow_left<F: Future<Output = Result<Known>>>(
    connection: &mut Connection,
    waiting: &StoredCommand,
    now: Timestamp,
    known: impl FnOnce(i64) -> F,
) -> std::result::Result<Option<Delivery>, Refused> {
    connection
        .transaction(async |connection| {
            let Some(locked) = lock(connection, waiting.uuid).await? else { return Ok(Ok(None)) };
            if locked.held && !locked.state.is_final() {
                return Ok(Ok(Some(Delivery::LeftToHolder(waiting.audit))));
            }
            if connection.execute(&sql::DROP_COMMAND, values![waiting.id]).await? == 0 {
                return Ok(Ok(None));
            }
            // It is what was asked for.
            if locked.state == TaskState::Cancelled && waiting.command == Command::Cancel {
                return Ok(Ok(Some(Delivery::Done(locked.state))));
            }
            let known = known(locked.template).await?;
            match follow(connection, locked, known, &waiting.command, now, waiting.audit).await {
                Ok(asked) => Ok(Ok(Some(asked))),
                // What is refused has changed nothing but that it is not asked any more.
                Err(Refused::Command(problem)) => {
                    note_refusal(connection, waiting.audit, &problem.to_string()).await?;
                    Ok(Err(Refused::Command(problem)))
                }
                Err(Refused::Store(error)) => Err(error),
            }
        })
        .await?
}

/// Follows `command` for a locked task nobody holds, or leaves it to the holder. The transaction is still
/// to be committed.
async fn follow(
    connection: &mut Connection,
    locked: Locked,
    known: Known,
    command: &Command,
    now: Timestamp,
    line: Option<i64>,
) -> std::result::Result<Delivery, Refused> {
    if *command == Command::Deliver {
        return Ok(signals::deliver(connection, &locked, now).await?);
    }
    if locked.state == TaskState::Complete && matches!(command, Command::Retry { .. }) {
        return take_up(connection, locked, known.rules, command, now).await;
    }
    if locked.state.is_final() {
        return Err(CommandError::Over(locked.state).into());
    }
    if *command == Command::GiveUp && (locked.held || locked.state != TaskState::BlockedByFailures) {
        return Err(CommandError::NotBlocked(locked.state).into());
    }
    let history = match history(connection, &locked, &known.rules).await {
        // To end it, nobody need know how far it came.
        Err(store::Error::Corrupt { .. }) if *command == Command::Cancel => History::default(),
        history => history?,
    };
    if let Some(step) = history.unknown_step(&known.rules).filter(|_| *command != Command::Cancel) {
        let problem = "is not a step of its template";
        return Err(store::Error::corrupt("the journal", step.code(), problem).of_task(locked.task.0).into());
    }
    let mut progress = history.replay(known.rules);
    if *command == Command::Resume {
        let taken_back = take_back(connection, locked.task, &Command::Pause).await?;
        match locked.state {
            TaskState::Paused => {}
            state if !taken_back => return Err(CommandError::NotPaused(state).into()),
            state if !locked.held => return Ok(Delivery::Done(state)),
            // Its holder may know of the pause already.
            _ => {}
        }
    }
    if locked.held {
        return pass(connection, locked.task, &progress, command, now, line).await;
    }
    let facts = match command.facts(&progress, now) {
        // No step of a task that was set aside need have failed: the task as a whole is tried again.
        Err(CommandError::NothingFailed) if is_set_aside(connection, locked.task).await? => Vec::new(),
        facts => facts?,
    };
    let at = progress.after_all(now);
    append::decide(connection, None, locked.lease(), &facts, progress.rules(), at).await?;
    for (no, event) in facts.iter().map(Fact::event) {
        // A result that cannot be followed was refused before it became a fact.
        let _ = progress.apply_at(no, &event, at);
    }
    let moved = progress.after_command(command, locked.state, locked.cause, known.whole, now);
    let state = moved.state;
    put(connection, locked.task, moved, now).await?;
    if *command == Command::Resume {
        family::resume_children(connection, locked.task, now).await?;
    }
    Ok(Delivery::Done(state))
}

/// What is recorded of a locked task, with what its waits start from.
async fn history(connection: &mut Connection, locked: &Locked, rules: &Rules) -> Result<History> {
    let mut history = journal::of(connection, locked.task).await?;
    history.start.at = locked.created_at;
    if rules.reads_context() {
        history.start.context = view::context(connection, locked.task).await?;
    }
    Ok(history)
}

/// Puts a locked task that nobody holds where a command led it.
async fn put(connection: &mut Connection, task: TaskNo, moved: Moved, now: Timestamp) -> Result<()> {
    let (code, over, due) = (i64::from(moved.state.code()), moved.state.is_final(), moved.due.as_micros());
    let (owner, finished) = (over.then_some(0), over.then_some(now.as_micros()));
    let values = values![task.0, code, due, owner, finished, moved.cause.as_deref()];
    connection.execute(&sql::SET_RUN, values).await?;
    if over {
        // What its last holder lent comes to nobody any more.
        share::drop_of(connection, &[task]).await?;
        turns::leave(connection, task).await?;
        family::tell_parents(connection, task, now).await?;
    }
    family::ask_children(connection, task, moved.state, now).await?;
    connection.execute(&sql::RESOLVE_DEAD_LETTER, values![task.0, now.as_micros()]).await.map(drop)
}

/// Leaves `command`, which stands in `line` of the audit trail, to the holder of the task.
async fn pass(
    connection: &mut Connection,
    task: TaskNo,
    progress: &Progress,
    command: &Command,
    now: Timestamp,
    line: Option<i64>,
) -> std::result::Result<Delivery, Refused> {
    // What the steps of a held task allow, its holder knows best; which there are, everybody knows.
    if let Err(unknown @ CommandError::UnknownStep { .. }) = command.facts(progress, now) {
        return Err(unknown.into());
    }
    let text = serde_json::to_string(command).unwrap_or_default();
    connection.execute(&sql::ADD_COMMAND, values![task.0, now.as_micros(), &*text, line]).await?;
    Ok(Delivery::LeftToHolder(line))
}

/// Takes up a task that is complete but for batches that failed in isolation. The steps after the batch are
/// not run again: what they returned stays.
async fn take_up(
    connection: &mut Connection,
    locked: Locked,
    rules: Arc<Rules>,
    command: &Command,
    now: Timestamp,
) -> std::result::Result<Delivery, Refused> {
    let history = history(connection, &locked, &rules).await?;
    let facts = match command.facts(&history.replay(rules.clone()), now) {
        Err(CommandError::NothingFailed) => return Err(CommandError::Over(locked.state).into()),
        facts => facts?,
    };
    append::decide(connection, None, locked.lease(), &facts, &rules, now).await?;
    turns::again(connection, locked.task).await?;
    let code = |state: TaskState| i64::from(state.code());
    let (again, over) = (code(TaskState::Pending), code(TaskState::Complete));
    let values = values![locked.task.0, now.as_micros(), again, over];
    connection.execute(&sql::REOPEN_RUN, values).await?;
    turns::give_again(connection, locked.task).await?;
    Ok(Delivery::Done(TaskState::Pending))
}

/// Takes back a command that nobody has followed yet; false: there is none.
async fn take_back(connection: &mut Connection, task: TaskNo, command: &Command) -> Result<bool> {
    let text = serde_json::to_string(command).unwrap_or_default();
    Ok(connection.execute(&sql::TAKE_BACK_COMMAND, values![task.0, &*text]).await? > 0)
}

/// Whether a task was set aside and no operator has taken it up since.
async fn is_set_aside(connection: &mut Connection, task: TaskNo) -> Result<bool> {
    Ok(connection.fetch_first(&sql::DEAD_LETTER, values![task.0]).await?.is_some())
}

/// Writes what an operator did into the audit trail, and returns the line.
async fn audit(
    connection: &mut Connection,
    task: TaskNo,
    now: Timestamp,
    by: Asker<'_>,
    command: &Command,
) -> Result<Option<i64>> {
    let detail = serde_json::to_string(command).unwrap_or_default();
    audit_line(connection, task, now, by, command.verb(), &detail).await
}

pub(super) async fn audit_line(
    connection: &mut Connection,
    task: TaskNo,
    now: Timestamp,
    by: Asker<'_>,
    verb: &str,
    detail: &str,
) -> Result<Option<i64>> {
    let values = values![task.0, now.as_micros(), by.actor, verb, detail, by.reason];
    let line = connection.fetch_first(&sql::AUDIT, values).await?;
    line.map(|row| row.int(0)).transpose()
}

/// One line of the audit trail of a task.
pub(crate) struct AuditLine {
    pub id: i64,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub detail: Option<String>,
    pub reason: Option<String>,
    pub refused: Option<String>,
    /// It still waits for the holder of the task.
    pub pending: bool,
}

/// At most `limit` lines of the audit trail of a task after the line `after`, oldest first.
pub(crate) async fn trail(
    connection: &mut Connection,
    task: TaskNo,
    after: i64,
    limit: i64,
) -> Result<Vec<AuditLine>> {
    let rows = connection.fetch(&sql::AUDIT_TRAIL, values![task.0, after, limit]).await?;
    let line = |row: &crate::store::Row| {
        let text = |column| Ok(row.maybe_text(column)?.map(str::to_owned));
        Ok(AuditLine {
            id: row.int(0)?,
            at: Timestamp::from_micros(row.int(1)?),
            actor: row.text(2)?.to_owned(),
            action: row.text(3)?.to_owned(),
            detail: text(4)?,
            reason: text(5)?,
            refused: text(6)?,
            pending: row.maybe_int(7)?.is_some(),
        })
    };
    rows.iter().map(line).collect()
}
