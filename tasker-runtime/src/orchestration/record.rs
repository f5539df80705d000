//! Records what the steps of held tasks came to, and ends tasks that are over.
//!
//! One statement writes everything that waited while the last one was in flight, and takes only what its leases
//! still cover. A crash before the commit changes nothing: the lease runs out and another process calls the
//! step again.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use super::{
    append::{self, Entry, Right},
    family::Told,
};
pub(crate) use crate::model::{Batch, End, Exceptions};
use crate::{
    model::{Done, Kin, Lease, TaskNo, TaskState, Timestamp, WorkerId},
    store::{Column, Connection, Result, Rows, Session, sql, values},
};

/// What came of writing a batch.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// What did not go as expected.
    pub exceptions: Exceptions,
    /// Who is to look at something because of it.
    pub told: Told,
}

/// Writes `batch` at the time `now`. What one task's rows do to the database, another's do not suffer from: a batch that
/// is refused is halved until the task that breaks it stands alone.
///
/// # Errors
/// Only those that pass, as when the database does not answer. Nothing is known then, and writing the same batch
/// again is safe.
pub(crate) async fn record(
    session: &mut Session,
    worker: WorkerId,
    batch: &Batch,
    now: Timestamp,
) -> Result<Recorded> {
    session
        .run(async |connection| {
            let mut recorded = Recorded::default();
            record_entries(connection, worker, batch, &mut recorded.exceptions).await?;
            let rest = without_told(batch, &recorded.exceptions);
            let batch = &*rest;
            if batch.done.iter().any(|done| connection.check_size("result", &done.result).is_err()) {
                let rest = refuse_large(connection, worker, batch, &mut recorded.exceptions).await?;
                record_results(connection, worker, &rest, now, &mut recorded).await?;
            } else {
                record_results(connection, worker, batch, now, &mut recorded).await?;
            }
            Ok(recorded)
        })
        .await
}

/// Fails the steps whose results are too large, and returns the rest of the batch, without what it says about
/// the ends of their tasks: these are read again.
async fn refuse_large(
    connection: &mut Connection,
    worker: WorkerId,
    batch: &Batch,
    exceptions: &mut Exceptions,
) -> Result<Batch> {
    let mut rest = batch.clone();
    let mut refused = Vec::new();
    rest.done.retain(|done| {
        let (entry, refuses) = Entry::from(done).of_size(connection);
        refused.extend(refuses.then_some(entry));
        !refuses
    });
    append::append(connection, Right::of(worker), &refused).await?;
    let tasks: HashSet<TaskNo> = refused.iter().map(|entry| entry.attempt.task()).collect();
    rest.ends.retain(|end| !tasks.contains(&end.lease.task));
    exceptions.stale.extend(tasks);
    Ok(rest)
}

/// So many bytes of results are written at once, unless those of one task are more.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// Failures, what is left out and results with events first: in a batch that ends a task, its end comes after what led
/// to it.
async fn record_entries(
    connection: &mut Connection,
    worker: WorkerId,
    batch: &Batch,
    exceptions: &mut Exceptions,
) -> Result<()> {
    let told = || batch.done.iter().filter(|done| is_told(done));
    if batch.failed.is_empty() && batch.left_out.is_empty() && told().next().is_none() {
        return Ok(());
    }
    let left_out = batch.left_out.iter().map(Entry::from);
    let mut entries: Vec<Entry> = Vec::new();
    for entry in batch.failed.iter().map(Entry::from).chain(left_out).chain(told().map(Entry::from)) {
        let (entry, is_another) = entry.of_size(connection);
        exceptions.stale.extend(is_another.then_some(entry.attempt.task()));
        entries.push(entry);
    }
    // All who write lock rows in one order.
    entries.sort_by_key(|entry| (entry.attempt.task(), entry.attempt.step));
    let appended = append::append(connection, Right::of(worker), &entries).await?;
    exceptions.stale.extend(appended.altered);
    let covered = |entry: &Entry| appended.covered.contains(&(entry.attempt.task(), entry.attempt.step));
    if !entries.iter().all(covered) {
        find_lost(connection, worker, batch, exceptions).await?;
    }
    Ok(())
}

/// Whether a result is recorded with what is published.
fn is_told(done: &Done) -> bool {
    done.published.as_ref().is_some_and(|published| published.is_kept())
}

/// The batch without the results that are recorded with their events, and without the ends of their tasks where
/// something else is recorded than was thought.
fn without_told<'a>(batch: &'a Batch, exceptions: &Exceptions) -> Cow<'a, Batch> {
    if !batch.done.iter().any(is_told) {
        return Cow::Borrowed(batch);
    }
    let mut rest = batch.clone();
    rest.done.retain(|done| !is_told(done));
    rest.ends.retain(|end| !exceptions.stale.contains(&end.lease.task));
    Cow::Owned(rest)
}

