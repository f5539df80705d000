//! A task this process holds, as its hold loop knows it.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::{self, BatchResults};
use crate::{
    handler::{Instance, Results, TaskData, Upstream},
    model::{Fact, Json, Lease, Progress, Rules, StepError, StepNo, StepState, Timestamp},
    orchestration::{
        claim::Claimed,
        compiled::CompiledTemplate,
        journal::{History, Kind},
    },
};

/// A held task. One hold loop owns it; its steps see the facts and the results only.
pub(crate) struct Held {
    pub lease: Lease,
    /// How many holders died in a row without recording anything.
    pub takeovers: u32,
    /// Something was recorded since this process took the task.
    pub recorded: bool,
    pub facts: Arc<TaskData>,
    pub plan: Arc<CompiledTemplate>,
    pub progress: Progress,
    pub results: Arc<TaskResults>,
    /// This process no longer wants the results of the handlers.
    pub cancel: CancellationToken,
    /// Tells the handlers to stop: what they return is wanted all the same until `cancel` says otherwise,
    /// which tells them as well.
    pub stop: CancellationToken,
    /// Attempts that have been started and not come back.
    pub running: u32,
    /// What an operator wants the whole task to come to.
    pub wanted: Option<Wanted>,
    /// Whether the store says that the task is being rolled back.
    pub rollback_shown: bool,
}

/// What an operator wants a held task to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Its end, at once.
    Cancelled,
    /// A pause, once what runs has come back.
    Paused,
}

impl Held {
    pub(crate) fn new(claimed: Claimed, plan: Arc<CompiledTemplate>) -> Self {
        let progress = claimed.history.replay(plan.rules.clone());
        let results = Self::results_of(&plan, &progress, &claimed.history);
        let cancel = CancellationToken::new();
        Self {
            lease: claimed.lease,
            takeovers: claimed.takeovers,
            recorded: false,
            facts: facts_of(claimed.uuid, claimed.correlation_id, &plan, claimed.context, claimed.created_at),
            plan,
            progress,
            results,
            stop: cancel.child_token(),
            cancel,
            running: 0,
            wanted: None,
            rollback_shown: false,
        }
    }

    /// The results a history has, as handlers see them.
    pub(crate) fn results_of(
        plan: &CompiledTemplate,
        progress: &Progress,
        history: &History,
    ) -> Arc<TaskResults> {
        let results = TaskResults::new(&plan.rules);
        for failure in history.failures.iter().filter(|failure| failure.retry_at.is_none()) {
            results.failed(failure.step, &failure.error);
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

    /// Adds a fact an operator's command led to, recorded at the time `at`.
    pub(crate) fn accept(&mut self, fact: Fact, at: Timestamp) {
        let (no, event) = fact.event();
        match fact {
            Fact::Reopened(_) => {}
            Fact::Skipped(no) => self.results.left_out(no),
            Fact::Resolved(no, result) => self.results.complete(no, result),
        }
        // A result that cannot be followed was refused before it became a fact.
        let _ = self.progress.apply_at(no, &event, at);
    }

    /// Lets the steps below see what was skipped since this was last done.
    pub(crate) fn settle_skipped(&mut self) {
        for step in self.progress.take_skipped() {
            self.results.not_taken(step);
        }
    }
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
    pub(crate) fn complete(&self, no: StepNo, result: Json) {
        // What a compensation returns is nobody's input.
        if no.undoes().is_some() {
            return;
        }
        if let Some(index) = no.index() {
            return self.ended(no, index, Instance::Complete(result));
        }
        self.batches.iter().for_each(|batch| batch.planned(no.step(), &result));
        let _ = self.steps[no.step() as usize].set(Some(result));
    }

    /// The step failed for good. Only the failure of a batch may be read by others.
    pub(crate) fn failed(&self, no: StepNo, error: &StepError) {
        if let Some(index) = no.index().filter(|_| no.undoes().is_none()) {
            self.ended(no, index, Instance::Failed(error.clone()));
        }
    }

    fn left_out(&self, no: StepNo) {
        match no.index() {
            _ if no.undoes().is_some() => {}
            Some(index) => self.ended(no, index, batch::left_out()),
            None => self.not_taken(no.step()),
        }
    }

    fn ended(&self, no: StepNo, index: u32, instance: Instance) {
        if let Some(batch) = self.batches.iter().find(|batch| batch.worker == no.step()) {
            batch.ended(index, instance);
        }
    }

    fn not_taken(&self, step: u32) {
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
