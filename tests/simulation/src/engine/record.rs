//! Writes a batch, as `orchestration/record.rs` does: what is refused is halved until one task stands alone.

use std::rc::Rc;

use tasker_model::{Batch, Done, End, Exceptions};

use super::Process;
use crate::store::{Db, Problem, Result};

pub(super) async fn record(process: &Rc<Process>, worker: i64, batch: &Batch) -> Result<Exceptions> {
    let mut exceptions = Exceptions::default();
    if !batch.failed.is_empty() {
        let failed = batch.failed.clone();
        let append = move |db: &mut Db| Ok(db.append_failures(worker, &failed));
        if !process.ask("append failures", append).await? {
            find_lost(process, worker, batch, &mut exceptions).await?;
        }
    }
    if !batch.left_out.is_empty() {
        let left_out = batch.left_out.clone();
        let append = move |db: &mut Db| Ok(db.append_left_out(worker, &left_out));
        if !process.ask("append left out", append).await? {
            find_lost(process, worker, batch, &mut exceptions).await?;
        }
    }
    let told = |done: &Done| done.published.as_ref().is_some_and(|published| published.is_kept());
    let with_events: Vec<Done> = batch.done.iter().filter(|done| told(done)).cloned().collect();
    let mut rest = batch.clone();
    if !with_events.is_empty() {
        let append = move |db: &mut Db| {
            let covered = with_events.iter().all(|done| db.covers(worker, done.attempt.lease));
            Ok((covered, db.append_results(worker, &with_events)))
        };
        let (covered, altered) = process.ask("append results with events", append).await?;
        exceptions.stale.extend(altered);
        if !covered {
            find_lost(process, worker, batch, &mut exceptions).await?;
        }
        rest.done.retain(|done| !told(done));
        rest.ends.retain(|end| !exceptions.stale.contains(&end.lease.task));
    }
    let mut parts = vec![rest];
    while let Some(part) = parts.pop() {
        match at_once(process, worker, &part).await {
            Ok(true) => {}
            Ok(false) => find_lost(process, worker, &part, &mut exceptions).await?,
            Err(Problem::NoAnswer) => return Err(Problem::NoAnswer),
            Err(Problem::Refused) => match part.halve() {
                Some((first, rest)) => parts.extend([rest, first]),
                None => record_one_task(process, worker, &part, &mut exceptions).await?,
            },
        }
    }
    Ok(exceptions)
}

/// Appends results and ends tasks in one statement; false when a lease did not cover its rows, which were left
/// out.
async fn at_once(process: &Rc<Process>, worker: i64, batch: &Batch) -> Result<bool> {
    if batch.done.is_empty() && batch.ends.is_empty() {
        return Ok(true);
    }
    let (done, ends, seen) = (batch.done.clone(), batch.ends.clone(), batch.done.clone());
    let look = move |db: &mut Db| db.see(worker, &seen);
    let write = move |db: &mut Db, seen| db.record(worker, &seen, &done, &ends);
    let counts = process.ask_racing("record", look, write).await?;
    Ok(counts == (batch.done.len(), batch.ends.len()))
}

/// Appends the results of one task after they were refused together. It is read again.
async fn record_one_task(
    process: &Rc<Process>,
    worker: i64,
    part: &Batch,
    exceptions: &mut Exceptions,
) -> Result<()> {
    let done = part.done.clone();
    process
        .ask("append results", move |db| {
            db.append_results(worker, &done);
            Ok(())
        })
        .await?;
    exceptions.stale.extend(part.done.iter().map(|done| done.attempt.task()));
    exceptions.stale.extend(part.ends.iter().map(|end| end.lease.task));
    Ok(())
}

async fn find_lost(
    process: &Rc<Process>,
    worker: i64,
    batch: &Batch,
    exceptions: &mut Exceptions,
) -> Result<()> {
    let part = batch.clone();
    let found = process.ask("find lost", move |db| Ok(db.find_lost(worker, &part))).await?;
    exceptions.lost.extend(found.lost);
    exceptions.stale.extend(found.stale);
    Ok(())
}

/// Ends or gives back tasks. Those whose leases were lost stay as they are.
pub(super) async fn end_many(process: &Rc<Process>, worker: i64, ends: &[End]) -> Result<()> {
    let batch = Batch { ends: ends.to_vec(), ..Batch::default() };
    at_once(process, worker, &batch).await.map(drop)
}
