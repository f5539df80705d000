//! What a held task knows of its batches: the cursors of the analyzer's plan, what came of each instance,
//! and how an instance keeps its progress.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;

use super::engine::Shared;
use crate::{
    handler::{BatchPart, Instance, Progressing, Saved},
    model::{BatchOutcome, Json, Lease, Rules, StepError, StepNo},
    orchestration::checkpoint,
};

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

/// What attempt `attempt` of the instance `no` has beside what every step has.
pub(crate) fn part_of(
    shared: &Arc<Shared>,
    batches: &[BatchResults],
    lease: Lease,
    no: StepNo,
    attempt: u32,
) -> Option<BatchPart> {
    let index = no.index()?;
    let cursor = batches.iter().find(|batch| batch.worker == no.step())?.cursor(index)?;
    let progress = Arc::new(Kept { shared: shared.clone(), lease, no, attempt });
    Some(BatchPart { index, cursor, progress })
}

/// Progress in the database, for as long as the lease lasts.
struct Kept {
    shared: Arc<Shared>,
    lease: Lease,
    no: StepNo,
    attempt: u32,
}

#[async_trait]
impl Progressing for Kept {
    async fn load(&self) -> Result<Option<Saved<Json, Json>>, StepError> {
        let load = async {
            let mut connection = self.shared.store.reader().await?;
            checkpoint::load(&mut connection, self.lease.task, self.no).await
        };
        load.await.map_err(unanswered)
    }

    async fn save(&self, saved: Saved<Json, Json>) -> Result<(), StepError> {
        let now = self.shared.clock.now();
        let save = async {
            let mut connection = self.shared.store.writer().await?;
            let worker = self.shared.worker();
            checkpoint::save(&mut connection, worker, self.lease, (self.no, self.attempt), &saved, now).await
        };
        if save.await.map_err(unanswered)? {
            return Ok(());
        }
        let message = format!("attempt {} no longer holds this batch: nothing was saved", self.attempt);
        Err(StepError::retryable("LEASE_LOST", message))
    }
}

fn unanswered(error: crate::store::Error) -> StepError {
    StepError::retryable("STORE_UNREACHABLE", format!("the checkpoint could not be reached: {error}"))
}
