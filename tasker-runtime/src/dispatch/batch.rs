//! What a held task knows of its batches: the cursors of the analyzer's plan, what came of each instance,
//! and how an instance keeps its progress.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::{
    handler::{BatchPart, Instance, Progressing, Saved},
    model::{BatchOutcome, Json, Lease, Rules, StepError, StepIndex, WorkerId},
    orchestration::checkpoint,
    store,
};

/// How long a checkpoint waits before it asks a database again that did not answer.
const AWAY: Duration = Duration::from_millis(200);

/// The batches of one worker.
#[derive(Debug)]
pub(crate) struct BatchResults {
    analyzer: u32,
    pub worker: u32,
    /// Set with the result of the analyzer.
    cursors: OnceLock<Vec<Json>>,
    /// Grows with the highest instance that came to an end; what is not there yet is `None`.
    instances: Mutex<Vec<Option<Instance>>>,
}

impl BatchResults {
    /// One for each batch worker.
    pub(crate) fn of(rules: &Rules) -> Vec<Self> {
        let workers =
            (0u32..).zip(&rules.steps).filter_map(|(worker, rule)| Some((worker, rule.batch.as_ref()?)));
        let of = |(worker, batch): (u32, &crate::model::BatchRule)| Self {
            analyzer: batch.analyzer,
            worker,
            cursors: OnceLock::new(),
            instances: Mutex::default(),
        };
        workers.map(of).collect()
    }

    /// The analyzer `step` has this result; another step's does not matter here.
    pub(crate) fn planned(&self, step: u32, result: &Json) {
        if step == self.analyzer {
            // One that cannot be read was refused before it was recorded.
            let cursors = result.parse::<BatchOutcome>().map(|outcome| outcome.batches).unwrap_or_default();
            let _ = self.cursors.set(cursors.iter().filter_map(|cursor| Json::of(cursor).ok()).collect());
        }
    }

    /// An instance came to its end.
    pub(crate) fn ended(&self, index: u32, instance: Instance) {
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let index = index as usize;
        if instances.len() <= index {
            instances.resize(index + 1, None);
        }
        instances[index] = Some(instance);
    }

    /// What came of all instances; `None` while there is no plan.
    pub(crate) fn all(&self) -> Option<Vec<Instance>> {
        let instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |index: usize| instances.get(index).cloned().flatten().unwrap_or_else(not_run);
        Some((0..self.cursors.get()?.len()).map(of).collect())
    }

    fn cursor(&self, index: u32) -> Option<Json> {
        self.cursors.get()?.get(index as usize).cloned()
    }
}

/// Of an instance that was cancelled because another one failed.
fn not_run() -> Instance {
    Instance::Failed(StepError::permanent("NOT_RUN", "this batch has no result"))
}

/// Of an instance that an operator left out.
pub(crate) fn left_out() -> Instance {
    Instance::Failed(StepError::permanent("SKIPPED_BY_OPERATOR", "an operator left this batch out"))
}

/// What an attempt of the instance `no` has beside what every step has, until `over`.
pub(crate) fn part_of(
    shared: &Arc<Shared>,
    batches: &[BatchResults],
    lease: Lease,
    (no, attempt): (StepIndex, u32),
    over: &CancellationToken,
) -> Option<BatchPart> {
    let index = no.index()?;
    let cursor = batches.iter().find(|batch| batch.worker == no.step())?.cursor(index)?;
    let worker = shared.worker();
    let progress = Arc::new(Kept { shared: shared.clone(), worker, lease, no, attempt, over: over.clone() });
    Some(BatchPart { index, cursor, progress })
}

/// Progress in the database, for as long as the lease lasts.
struct Kept {
    shared: Arc<Shared>,
    /// As whom this process got the step: what it is later has no right to it.
    worker: WorkerId,
    lease: Lease,
    no: StepIndex,
    attempt: u32,
    /// Nobody wants the result any more. The step may have been lent to this very process again, whose right
    /// to save is then not that of this attempt.
    over: CancellationToken,
}

#[async_trait]
impl Progressing for Kept {
    async fn load(&self) -> Result<Option<Saved<Json, Json>>, StepError> {
        loop {
            let load = async {
                let mut connection = self.shared.store.reader().await?;
                checkpoint::load(&mut connection, self.lease.task, self.no).await
            };
            match load.await {
                Ok(saved) => return Ok(saved),
                Err(error) => self.unanswered(error).await?,
            }
        }
    }

    async fn save(&self, saved: Saved<Json, Json>) -> Result<(), StepError> {
        let now = self.shared.clock.now();
        while !self.over.is_cancelled() {
            let save = async {
                let mut connection = self.shared.store.writer().await?;
                let place = (self.no, self.attempt);
                checkpoint::save(&mut connection, self.worker, self.lease, place, &saved, now).await
            };
            match save.await {
                Ok(true) => return Ok(()),
                Ok(false) => break,
                Err(error) => self.unanswered(error).await?,
            }
        }
        Err(self.lost())
    }
}

impl Kept {
    /// Returns once it is time to ask again: that the database is away for a while is no failure of the step.
    async fn unanswered(&self, error: store::Error) -> Result<(), StepError> {
        if !error.is_transient() {
            let message = format!("the checkpoint could not be reached: {error}");
            return Err(StepError::retryable("CHECKPOINT_UNREACHABLE", message));
        }
        if self.over.is_cancelled() {
            return Err(self.lost());
        }
        tracing::warn!(%error, "a checkpoint waits for the database");
        tokio::time::sleep(AWAY).await;
        Ok(())
    }

    fn lost(&self) -> StepError {
        let message = format!("attempt {} no longer holds this batch: nothing was saved", self.attempt);
        StepError::retryable("LEASE_LOST", message)
    }
}
