//! What a process keeps of a task it holds beside its progress: what the handlers of its steps see.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::{self, BatchResults};
use crate::{
    handler::{Instance, Results, TaskData, Upstream},
    model::{
        Fact, Json, NoResult, Progress, Rules, Start, StepError, StepIndex, StepState, Timestamp,
        task_loop::ClaimedTask,
    },
    orchestration::{
        claim::Claimed,
        compiled::CompiledTemplate,
        journal::{History, Kind},
    },
};

/// What a driver keeps of a held task. The steps of the task see the facts and the results.
pub(crate) struct TaskBody {
    pub facts: Arc<TaskData>,
    pub plan: Arc<CompiledTemplate>,
    pub results: Arc<TaskResults>,
    /// This process no longer wants the results of the handlers.
    pub cancel: CancellationToken,
    /// Tells the handlers to stop: what they return is wanted all the same until `cancel` says otherwise,
    /// which tells them as well.
    pub stop: CancellationToken,
}

/// Reads back a task that was claimed.
pub(crate) fn read_back(mut claimed: Claimed, plan: Arc<CompiledTemplate>) -> ClaimedTask<TaskBody> {
    claimed.history.start = Start { at: claimed.created_at, context: Some(claimed.context.clone()) };
    let progress = claimed.history.replay(plan.rules().clone());
    let results = results_of(&plan, &progress, &claimed.history);
    let cancel = CancellationToken::new();
    let Claimed { lease, uuid: id, takeovers, correlation_id, context, created_at, has_parent, .. } = claimed;
    let facts = facts_of(id, correlation_id, &plan, context, created_at);
    let (routes, stop) = (plan.routes.clone(), cancel.child_token());
    let body = TaskBody { facts, plan, results, stop, cancel };
    ClaimedTask { lease, id, takeovers, routes, progress, has_parent, body }
}

/// The results a history has, as handlers see them.
pub(crate) fn results_of(
    plan: &CompiledTemplate,
    progress: &Progress,
    history: &History,
) -> Arc<TaskResults> {
    let results = TaskResults::new(plan.rules());
    for failure in history.failures.iter().filter(|failure| failure.retry_at.is_none()) {
        if let NoResult::Failed(error) = &failure.came {
            results.failed(failure.step, error);
        }
    }
    for entry in &history.entries {
        match entry.kind {
            Kind::Skipped => results.left_out(entry.step),
            _ => results.complete(entry.step, entry.result.clone()),
        }
    }
    for (no, slot) in progress.slots() {
        if slot.state() == StepState::Skipped && no.index().is_none() {
            results.not_taken(no.step());
        }
    }
    Arc::new(results)
}

/// The facts of a task, as its handlers see them.
pub(crate) fn facts_of(
    id: Uuid,
    correlation_id: Uuid,
    plan: &CompiledTemplate,
    context: Json,
    created_at: Timestamp,
) -> Arc<TaskData> {
    let template = plan.template.clone();
    Arc::new(TaskData { id, correlation_id, template, context, created_at_us: created_at.as_micros() })
}

/// The results of a task's steps, as its handlers see them: each is set once.
#[derive(Debug)]
pub(crate) struct TaskResults {
    steps: Box<[OnceLock<Option<Json>>]>,
    pub batches: Vec<BatchResults>,
}

impl TaskResults {
    fn new(rules: &Rules) -> Self {
        let steps = (0..rules.steps.len()).map(|_| OnceLock::new()).collect();
        Self { steps, batches: BatchResults::of(rules) }
    }

    /// The step has this result. A second one is the same, read again.
    pub(crate) fn complete(&self, no: StepIndex, result: Json) {
        // What a compensation returns is nobody's input.
        if no.compensates().is_some() {
            return;
        }
        if let Some(index) = no.index() {
            return self.ended(no, index, Instance::Complete(result));
        }
        self.batches.iter().for_each(|batch| batch.planned(no.step(), &result));
        let _ = self.steps[no.step() as usize].set(Some(result));
    }

    /// The step failed for good. Only the failure of a batch may be read by others.
    pub(crate) fn failed(&self, no: StepIndex, error: &StepError) {
        if let Some(index) = no.index().filter(|_| no.compensates().is_none()) {
            self.ended(no, index, Instance::Failed(error.clone()));
        }
    }

    /// An operator settled the step.
    pub(crate) fn accept(&self, fact: &Fact) {
        match fact {
            Fact::Reopened(_) | Fact::DueNow(_) => {}
            Fact::Skipped(no) => self.left_out(*no),
            Fact::Resolved(no, result) => self.complete(*no, result.clone()),
        }
    }

    fn left_out(&self, no: StepIndex) {
        match no.index() {
            _ if no.compensates().is_some() => {}
            Some(index) => self.ended(no, index, batch::left_out()),
            None => self.not_taken(no.step()),
        }
    }

    fn ended(&self, no: StepIndex, index: u32, instance: Instance) {
        if let Some(batch) = self.batches.iter().find(|batch| batch.worker == no.step()) {
            batch.ended(index, instance);
        }
    }

    /// The step is on a path that was not taken.
    pub(crate) fn not_taken(&self, step: u32) {
        let _ = self.steps[step as usize].set(None);
    }
}

impl Results for TaskResults {
    fn of(&self, step: u32) -> Upstream {
        match self.steps.get(step as usize).and_then(OnceLock::get) {
            Some(Some(result)) => Upstream::Complete(result.clone()),
            Some(None) => Upstream::NotTaken,
            None => {
                let batch = self.batches.iter().find(|batch| batch.worker == step);
                batch.and_then(BatchResults::all).map_or(Upstream::Pending, Upstream::Instances)
            }
        }
    }
}
