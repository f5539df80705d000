//! Appends the results of attempts to the journals of their tasks, and ends tasks that are over.
//!
//! Only here does a result become part of a task. One statement writes everything that waited while the
//! last one was in flight, and takes only what its leases still cover. A crash before the commit changes
//! nothing: the lease runs out and another process calls the step again.

use std::collections::HashSet;

use super::journal::Kind;
pub(crate) use crate::model::{Batch, Done, End, Exceptions, Failed};
use crate::{
    model::{Json, Lease, StepError, TaskNo, Timestamp, WorkerId},
    store::{Column, Connection, Error, Result, Rows, Session, sql, values},
};

/// Writes `batch`. What one task's rows do to the database, another's do not suffer from: a batch that
/// is refused is halved until the task that breaks it stands alone.
///
/// # Errors
/// When the database does not answer; nothing is known then, and writing the same batch again is safe.
pub(crate) async fn record(session: &mut Session, worker: WorkerId, batch: &Batch) -> Result<Exceptions> {
    let mut exceptions = Exceptions::default();
    let mut connection = session.open().await?;
    match whole(&mut connection, worker, batch).await {
        Ok(true) => {}
        Ok(false) => find_lost(&mut connection, worker, batch, &mut exceptions).await?,
        Err(error) if error.is_transient() => return Err(error),
        Err(_) => {
            connection.roll_back().await;
            let mut parts = vec![];
            match batch.halve() {
                Some((first, rest)) => parts.extend([rest, first]),
                None => one_task(&mut connection, worker, batch, &mut exceptions).await?,
            }
            while let Some(part) = parts.pop() {
                match whole(&mut connection, worker, &part).await {
                    Ok(true) => {}
                    Ok(false) => find_lost(&mut connection, worker, &part, &mut exceptions).await?,
                    Err(error) if error.is_transient() => return Err(error),
                    Err(_) => {
                        connection.roll_back().await;
                        match part.halve() {
                            Some((first, rest)) => parts.extend([rest, first]),
                            None => one_task(&mut connection, worker, &part, &mut exceptions).await?,
                        }
                    }
                }
            }
        }
    }
    session.keep(connection);
    Ok(exceptions)
}

/// Writes everything at once; false when a lease did not cover its rows, which were left out.
async fn whole(connection: &mut Connection, worker: WorkerId, batch: &Batch) -> Result<bool> {
    let mut complete = true;
    if !batch.failed.is_empty() {
        let rows = failure_rows(&batch.failed);
        let written = connection.execute(&sql::RECORD_FAILURES, values![&rows, worker.0]).await?;
        complete &= written == batch.failed.len() as u64;
    }
    if !batch.done.is_empty() || !batch.ends.is_empty() {
        let (done, ends) = (done_rows(&batch.done), end_rows(&batch.ends));
        let counts = connection.counts(&sql::RECORD, values![&done, &ends, worker.0]).await?;
        complete &= counts == [batch.done.len() as u64, batch.ends.len() as u64];
    }
    Ok(complete)
}

/// Asks for each task of a batch that was not written whole whether its lease still holds.
async fn find_lost(
    connection: &mut Connection,
    worker: WorkerId,
    batch: &Batch,
    exceptions: &mut Exceptions,
) -> Result<()> {
    let leases =
        batch.done.iter().map(|d| d.attempt.lease).chain(batch.failed.iter().map(|f| f.attempt.lease));
    let given_back = batch.ends.iter().filter(|end| end.run_at.is_some());
    let given_back: HashSet<TaskNo> = given_back.map(|end| end.lease.task).collect();
    let mut asked = HashSet::new();
    for lease in leases.chain(batch.ends.iter().map(|e| e.lease)) {
        if !asked.insert(lease.task) {
            continue;
        }
        let held = connection.fetch_first(&sql::HELD, values![lease.task.0, lease.epoch, worker.0]).await?;
        if held.is_some() {
            continue;
        }
        // A task that was given back is held no more, and rightly so.
        let unclear = given_back.contains(&lease.task);
        if unclear { &mut exceptions.stale } else { &mut exceptions.lost }.insert(lease.task);
    }
    Ok(())
}

/// Writes the rows of one task one by one, after they were refused together: the result that is there
/// already stays, and a result the database cannot hold fails its step for good.
async fn one_task(
    connection: &mut Connection,
    worker: WorkerId,
    batch: &Batch,
    exceptions: &mut Exceptions,
) -> Result<()> {
    for done in &batch.done {
        let Lease { task, epoch } = done.attempt.lease;
        exceptions.stale.insert(task);
        let written = connection
            .execute(
                &sql::RECORD_ONE,
                values![
                    task.0,
                    epoch,
                    worker.0,
                    i64::from(done.attempt.step.code()),
                    i64::from(done.attempt.number),
                    Kind::Handler as i64,
                    done.started_at.as_micros(),
                    done.finished_at.as_micros(),
                    done.result.as_str()
                ],
            )
            .await;
        match written {
            Ok(_) => {}
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => refuse(connection, worker, done, &error).await?,
        }
    }
    // The task is read again, so its end will be found again; failures are few and stand alone.
    let failures = Batch { failed: batch.failed.clone(), ..Batch::default() };
    for failed in failures.failed {
        exceptions.stale.insert(failed.attempt.task());
        match whole(connection, worker, &Batch { failed: vec![failed], ..Batch::default() }).await {
            Err(error) if error.is_transient() => return Err(error),
            _ => connection.roll_back().await,
        }
    }
    exceptions.stale.extend(batch.ends.iter().map(|end| end.lease.task));
    Ok(())
}

