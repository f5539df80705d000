//! Reads tasks for people.

use uuid::Uuid;

use super::journal::{self, History};
use crate::{
    model::{Json, TaskNo, TaskState, Timestamp},
    store::{Connection, Result, Row, sql, values},
};

/// A task as the store has it.
#[derive(Clone, Debug)]
pub(crate) struct StoredTask {
    pub task: TaskNo,
    pub uuid: Uuid,
    pub template: i64,
    pub correlation_id: Uuid,
    pub created_at: Timestamp,
    pub context: Json,
    pub state: TaskState,
    pub run_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub cause: Option<String>,
    pub queue: String,
    pub priority: i64,
    pub namespace: String,
    pub name: String,
    pub version: String,
}

/// One line of a list of tasks.
#[derive(Clone, Debug)]
pub(crate) struct TaskLine {
    pub task: TaskNo,
    pub uuid: Uuid,
    pub created_at: Timestamp,
    pub state: TaskState,
    pub run_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub cause: Option<String>,
    pub namespace: String,
    pub name: String,
    pub version: String,
}

/// The task and everything recorded about it.
pub(crate) async fn find(connection: &mut Connection, uuid: Uuid) -> Result<Option<(StoredTask, History)>> {
    let Some(row) = connection.fetch_first(&sql::FIND_TASK, values![uuid]).await? else { return Ok(None) };
    let task = stored(&row)?;
    let history = journal::of(connection, task.task).await?;
    Ok(Some((task, history)))
}

/// The number of the template the task started with; `None` when there is no such task.
pub(crate) async fn template(connection: &mut Connection, uuid: Uuid) -> Result<Option<i64>> {
    let row = connection.fetch_first(&sql::FIND_TASK, values![uuid]).await?;
    row.map(|row| row.int(2)).transpose()
}

/// A task that was set aside.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub uuid: Uuid,
    pub namespace: String,
    pub name: String,
    pub since: Timestamp,
    pub reason: String,
}

/// The tasks that were set aside and not taken up since, newest first.
pub(crate) async fn dead_letters(connection: &mut Connection, limit: usize) -> Result<Vec<DeadLetter>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection.fetch(&sql::DEAD_LETTERS, values![limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(DeadLetter {
                uuid: row.uuid(0)?,
                namespace: row.text(1)?.to_owned(),
                name: row.text(2)?.to_owned(),
                since: Timestamp::from_micros(row.int(3)?),
                reason: row.text(4)?.to_owned(),
            })
        })
        .collect()
}

/// The state of a task; `None` when there is no such task.
pub(crate) async fn state(connection: &mut Connection, uuid: Uuid) -> Result<Option<TaskState>> {
    let row = connection.fetch_first(&sql::TASK_STATE, values![uuid]).await?;
    row.map(|row| row.state(0, 1)).transpose()
}

/// At most `limit` tasks before the task `before`, newest first.
pub(crate) async fn list(
    connection: &mut Connection,
    state: Option<TaskState>,
    namespace: Option<&str>,
    before: Option<TaskNo>,
    limit: usize,
) -> Result<Vec<TaskLine>> {
    let (from, to, held) = state.map_or((0, i16::MAX, None), |state| {
        let (from, to, held) = state.phases();
        (from.code(), to.code(), held.map(i64::from))
    });
    let (from, to) = (i64::from(from), i64::from(to));
    let before = before.map_or(i64::MAX, |task| task.0);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection.fetch(&sql::LIST_TASKS, values![from, namespace, before, limit, to, held]).await?;
    rows.iter()
        .map(|row| {
            Ok(TaskLine {
                task: TaskNo(row.int(0)?),
                uuid: row.uuid(1)?,
                created_at: Timestamp::from_micros(row.int(2)?),
                state: row.state(3, 10)?,
                run_at: Timestamp::from_micros(row.int(4)?),
                finished_at: row.maybe_int(5)?.map(Timestamp::from_micros),
                cause: row.maybe_text(6)?.map(str::to_owned),
                namespace: row.text(7)?.to_owned(),
                name: row.text(8)?.to_owned(),
                version: row.text(9)?.to_owned(),
            })
        })
        .collect()
}

fn stored(row: &Row) -> Result<StoredTask> {
    Ok(StoredTask {
        task: TaskNo(row.int(0)?),
        uuid: row.uuid(1)?,
        template: row.int(2)?,
        correlation_id: row.uuid(3)?,
        created_at: Timestamp::from_micros(row.int(4)?),
        context: Json::stored(row.text(5)?),
        state: row.state(6, 8)?,
        run_at: Timestamp::from_micros(row.int(7)?),
        finished_at: row.maybe_int(10)?.map(Timestamp::from_micros),
        cause: row.maybe_text(11)?.map(str::to_owned),
        queue: row.text(12)?.to_owned(),
        priority: row.int(13)?,
        namespace: row.text(14)?.to_owned(),
        name: row.text(15)?.to_owned(),
        version: row.text(16)?.to_owned(),
    })
}
