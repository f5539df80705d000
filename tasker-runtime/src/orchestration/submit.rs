//! Adds tasks. Once this returns they are durable: a crash afterwards loses none of them.

use uuid::Uuid;

use crate::{
    model::{Json, TaskNo, Timestamp, WorkerId},
    store::{CallerTransaction, Column, Connection, Result, Rows, Value, sql, values},
};

/// A task to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub uuid: Uuid,
    pub correlation_id: Uuid,
    /// The number of the template's content, which the task stays with.
    pub template: i64,
    pub context: Json,
    pub tags: Option<Json>,
    pub created_at: Timestamp,
    /// Not before this.
    pub run_at: Timestamp,
    /// Higher goes first.
    pub priority: i16,
    pub queue: String,
}

/// What a key was used for before.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub task: Uuid,
    pub same_input: bool,
}

/// An idempotency key, which belongs to a template.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    pub namespace: &'a str,
    pub template: &'a str,
    pub key: &'a str,
}

/// Adds `task` unless `key` was used before; of many who try at once, one adds.
pub(crate) async fn submit_once(
    connection: &mut Connection,
    task: &NewTask,
    key: Key<'_>,
) -> Result<Option<Used>> {
    connection.transaction(async |connection| submit_keyed(connection, task, key).await).await
}

async fn submit_keyed(connection: &mut Connection, task: &NewTask, key: Key<'_>) -> Result<Option<Used>> {
    let Key { namespace, template, key } = key;
    let digest = super::templates::digest(&task.context.canonical());
    let values = values![namespace, template, key, task.uuid, &*digest, task.created_at.as_micros()];
    if connection.execute(&sql::ADD_KEY, values).await? == 1 {
        let rows = rows(std::slice::from_ref(task));
        connection.fetch(&sql::SUBMIT_IN, &[Value::Rows(&rows), Value::MaybeInt(None)]).await?;
        return Ok(None);
    }
    let used = connection.fetch_first(&sql::FIND_KEY, values![namespace, template, key]).await?;
    used.map(|row| Ok(Used { task: row.uuid(0)?, same_input: row.text(1)? == digest })).transpose()
}

/// Adds `tasks` in a transaction of the caller's own: they are there when, and only when, it commits.
pub(crate) async fn submit_in(transaction: &mut CallerTransaction<'_>, tasks: &[NewTask]) -> Result<()> {
    let rows = rows(tasks);
    transaction.run(&sql::SUBMIT_IN, &[Value::Rows(&rows), Value::MaybeInt(None)]).await
}

/// Adds `tasks`, all or none. With a `holder`, that worker holds them from the start, under epoch 1.
pub(crate) async fn submit(
    connection: &mut Connection,
    tasks: &[NewTask],
    holder: Option<WorkerId>,
) -> Result<Vec<TaskNo>> {
    let rows = rows(tasks);
    let values = [Value::Rows(&rows), Value::MaybeInt(holder.map(|worker| worker.0))];
    let added = connection.script(&sql::SUBMIT, &values).await?;
    added.iter().map(|row| row.int(0).map(TaskNo)).collect()
}

fn rows(tasks: &[NewTask]) -> Rows {
    Rows::new(vec![
        Column::Uuid(tasks.iter().map(|t| t.uuid).collect()),
        Column::Uuid(tasks.iter().map(|t| t.correlation_id).collect()),
        Column::Int(tasks.iter().map(|t| t.template).collect()),
        Column::Json(tasks.iter().map(|t| t.context.clone()).collect()),
        Column::MaybeText(
            tasks.iter().map(|t| t.tags.as_ref().map(|tags| tags.as_str().to_owned())).collect(),
        ),
        Column::Int(tasks.iter().map(|t| t.created_at.as_micros()).collect()),
        Column::Int(tasks.iter().map(|t| t.run_at.as_micros()).collect()),
        Column::Int(tasks.iter().map(|t| i64::from(t.priority)).collect()),
        Column::Text(tasks.iter().map(|t| t.queue.clone()).collect()),
    ])
}
