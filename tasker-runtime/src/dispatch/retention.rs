//! Deletes tasks that have been over for as long as they are kept, a lot at a time.
//!
//! Every process does, where its settings say how long tasks are kept; two that do it at once find less each. It rests
//! as long as each transaction took, and between two walks through the history a hundred times as long as the walk
//! took: who runs tasks has the database. What is deleted is deleted as a whole, whatever ends the process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{backoff::Backoff, pulse::Pulse, shared::Shared};
use crate::{
    model::{TaskNo, Timestamp},
    orchestration::prune::{self, KeyPlace, Old},
    store::{Result, Store},
};

/// So many tasks, or keys, are looked at in one transaction.
const LOT: i64 = 500;

/// How long it takes at least from one walk through the history to the next.
const PAUSE: Duration = Duration::from_secs(600);

/// How long tasks that are over are kept; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Those that are complete.
    pub complete: Option<Duration>,
    /// Those that ended otherwise: failed, cancelled or rolled back.
    pub failed: Option<Duration>,
}

impl Retention {
    /// As the settings have it, where no time at all means for ever.
    pub(crate) fn of(complete: Duration, failed: Duration) -> Self {
        let kept = |time: Duration| (!time.is_zero()).then_some(time);
        Self { complete: kept(complete), failed: kept(failed) }
    }

    /// What is to go at this time.
    fn at(self, now: Timestamp) -> impl Iterator<Item = Old> {
        let before = move |age| prune::before(now, age);
        let complete = self.complete.map(|age| Old::complete(before(age)));
        let failed = self.failed.map(|age| Old::not_complete(before(age)));
        complete.into_iter().chain(failed)
    }

    /// Whether anything is to go at all, ever.
    pub(crate) fn is_limited(self) -> bool {
        self.complete.or(self.failed).is_some()
    }
}

/// Deletes what is old, oldest first, and says how many tasks that were. Between two transactions it looks whether it
/// is to stop.
pub(crate) async fn sweep(store: &Store, old: Old, stop: &CancellationToken) -> Result<u64> {
    let (mut deleted, mut after) = (0, TaskNo(0));
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let mut connection = store.writer().await?;
        let Some(lot) = prune::next(&mut connection, after, LOT, old).await? else { break };
        deleted += prune::delete(&mut connection, lot, old).await?;
        drop(connection);
        after = lot.end();
        tokio::time::sleep(begun.elapsed()).await;
    }
    Ok(deleted)
}

/// How many tasks [`sweep`] would delete.
pub(crate) async fn count(store: &Store, old: Old) -> Result<u64> {
    let (mut tasks, mut after) = (0, TaskNo(0));
    loop {
        let mut connection = store.reader().await?;
        let Some(lot) = prune::next(&mut connection, after, LOT, old).await? else { return Ok(tasks) };
        tasks += prune::count(&mut connection, lot, old).await?;
        after = lot.end();
    }
}

/// Deletes the idempotency keys that were used before this time and whose tasks are gone, and says how many.
pub(crate) async fn sweep_keys(store: &Store, before: Timestamp, stop: &CancellationToken) -> Result<u64> {
    let (mut deleted, mut after) = (0, KeyPlace::default());
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let mut connection = store.writer().await?;
        let lot = prune::delete_keys(&mut connection, &after, LOT, before).await?;
        drop(connection);
        let Some((end, keys)) = lot else { break };
        (after, deleted) = (end, deleted + keys);
        tokio::time::sleep(begun.elapsed()).await;
    }
    Ok(deleted)
}

/// The loop that deletes what is old.
pub(crate) struct Pruner {
    pub shared: Arc<Shared>,
    pub pulse: Pulse,
}

impl Pruner {
    /// Runs until the engine stops.
    pub(crate) async fn run(self) {
        let stopping = &self.shared.stopping;
        let mut trouble = Backoff::new("what is old waits for the database");
        while !stopping.is_cancelled() {
            let (begun, now) = (Instant::now(), self.shared.clock.now());
            // However long it takes, and whatever the database makes of it: nobody waits for this.
            self.pulse.rest();
            if let Err(error) = self.walk(now).await {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = trouble.wait(&error) => continue,
                }
            }
            trouble.reset();
            // Spread, so that processes do not walk in step.
            let pause = PAUSE.max(begun.elapsed() * 100).mul_f64(0.8 + 0.4 * fastrand::f64());
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.shared.clock.sleep_until(now + pause) => {}
            }
        }
    }

    /// Deletes what is old at this time.
    async fn walk(&self, now: Timestamp) -> Result<()> {
        let (store, stopping) = (&self.shared.store, &self.shared.stopping);
        let mut latest = None;
        let mut tasks = 0;
        for old in self.shared.settings.retention.at(now) {
            tasks += sweep(store, old, stopping).await?;
            latest = latest.max(Some(old.before));
        }
        let Some(latest) = latest else { return Ok(()) };
        let keys = sweep_keys(store, latest, stopping).await?;
        if tasks > 0 || keys > 0 {
            tracing::info!(tasks, keys, "what was kept for long enough is deleted");
        }
        Ok(())
    }
}
