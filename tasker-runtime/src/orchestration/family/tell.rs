//! Tells tasks of the ends of those that they started, and these of what becomes of it.

use std::collections::BTreeSet;

use crate::{
    model::{Command, End, TaskNo, TaskState, Timestamp},
    store::{Connection, Result, sql, values},
};

/// Who is to look at something now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Holders of tasks were asked something.
    pub commands: bool,
    /// The queues in which tasks are due now.
    pub queues: BTreeSet<String>,
}

impl Told {
    /// Takes in what came of another write.
    pub(crate) fn add(&mut self, other: Self) {
        self.commands |= other.commands;
        self.queues.extend(other.queues);
    }
}

/// What the tasks that a task started are asked to do when it comes to this state.
fn follows(state: TaskState) -> Option<Command> {
    match state {
        TaskState::Paused => Some(Command::Pause),
        state if state.is_final() => Some(Command::Cancel),
        _ => None,
    }
}

/// Whether an end concerns other tasks than its own.
fn concerns_others(end: &End) -> bool {
    end.kin.parent && end.finished_at.is_some() || end.kin.children && follows(end.state).is_some()
}

/// Runs `write`, which writes these ends, and tells those whom they concern in the same transaction; where they concern
/// nobody else, without one.
pub(crate) async fn write_ends(
    connection: &mut Connection,
    ends: &[End],
    now: Timestamp,
    write: impl AsyncFnOnce(&mut Connection) -> Result<bool>,
) -> Result<(bool, Told)> {
    if !ends.iter().any(concerns_others) {
        return Ok((write(connection).await?, Told::default()));
    }
    connection
        .transaction(async |connection| {
            let tasks: Vec<i64> = ends.iter().map(|end| end.lease.task.0).collect();
            connection.fetch(&sql::LOCK_FAMILY, values![tasks]).await?;
            let whole = write(connection).await?;
            let over = ends.iter().filter(|end| end.kin.parent && end.finished_at.is_some());
            let over: Vec<TaskNo> = over.map(|end| end.lease.task).collect();
            let mut told = tell(connection, &over, now).await?;
            for command in [Command::Cancel, Command::Pause] {
                let of =
                    ends.iter().filter(|end| end.kin.children && follows(end.state) == Some(command.clone()));
                let of: Vec<TaskNo> = of.map(|end| end.lease.task).collect();
                told.add(ask(connection, &of, &command, now).await?);
            }
            Ok((whole, told))
        })
        .await
}

/// Tells the task that started this one that it is over, in the transaction that is open.
pub(in crate::orchestration) async fn tell_parents(
    connection: &mut Connection,
    task: TaskNo,
    now: Timestamp,
) -> Result<Told> {
    connection.fetch(&sql::LOCK_FAMILY, values![vec![task.0]]).await?;
    tell(connection, &[task], now).await
}

/// Asks the tasks that this one started to follow it to this state, in the transaction that is open.
pub(in crate::orchestration) async fn ask_children(
    connection: &mut Connection,
    task: TaskNo,
    state: TaskState,
    now: Timestamp,
) -> Result<Told> {
    match follows(state) {
        Some(command) => ask(connection, &[task], &command, now).await,
        None => Ok(Told::default()),
    }
}

/// Asks the tasks that this one started, and that were paused with it, to go on, in the transaction that is open.
pub(in crate::orchestration) async fn resume_children(
    connection: &mut Connection,
    task: TaskNo,
    now: Timestamp,
) -> Result<Told> {
    ask(connection, &[task], &Command::Resume, now).await
}

async fn tell(connection: &mut Connection, over: &[TaskNo], now: Timestamp) -> Result<Told> {
    let mut told = Told::default();
    if over.is_empty() {
        return Ok(told);
    }
    let tasks: Vec<i64> = over.iter().map(|task| task.0).collect();
    let complete = i64::from(TaskState::Complete.code());
    let rows = connection.fetch(&sql::CHILDREN_ENDED, values![tasks, complete]).await?;
    let parents: BTreeSet<i64> = rows.iter().map(|row| row.int(0)).collect::<Result<_>>()?;
    if parents.is_empty() {
        return Ok(told);
    }
    let parents: Vec<i64> = parents.into_iter().collect();
    let deliver = serde_json::to_string(&Command::Deliver).unwrap_or_default();
    let asked = values![parents.clone(), now.as_micros(), &*deliver];
    told.commands = connection.execute(&sql::TELL_PARENTS, asked).await? > 0;
    let code = |state: TaskState| i64::from(state.code());
    let states = [TaskState::Waiting, TaskState::BlockedByFailures, TaskState::Pending].map(code);
    let values = values![parents, now.as_micros(), states[0], states[1], states[2]];
    for row in connection.fetch(&sql::WAKE_PARENTS, values).await? {
        told.queues.insert(row.text(0)?.to_owned());
    }
    Ok(told)
}

async fn ask(
    connection: &mut Connection,
    parents: &[TaskNo],
    command: &Command,
    now: Timestamp,
) -> Result<Told> {
    if parents.is_empty() {
        return Ok(Told::default());
    }
    let parents: Vec<i64> = parents.iter().map(|task| task.0).collect();
    let (detail, now) = (serde_json::to_string(command).unwrap_or_default(), now.as_micros());
    let audit = values![parents.clone(), now, "the task that started it", command.verb(), &*detail];
    connection.execute(&sql::AUDIT_CHILDREN, audit).await?;
    let asked = connection.execute(&sql::ASK_CHILDREN, values![parents, now, &*detail]).await?;
    Ok(Told { commands: asked > 0, queues: BTreeSet::new() })
}