/// Fails the step whose result the database refused.
async fn refuse(connection: &mut Connection, worker: WorkerId, done: &Done, error: &Error) -> Result<()> {
    connection.roll_back().await;
    let message = format!("the store cannot hold the result of this step: {error}");
    let failed = Failed {
        attempt: done.attempt,
        started_at: done.started_at,
        failed_at: done.finished_at,
        retry_at: None,
        error: StepError::permanent("RESULT_REFUSED", message),
    };
    whole(connection, worker, &Batch { failed: vec![failed], ..Batch::default() }).await.map(drop)
}

/// Ends or gives back one task, alone.
pub(crate) async fn end_one(session: &mut Session, worker: WorkerId, end: &End) -> Result<()> {
    let values = values![
        end.lease.task.0,
        end.lease.epoch,
        worker.0,
        i64::from(end.state.code()),
        end.run_at.map(Timestamp::as_micros),
        end.finished_at.map(Timestamp::as_micros),
        end.cause.as_deref()
    ];
    let mut connection = session.open().await?;
    connection.execute(&sql::END_ONE, values).await?;
    session.keep(connection);
    Ok(())
}

/// Notes that a task moved on, so that the deaths of its earlier holders count no more.
pub(crate) async fn note_progress(session: &mut Session, lease: Lease) -> Result<()> {
    let mut connection = session.open().await?;
    connection.execute(&sql::PROGRESSED, values![lease.task.0, lease.epoch]).await?;
    session.keep(connection);
    Ok(())
}

/// Writes why a held task is about to be set aside.
pub(crate) async fn set_aside(
    session: &mut Session,
    worker: WorkerId,
    lease: Lease,
    now: Timestamp,
    reason: &str,
) -> Result<()> {
    let Lease { task, epoch } = lease;
    let values = values![task.0, epoch, worker.0, now.as_micros(), reason, Some("null")];
    let mut connection = session.open().await?;
    connection.execute(&sql::QUARANTINE, values).await?;
    session.keep(connection);
    Ok(())
}

fn done_rows(done: &[Done]) -> Rows {
    Rows::new(vec![
        Column::Int(done.iter().map(|d| d.attempt.lease.task.0).collect()),
        Column::Int(done.iter().map(|d| d.attempt.lease.epoch).collect()),
        Column::Int(done.iter().map(|d| i64::from(d.attempt.step.code())).collect()),
        Column::Int(done.iter().map(|d| i64::from(d.attempt.number)).collect()),
        Column::Int(done.iter().map(|d| d.started_at.as_micros()).collect()),
        Column::Int(done.iter().map(|d| d.finished_at.as_micros()).collect()),
        Column::Json(done.iter().map(|d| d.result.clone()).collect()),
    ])
}

fn failure_rows(failed: &[Failed]) -> Rows {
    Rows::new(vec![
        Column::Int(failed.iter().map(|f| f.attempt.lease.task.0).collect()),
        Column::Int(failed.iter().map(|f| f.attempt.lease.epoch).collect()),
        Column::Int(failed.iter().map(|f| i64::from(f.attempt.step.code())).collect()),
        Column::Int(failed.iter().map(|f| i64::from(f.attempt.number)).collect()),
        Column::Int(failed.iter().map(|f| f.started_at.as_micros()).collect()),
        Column::Int(failed.iter().map(|f| f.failed_at.as_micros()).collect()),
        Column::MaybeInt(failed.iter().map(|f| f.retry_at.map(Timestamp::as_micros)).collect()),
        Column::Json(failed.iter().map(|f| Json::of(&f.error).unwrap_or_else(|_| Json::null())).collect()),
    ])
}

fn end_rows(ends: &[End]) -> Rows {
    Rows::new(vec![
        Column::Int(ends.iter().map(|e| e.lease.task.0).collect()),
        Column::Int(ends.iter().map(|e| e.lease.epoch).collect()),
        Column::Int(ends.iter().map(|e| i64::from(e.state.code())).collect()),
        Column::MaybeInt(ends.iter().map(|e| e.run_at.map(Timestamp::as_micros)).collect()),
        Column::MaybeInt(ends.iter().map(|e| e.finished_at.map(Timestamp::as_micros)).collect()),
        Column::MaybeText(ends.iter().map(|e| e.cause.clone()).collect()),
    ])
}
