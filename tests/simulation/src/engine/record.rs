//! Writes a batch, as `orchestration/record.rs` does: what is refused is halved until one task stands alone.

use std::rc::Rc;

use tasker_model::{Batch, Done, Exceptions, Failed, StepError};

use super::Process;
use crate::store::{Db, Problem, Result};

pub(super) async fn record(process: &Rc<Process>, worker: i64, batch: &Batch) -> Result<Exceptions> {
    let mut exceptions = Exceptions::default();
    let mut parts = vec![batch.clone()];
    while let Some(part) = parts.pop() {
        match whole(process, worker, &part).await {
            Ok(true) => {}
            Ok(false) => find_lost(process, worker, &part, &mut exceptions).await?,
            Err(Problem::NoAnswer) => return Err(Problem::NoAnswer),
            Err(Problem::Refused) => match part.halve() {
                Some((first, rest)) => parts.extend([rest, first]),
                None => one_task(process, worker, &part, &mut exceptions).await?,
            },
        }
    }
    Ok(exceptions)
}

/// Writes everything at once; false when a lease did not cover its rows, which were left out.
async fn whole(process: &Rc<Process>, worker: i64, batch: &Batch) -> Result<bool> {
    let mut complete = true;
    if !batch.failed.is_empty() {
        let failed = batch.failed.clone();
        let write = move |db: &mut Db| Ok(db.record_failures(worker, &failed));
        complete &= process.ask("record failures", write).await? == batch.failed.len();
    }
    if !batch.done.is_empty() || !batch.ends.is_empty() {
        let (done, ends, seen) = (batch.done.clone(), batch.ends.clone(), batch.done.clone());
        let look = move |db: &Db| db.see(worker, &seen);
        let write = move |db: &mut Db, seen| db.record(worker, &seen, &done, &ends);
        let counts = process.ask_racing("record", look, write).await?;
        complete &= counts == (batch.done.len(), batch.ends.len());
    }
    Ok(complete)
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

async fn one_task(
    process: &Rc<Process>,
    worker: i64,
    batch: &Batch,
    exceptions: &mut Exceptions,
) -> Result<()> {
    exceptions.stale.extend(batch.tasks());
    for done in &batch.done {
        let row = done.clone();
        match process.ask("record one", move |db| db.record_one(worker, &row)).await {
            Ok(()) => {}
            Err(Problem::NoAnswer) => return Err(Problem::NoAnswer),
            Err(Problem::Refused) => refuse(process, worker, done).await?,
        }
    }
    for failed in &batch.failed {
        alone(process, worker, failed.clone()).await?;
    }
    Ok(())
}

async fn alone(process: &Rc<Process>, worker: i64, failed: Failed) -> Result<()> {
    whole(process, worker, &Batch { failed: vec![failed], ..Batch::default() }).await.map(drop)
}

/// Fails the step whose result the tables refuse.
async fn refuse(process: &Rc<Process>, worker: i64, done: &Done) -> Result<()> {
    let failed = Failed {
        attempt: done.attempt,
        started_at: done.started_at,
        failed_at: done.finished_at,
        retry_at: None,
        error: StepError::permanent("RESULT_REFUSED", "the store cannot hold the result of this step"),
    };
    alone(process, worker, failed).await
}
