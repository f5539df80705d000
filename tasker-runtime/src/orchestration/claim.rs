//! Takes tasks from the queue. From then on this worker alone moves them on, until it gives them back,
//! ends them or its lease runs out; a crash leaves them to that.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{
    journal::{self, History},
    record, share,
};
use crate::{
    model::{Json, Lease, TaskNo, TaskState, Timestamp, WorkerId},
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
    /// The phase it was in.
    pub phase: TaskState,
    /// Another task started it and waits for its end.
    pub has_parent: bool,
    pub history: History,
}

/// How many tasks are claimed at once: as many as their contexts leave room for, going by those claimed last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimSize(usize);

/// About so many bytes of contexts are claimed at once.
const CLAIMED_BYTES: usize = 16 << 20;

impl Default for ClaimSize {
    /// Few enough that contexts of the largest size are bearable.
    fn default() -> Self {
        Self(64)
    }
}

impl ClaimSize {
    /// How many to claim where there is room for so many.
    pub(crate) fn within(self, room: usize) -> usize {
        self.0.min(room)
    }

    /// Learns from what was claimed.
    pub(crate) fn learn(&mut self, claimed: &[Claimed]) {
        if !claimed.is_empty() {
            let bytes: usize = claimed.iter().map(|task| task.context.as_str().len()).sum();
            let fit = CLAIMED_BYTES / (bytes / claimed.len()).max(1);
            self.0 = (self.0 * 2).min(fit).max(1);
        }
    }
}

/// Takes at most `limit` tasks of `queue` that are due. What cannot be read of them is set aside, each for its
/// own reason: read again it would be no better.
pub(crate) async fn claim(
    connection: &mut Connection,
    worker: WorkerId,
    queue: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Claimed>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection.fetch(&sql::CLAIM, values![queue, now.as_micros(), worker.0, limit]).await?;
    let (mut claimed, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        let lease = Lease { task: TaskNo(row.int(0)?), epoch: row.int(1)? };
        match read(row, lease) {
            Ok(task) => claimed.push(task),
            Err(problem) => unreadable.push((lease, problem.of_task(lease.task.0))),
        }
    }
    let known: Vec<TaskNo> = claimed.iter().filter(|c| c.lease.epoch > 1).map(|c| c.lease.task).collect();
    if !known.is_empty() {
        // What an earlier holder lent comes to nobody any more.
        share::drop_of(connection, &known).await?;
        let mut histories: HashMap<_, _> = journal::read_each(connection, &known).await?;
        claimed.retain_mut(|task| match histories.remove(&task.lease.task) {
            Some(Err(problem)) => {
                unreadable.push((task.lease, problem));
                false
            }
            history => {
                task.history = history.and_then(Result::ok).unwrap_or_default();
                true
            }
        });
    }
    for (lease, problem) in unreadable {
        record::set_aside_unreadable(connection, worker, lease, now, &problem.to_string()).await?;
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

/// Pending, unless it is being rolled back.
fn phase(row: &Row) -> Result<TaskState> {
    let state = row.count(8, "runs.state")?;
    let rolled_back = state == u32::from(TaskState::Compensating.code().unsigned_abs());
    Ok(if rolled_back { TaskState::Compensating } else { TaskState::Pending })
}

fn read(row: &Row, lease: Lease) -> Result<Claimed> {
    Ok(Claimed {
        lease,
        takeovers: row.count(2, "runs.takeovers")?,
        uuid: row.uuid(3)?,
        template: row.int(4)?,
        correlation_id: row.uuid(5)?,
        created_at: Timestamp::from_micros(row.int(6)?),
        context: row.json(7, "tasks.context")?,
        phase: phase(row)?,
        has_parent: row.int(9)? == 1,
        history: History::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_bytes(bytes: usize) -> Claimed {
        Claimed {
            lease: Lease { task: TaskNo(1), epoch: 1 },
            takeovers: 0,
            uuid: Uuid::nil(),
            template: 1,
            correlation_id: Uuid::nil(),
            created_at: Timestamp::default(),
            context: Json::stored(&"1".repeat(bytes)),
            phase: TaskState::Pending,
            has_parent: false,
            history: History::default(),
        }
    }

    #[test]
    fn claims_grow_while_contexts_are_small_and_shrink_when_they_are_not() {
        let mut size = ClaimSize::default();
        assert_eq!((size.within(500), size.within(10)), (64, 10));
        for expected in [128, 256, 500, 500] {
            size.learn(&vec![of_bytes(100); 3]);
            assert_eq!(size.within(500), expected);
        }
        size.learn(&[of_bytes(1 << 20)]);
        assert_eq!(size.within(500), 16);
        size.learn(&[of_bytes(64 << 20)]);
        assert_eq!(size.within(500), 1);
        size.learn(&[]);
        assert_eq!(size.within(500), 1);
    }
}
