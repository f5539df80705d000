//! Reads the tasks that are not over, by the indexes of open tasks: what is over, however much it is, is not looked at.

use uuid::Uuid;

use crate::{
    model::{TaskNo, Timestamp},
    store::{Connection, Result, Row, sql, values},
};

/// A template that open tasks started with.
#[derive(Clone, Debug)]
pub(crate) struct OpenTemplate {
    /// Its number.
    pub number: i64,
    /// Empty where it is not kept any more, as the next three.
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub digest: String,
    /// How many tasks.
    pub tasks: u64,
    /// When the oldest of them was submitted.
    pub oldest: Timestamp,
}

/// The templates that open tasks started with, by name.
pub(crate) async fn templates(connection: &mut Connection) -> Result<Vec<OpenTemplate>> {
    let rows = connection.fetch(&sql::IN_FLIGHT_COUNTS, &[]).await?;
    let template = |row: &Row| {
        Ok(OpenTemplate {
            number: row.int(0)?,
            namespace: row.text(1)?.to_owned(),
            name: row.text(2)?.to_owned(),
            version: row.text(3)?.to_owned(),
            digest: row.text(4)?.to_owned(),
            tasks: u64::try_from(row.int(5)?).unwrap_or_default(),
            oldest: Timestamp::from_micros(row.int(6)?),
        })
    };
    rows.iter().map(template).collect()
}

/// A task that is not over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenTask {
    pub task: TaskNo,
    pub uuid: Uuid,
    /// The number of the template it started with.
    pub template: i64,
}

/// The first `limit` open tasks after one, in the order they were submitted.
pub(crate) async fn tasks(connection: &mut Connection, after: TaskNo, limit: i64) -> Result<Vec<OpenTask>> {
    let rows = connection.fetch(&sql::IN_FLIGHT_TASKS, values![after.0, limit]).await?;
    let task =
        |row: &Row| Ok(OpenTask { task: TaskNo(row.int(0)?), uuid: row.uuid(1)?, template: row.int(2)? });
    rows.iter().map(task).collect()
}