async fn record_results(
    connection: &mut Connection,
    worker: WorkerId,
    batch: &Batch,
    now: Timestamp,
    Recorded { exceptions, told }: &mut Recorded,
) -> Result<()> {
    let mut parts = vec![Cow::Borrowed(batch)];
    while let Some(part) = parts.pop() {
        let bytes: usize = part.done.iter().map(|done| done.result.as_str().len()).sum();
        if bytes > MAX_BATCH_BYTES
            && let Some((first, rest)) = part.halve()
        {
            parts.extend([Cow::Owned(rest), Cow::Owned(first)]);
            continue;
        }
        match append::at_once(connection, worker, &part, now).await {
            Ok((whole, also)) => {
                told.add(also);
                if !whole {
                    find_lost(connection, worker, &part, exceptions).await?;
                }
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => match part.halve() {
                Some((first, rest)) => parts.extend([Cow::Owned(rest), Cow::Owned(first)]),
                None => record_one_task(connection, worker, &part, exceptions).await?,
            },
        }
    }
    Ok(())
}

/// Appends the results of one task after they were refused together. It is read again, so its end will be found
/// again.
async fn record_one_task(
    connection: &mut Connection,
    worker: WorkerId,
    part: &Batch,
    exceptions: &mut Exceptions,
) -> Result<()> {
    let entries: Vec<Entry> = part.done.iter().map(Entry::from).collect();
    append::append(connection, Right::of(worker), &entries).await?;
    exceptions.stale.extend(part.done.iter().map(|done| done.attempt.task()));
    exceptions.stale.extend(part.ends.iter().map(|end| end.lease.task));
    Ok(())
}

/// Asks for the tasks of a batch that was not written whole whether their leases still hold.
async fn find_lost(
    connection: &mut Connection,
    worker: WorkerId,
    batch: &Batch,
    exceptions: &mut Exceptions,
) -> Result<()> {
    let leases =
        batch.done.iter().map(|d| d.attempt.lease).chain(batch.failed.iter().map(|f| f.attempt.lease));
    let leases: BTreeSet<(TaskNo, i64)> =
        leases.chain(batch.ends.iter().map(|e| e.lease)).map(|lease| (lease.task, lease.epoch)).collect();
    let rows = lease_rows(leases.iter().map(|&(task, epoch)| Lease { task, epoch }));
    let held = connection.fetch(&sql::HELD, values![&rows, worker.0]).await?;
    let held: HashSet<TaskNo> = held.iter().map(|row| row.int(0).map(TaskNo)).collect::<Result<_>>()?;
    let given_back = batch.ends.iter().filter(|end| end.run_at.is_some());
    let given_back: HashSet<TaskNo> = given_back.map(|end| end.lease.task).collect();
    for (task, _) in leases.into_iter().filter(|(task, _)| !held.contains(task)) {
        // A task that was given back is held no more, and rightly so.
        let unclear = given_back.contains(&task);
        if unclear { &mut exceptions.stale } else { &mut exceptions.lost }.insert(task);
    }
    Ok(())
}

/// Ends or gives back tasks. Those whose leases were lost stay as they are.
pub(crate) async fn end_many(
    session: &mut Session,
    worker: WorkerId,
    ends: &[End],
    now: Timestamp,
) -> Result<()> {
    let mut batch = Batch { ends: ends.to_vec(), ..Batch::default() };
    batch.sort();
    session.run(async |connection| append::at_once(connection, worker, &batch, now).await.map(drop)).await
}

/// Notes that tasks moved on, so that the deaths of their earlier holders count no more.
pub(crate) async fn note_progress(session: &mut Session, leases: &[Lease]) -> Result<()> {
    let rows = lease_rows(leases.iter().copied());
    session.run(async |connection| connection.execute(&sql::PROGRESSED, values![&rows]).await.map(drop)).await
}

/// Notes that this worker, which was taken for dead while it held tasks under `leases`, lives: its death is not to
/// be counted against them.
pub(crate) async fn note_not_dead(session: &mut Session, leases: &[Lease]) -> Result<()> {
    let rows = lease_rows(leases.iter().copied());
    session.run(async |connection| connection.execute(&sql::NOT_DEAD, values![&rows]).await.map(drop)).await
}

/// Writes why held tasks are about to be set aside.
pub(crate) async fn set_aside(
    session: &mut Session,
    worker: WorkerId,
    leases: &[Lease],
    now: Timestamp,
    reason: &str,
) -> Result<()> {
    session.run(async |connection| quarantine(connection, worker, leases, now, reason).await).await
}

async fn quarantine(
    connection: &mut Connection,
    worker: WorkerId,
    leases: &[Lease],
    now: Timestamp,
    reason: &str,
) -> Result<()> {
    let rows = lease_rows(leases.iter().copied());
    let values = values![&rows, worker.0, now.as_micros(), reason, Some("null")];
    connection.execute(&sql::QUARANTINE, values).await.map(drop)
}

/// Sets a held task aside that cannot be read, until an operator ends it or somebody mends its rows.
pub(super) async fn set_aside_unreadable(
    connection: &mut Connection,
    worker: WorkerId,
    lease: Lease,
    now: Timestamp,
    problem: &str,
) -> Result<()> {
    tracing::error!(task = lease.task.0, problem, "a task cannot be read and is set aside");
    quarantine(connection, worker, &[lease], now, problem).await?;
    let (state, run_at) = (TaskState::BlockedByFailures, Some(Timestamp::NEVER));
    let end =
        End { lease, state, run_at, finished_at: None, cause: Some(problem.to_owned()), kin: Kin::default() };
    append::at_once(connection, worker, &Batch { ends: vec![end], ..Batch::default() }, now).await.map(drop)
}

fn lease_rows(leases: impl Iterator<Item = Lease> + Clone) -> Rows {
    Rows::new(vec![
        Column::Int(leases.clone().map(|lease| lease.task.0).collect()),
        Column::Int(leases.map(|lease| lease.epoch).collect()),
    ])
}
