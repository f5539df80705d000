//! Takes tasks from the queue. From then on this worker alone moves them on, until it gives them back,
//! ends them or its lease runs out; a crash leaves them to that.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{
    journal::{self, History},
    share,
};
use crate::{
    model::{Json, Lease, TaskNo, Timestamp, WorkerId},
    store::{Connection, Result, Row, sql, values},
};

/// A task this worker now holds.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub lease: Lease,
    /// How many holders died in a row without recording anything.
    pub takeovers: u32,
    pub uuid: Uuid,
    pub template: i64,
    pub correlation_id: Uuid,
    pub created_at: Timestamp,
    pub context: Json,
    pub history: History,
}

/// Takes at most `limit` tasks of `queue` that are due.
pub(crate) async fn claim(
    connection: &mut Connection,
    worker: WorkerId,
    queue: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Claimed>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection.fetch(&sql::CLAIM, values![queue, now.as_micros(), worker.0, limit]).await?;
    let mut claimed = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    let known: Vec<TaskNo> = claimed.iter().filter(|c| c.lease.epoch > 1).map(|c| c.lease.task).collect();
    if !known.is_empty() {
        // What an earlier holder lent comes to nobody any more.
        share::drop_of(connection, &known).await?;
        let mut histories: HashMap<_, _> = journal::read(connection, &known).await?;
        for task in &mut claimed {
            task.history = histories.remove(&task.lease.task).unwrap_or_default();
        }
    }
    Ok(claimed)
}

/// When the next task of `queue` is due of those that were not at `now`; `None`: none ever is by itself.
pub(crate) async fn next_due(
    connection: &mut Connection,
    queue: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let row = connection.fetch_first(&sql::NEXT_DUE, values![queue, now.as_micros()]).await?;
    let next = row.map_or(Ok(None), |row| row.maybe_int(0))?.map(Timestamp::from_micros);
    Ok(next.filter(|next| *next < Timestamp::NEVER))
}

/// When the first task of each of these queues is or was due. A queue in which none ever is by itself is missing.
pub(crate) async fn due(
    connection: &mut Connection,
    queues: &[String],
) -> Result<BTreeMap<String, Timestamp>> {
    let mut due = BTreeMap::new();
    for row in connection.fetch(&sql::DUE, values![queues.to_vec()]).await? {
        let at = row.maybe_int(1)?.map(Timestamp::from_micros).filter(|at| *at < Timestamp::NEVER);
        due.extend(at.map(|at| (row.text(0).unwrap_or_default().to_owned(), at)));
    }
    Ok(due)
}

/// The leases `worker` has, as the store knows them.
pub(crate) async fn held_by(connection: &mut Connection, worker: WorkerId) -> Result<Vec<Lease>> {
    let rows = connection.fetch(&sql::HELD_BY, values![worker.0]).await?;
    rows.iter().map(|row| Ok(Lease { task: TaskNo(row.int(0)?), epoch: row.int(1)? })).collect()
}

/// Gives back a task that `worker` holds and knows nothing of.
pub(crate) async fn let_go(
    connection: &mut Connection,
    worker: WorkerId,
    lease: Lease,
    now: Timestamp,
) -> Result<()> {
    let values = values![lease.task.0, lease.epoch, worker.0, now.as_micros()];
    connection.execute(&sql::LET_GO, values).await.map(drop)
}

fn read(row: &Row) -> Result<Claimed> {
    Ok(Claimed {
        lease: Lease { task: TaskNo(row.int(0)?), epoch: row.int(1)? },
        takeovers: u32::try_from(row.int(2)?).unwrap_or_default(),
        uuid: row.uuid(3)?,
        template: row.int(4)?,
        correlation_id: row.uuid(5)?,
        created_at: Timestamp::from_micros(row.int(6)?),
        context: Json::stored(row.text(7)?),
        history: History::default(),
    })
}
