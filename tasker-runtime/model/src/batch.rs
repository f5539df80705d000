//! Batches within the fold: instances are released as far as their parallelism allows, and settle their
//! worker.
//!
//! What becomes of an instance depends only on what is recorded, not on the order it was recorded in:
//! an instance of a batch that failed fast is cancelled unless it has a result of its own, and is
//! pending again once no failure is left.

use tasker_template::FailureStrategy;

use super::{Progress, Slot, StepIndex, StepState};

/// The instances of one batch worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) instances: Vec<Slot>,
    /// No instance below this one waits to be released.
    next: u32,
    /// Released and not settled.
    open: u32,
    /// Complete, resolved, skipped, failed or cancelled.
    settled: u32,
    failed: u32,
    /// A failure has cancelled what had not started.
    stopped: bool,
}

impl Batch {
    pub(super) fn of(instances: Vec<Slot>) -> Self {
        Self { instances, ..Self::default() }
    }

    /// Counts an instance into its state, or out of it.
    pub(super) fn count(&mut self, state: StepState, by: i32) {
        let count = match state {
            StepState::Pending => return,
            StepState::Ready | StepState::InProgress | StepState::WaitingForRetry => &mut self.open,
            _ => &mut self.settled,
        };
        *count = count.wrapping_add_signed(by);
        if state == StepState::Error {
            self.failed = self.failed.wrapping_add_signed(by);
        }
    }

    /// The next instance to release. In a batch that has failed, only what an operator reopened.
    fn next(&mut self) -> Option<u32> {
        loop {
            let slot = self.instances.get(self.next as usize)?;
            let index = self.next;
            self.next += 1;
            if slot.state == StepState::Pending && (!self.stopped || slot.reopened) {
                return Some(index);
            }
        }
    }

    /// The instances for which `which` holds.
    fn find(&self, which: impl Fn(&Slot) -> bool) -> Vec<u32> {
        (0u32..).zip(&self.instances).filter(|(_, slot)| which(slot)).map(|(index, _)| index).collect()
    }
}

impl Progress {
    /// Whether a failure in its batch keeps this instance from being tried again.
    pub(super) fn is_stopped(&self, no: StepIndex) -> bool {
        no.index().is_some()
            && self.batches.get(&no.step()).is_some_and(|batch| batch.stopped)
            && self.slot(no).is_some_and(|slot| !slot.reopened)
    }

    /// An instance changed: stops the others or lets them go on, releases what there is room for, settles
    /// the worker.
    pub(super) fn instance_changed(&mut self, worker: u32) {
        let rules = self.rules.clone();
        let Some(rule) = &rules.steps[worker as usize].batch else { return };
        let Some(batch) = self.batches.get_mut(&worker) else { return };
        let stopped = batch.failed > 0 && rule.strategy == FailureStrategy::FailFast;
        if stopped != batch.stopped {
            batch.stopped = stopped;
            batch.next = 0;
            self.stop_or_go_on(worker, stopped);
        }
        let no = StepIndex::of(worker);
        let state = self.steps[worker as usize].state;
        if !matches!(state, StepState::InProgress | StepState::Error) {
            // Not released yet, or settled by an operator.
            return;
        }
        self.fill(worker, rule.parallelism.max(1));
        let Some(batch) = self.batches.get(&worker) else { return };
        let all = batch.settled as usize == batch.instances.len();
        match state {
            StepState::InProgress | StepState::Error if all && !stopped => {
                self.lead_to(no, StepState::InProgress);
                self.settle(no, StepState::Complete);
            }
            StepState::InProgress if all => self.move_to(no, StepState::Error),
            StepState::Error if !all => self.lead_to(no, StepState::InProgress),
            _ => {}
        }
    }

    fn stop_or_go_on(&mut self, worker: u32, stop: bool) {
        use StepState::{Cancelled, Pending, Ready, WaitingForRetry};
        let Some(batch) = self.batches.get(&worker) else { return };
        let (found, to) = if stop {
            let idle =
                |slot: &Slot| matches!(slot.state, Pending | Ready | WaitingForRetry) && !slot.reopened;
            (batch.find(idle), Cancelled)
        } else {
            (batch.find(|slot| slot.state == Cancelled), Pending)
        };
        for index in found {
            let no = StepIndex::instance(worker, index);
            let waits = !stop && self.slot(no).is_some_and(Slot::is_due_again);
            self.move_to(no, if waits { WaitingForRetry } else { to });
        }
    }

    /// Releases instances while fewer than `parallelism` are open.
    fn fill(&mut self, worker: u32, parallelism: u32) {
        loop {
            let Some(batch) = self.batches.get_mut(&worker) else { return };
            if batch.open >= parallelism {
                return;
            }
            let Some(index) = batch.next() else { return };
            self.make_ready(StepIndex::instance(worker, index));
        }
    }

    /// An operator reopened a failed instance: it runs as soon as there is room.
    pub(super) fn reopen_instance(&mut self, worker: u32, index: u32) {
        self.move_to(StepIndex::instance(worker, index), StepState::Pending);
        if let Some(batch) = self.batches.get_mut(&worker) {
            batch.next = batch.next.min(index);
        }
        self.instance_changed(worker);
    }
}
