//! Keeps how far batch instances got. A save is durable when it returns; a crash loses at most what was
//! done since the last one.

use crate::{
    handler::Saved,
    model::{Json, Lease, StepIndex, TaskNo, Timestamp, WorkerId},
    store::{Connection, Error, Result, sql, values},
};

/// What was saved last for an instance.
pub(crate) async fn load(
    connection: &mut Connection,
    task: TaskNo,
    no: StepIndex,
) -> Result<Option<Saved<Json, Json>>> {
    let row = connection.fetch_first(&sql::LOAD_CHECKPOINT, values![task.0, i64::from(no.code())]).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Saved {
        cursor: row.json(0, "checkpoints.cursor")?,
        items: u64::try_from(row.int(1)?)
            .map_err(|_| Error::corrupt("checkpoints.items", "a number", "is out of range"))?,
        partial: row.json(2, "checkpoints.partial")?,
    }))
}

/// Saves the progress of an attempt of `worker`. False: the lease or the attempt is no longer the one that
/// counts, and what was saved before stays.
pub(crate) async fn save(
    connection: &mut Connection,
    worker: WorkerId,
    lease: Lease,
    (no, attempt): (StepIndex, u32),
    saved: &Saved<Json, Json>,
    now: Timestamp,
) -> Result<bool> {
    let values = values![
        lease.task.0,
        lease.epoch,
        worker.0,
        i64::from(no.code()),
        i64::from(attempt),
        i64::try_from(saved.items).unwrap_or(i64::MAX),
        now.as_micros(),
        saved.cursor.as_str(),
        saved.partial.as_str()
    ];
    Ok(connection.execute(&sql::SAVE_CHECKPOINT, values).await? > 0)
}
