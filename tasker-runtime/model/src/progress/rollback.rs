//! Undoing a task whose template says `on_failure: compensate`.
//!
//! Once no step can run any more and one has failed for good, the compensations of all steps that have a
//! result run one after the other, the step that finished last first. What is to be undone, and in which
//! order, follows from the journal alone: a step's result and when it was recorded. Steps without a
//! compensation are passed over; steps that an operator gave a result are undone like any other, except for
//! a batch worker as a whole, and steps that were skipped never. There is no way back: while compensations
//! run, no step does.

use std::collections::{BTreeMap, BTreeSet};

use tasker_template::OnFailure;

use super::{Event, Progress, Slot, Verdict};
use crate::{Json, OutcomeError, StepIndex, StepState, TaskState, Timestamp};

/// What can be undone.
#[derive(Clone, Debug, Default)]
pub(super) struct Rollback {
    /// Something was recorded about a compensation.
    begun: bool,
    /// Every step with a result.
    finished: BTreeMap<StepIndex, Finished>,
    /// When the last of these finished.
    latest: Timestamp,
    /// Those that are still to be undone, in the order they finished.
    open: BTreeSet<(Timestamp, StepIndex)>,
}

/// A step with a result.
#[derive(Clone, Debug)]
struct Finished {
    at: Timestamp,
    result: Json,
    /// Its compensation, where it has one.
    compensation: Option<Slot>,
}

impl Slot {
    /// Moves a compensation to `state` through all that lies between.
    fn lead_to(&mut self, state: StepState) {
        while let Some(next) = self.state.towards(state) {
            self.enter(next);
        }
    }
}

impl Rollback {
    fn add(&mut self, no: StepIndex, at: Timestamp, result: &Json, compensated: bool) {
        let compensation = compensated.then(|| Slot::waiting_for(0));
        self.latest = self.latest.max(at);
        if compensated {
            self.open.insert((at, no));
        }
        self.finished.insert(no, Finished { at, result: result.clone(), compensation });
    }

    /// The step whose compensation runs or is to run.
    fn current(&self) -> Option<(StepIndex, &Slot)> {
        let (_, no) = self.open.last()?;
        Some((*no, self.slot(*no)?))
    }

    /// Lets a compensation that waits for its next attempt wait until `at` at the longest.
    pub(super) fn end_wait(&mut self, of: StepIndex, at: Timestamp) {
        let undo = self.finished.get_mut(&of).and_then(|finished| finished.compensation.as_mut());
        if let Some(slot) = undo.filter(|slot| slot.retry_at().is_some_and(|due| due > at)) {
            slot.retry_at = Some(at);
        }
    }

    /// The compensation of the step `of`.
    pub(super) fn slot(&self, of: StepIndex) -> Option<&Slot> {
        self.finished.get(&of)?.compensation.as_ref()
    }

    fn verdict(&self) -> Verdict {
        match self.current() {
            None => Verdict::Compensated,
            Some((_, slot)) => match (slot.state, slot.retry_at()) {
                (StepState::Error, _) => Verdict::Failed,
                (_, Some(at)) => Verdict::Waiting(at),
                _ => Verdict::Working,
            },
        }
    }

    /// Moves the current compensation on if it is in one of the states `from`.
    fn advance(&mut self, from: &[StepState], to: StepState) -> Option<StepIndex> {
        let (no, slot) = self.current()?;
        if !from.contains(&slot.state) {
            return None;
        }
        let slot = self.finished.get_mut(&no)?.compensation.as_mut()?;
        if slot.state == StepState::Pending {
            slot.enter(StepState::Ready);
        }
        slot.enter(to);
        Some(no.compensation())
    }

    fn apply(&mut self, of: StepIndex, event: &Event) {
        self.begun = true;
        let Some(finished) = self.finished.get_mut(&of) else { return };
        // What was once begun is to be brought to an end, whatever this process knows about the handler.
        let slot = finished.compensation.get_or_insert_with(|| {
            self.open.insert((finished.at, of));
            Slot::waiting_for(0)
        });
        if slot.state.is_settled() {
            return;
        }
        match event {
            // What compensates does not go round.
            Event::DueNow | Event::Again { .. } => return,
            Event::Reopened if slot.state != StepState::Error => return,
            Event::Reopened => {
                slot.spent = 0;
                slot.enter(StepState::Ready);
                return;
            }
            Event::Failed { retry_at } => {
                slot.lead_to(StepState::InProgress);
                slot.attempts += 1;
                slot.spent += 1;
                slot.retry_at = *retry_at;
                slot.enter(if retry_at.is_some() { StepState::WaitingForRetry } else { StepState::Error });
                return;
            }
            Event::FailedAndReopened => {
                slot.lead_to(StepState::Error);
                slot.attempts += 1;
                slot.spent = 0;
                slot.enter(StepState::Ready);
                return;
            }
            Event::Completed { .. } => {
                slot.lead_to(StepState::InProgress);
                slot.enter(StepState::Complete);
            }
            Event::Resolved { .. } | Event::Skipped => {
                if slot.state != StepState::WaitingForRetry {
                    slot.lead_to(StepState::Error);
                }
                let skipped = matches!(event, Event::Skipped);
                slot.enter(if skipped { StepState::Skipped } else { StepState::ResolvedManually });
            }
        }
        self.open.remove(&(finished.at, of));
    }
}

impl Progress {
    /// Adds what was recorded about step or compensation `no` at the time `at`. As
    /// [`apply`](Self::apply), which is for tasks whose order of completion does not matter.
    ///
    /// Compensations are added after all steps.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_at(&mut self, no: StepIndex, event: &Event, at: Timestamp) -> Result<(), OutcomeError> {
        if matches!(event, Event::DueNow) {
            self.end_wait(no, at);
            return Ok(());
        }
        if let Some(of) = no.compensates() {
            if let Some(rollback) = &mut self.rollback {
                rollback.apply(of, event);
            }
            return Ok(());
        }
        let has_result = |progress: &Self| progress.slot(no).is_some_and(|slot| slot.state.has_result());
        let had_result = has_result(self);
        if let Some(waits) = &mut self.waits_for {
            waits.now = at;
        }
        self.apply_to_step(no, event)?;
        // The batches of a worker are undone each; what an operator gave for all of them was never done.
        let compensated = self.rules.steps.get(no.step() as usize).is_some_and(|rule| {
            rule.compensation.is_some() && (rule.batch.is_none() || no.index().is_some())
        });
        if let Event::Completed { result } | Event::Resolved { result } = event
            && !had_result
            && has_result(self)
            && let Some(rollback) = &mut self.rollback
        {
            rollback.add(no, at, result, compensated);
        }
        Ok(())
    }

    /// When a step finished for this task, if it did at `at` by the clock of the process that ran it: after
    /// all that had finished before, whatever the clocks of others say, since the order in which steps
    /// finished is the reverse of that in which they are undone. Tasks that are never undone keep `at`.
    #[must_use]
    pub fn after_all(&self, at: Timestamp) -> Timestamp {
        match &self.rollback {
            Some(rollback) => at.max(rollback.latest + std::time::Duration::from_micros(1)),
            None => at,
        }
    }

    /// Whether the task is being undone or has been. No step runs any more then.
    #[must_use]
    pub fn rolling_back(&self) -> bool {
        let rollback = self.rollback.as_ref();
        rollback.is_some_and(|rollback| rollback.begun || self.steps_verdict() == Verdict::Failed)
    }

    /// The compensations of a task that is being undone or has been, in the order they run.
    pub fn compensations(&self) -> impl Iterator<Item = (StepIndex, &Slot)> {
        let rollback = self.rollback.as_ref().filter(|_| self.rolling_back());
        let finished = rollback.into_iter().flat_map(|rollback| &rollback.finished);
        let mut compensations: Vec<(Timestamp, StepIndex, &Slot)> = finished
            .filter_map(|(no, finished)| Some((finished.at, *no, finished.compensation.as_ref()?)))
            .collect();
        compensations.sort_unstable_by_key(|(at, no, _)| std::cmp::Reverse((*at, *no)));
        compensations.into_iter().map(|(_, no, slot)| (no.compensation(), slot))
    }

    /// For a compensation: the result of the step that it undoes.
    #[must_use]
    pub fn compensated(&self, no: StepIndex) -> Option<&Json> {
        self.rollback.as_ref()?.finished.get(&no.compensates()?).map(|finished| &finished.result)
    }

    /// What can be done with the task now.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match &self.rollback {
            Some(rollback) if self.rolling_back() => rollback.verdict(),
            _ => self.steps_verdict(),
        }
    }

    /// When the next step or compensation that waits for a retry may start, or the next wait for something else is
    /// over; `None`: nothing is due by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        match &self.rollback {
            Some(rollback) if self.rolling_back() => rollback.current()?.1.retry_at(),
            _ => {
                let retry = self.waits.first().map(|(at, _)| *at);
                let wait = self.next_wait().filter(|at| *at < Timestamp::NEVER);
                retry.into_iter().chain(wait).min()
            }
        }
    }

    /// The state of the task.
    #[must_use]
    pub fn state(&self) -> TaskState {
        match (self.verdict(), self.rules.on_failure) {
            (Verdict::Complete, _) => TaskState::Complete,
            (Verdict::Compensated, _) => TaskState::Compensated,
            (Verdict::Failed, OnFailure::Fail) => TaskState::Error,
            (Verdict::Failed, OnFailure::Block | OnFailure::Compensate) => TaskState::BlockedByFailures,
            (Verdict::Working | Verdict::Waiting(_), _) if self.rolling_back() => TaskState::Compensating,
            (Verdict::Working, _) => TaskState::InProgress,
            (Verdict::Waiting(_), _) => TaskState::Waiting,
        }
    }

    /// The compensation that is next, where none runs. It counts as running from now on.
    pub(super) fn take_compensations(&mut self) -> Vec<StepIndex> {
        let rollback = self.rollback.as_mut();
        let ready = &[StepState::Pending, StepState::Ready];
        rollback.and_then(|rollback| rollback.advance(ready, StepState::InProgress)).into_iter().collect()
    }

    /// Takes back a compensation that was taken to run and did not.
    pub(super) fn put_back_compensations(&mut self) {
        if let Some(rollback) = &mut self.rollback {
            rollback.advance(&[StepState::InProgress], StepState::Ready);
        }
    }

    /// The calendar was set by so many microseconds.
    pub(super) fn shift_compensations(&mut self, by: i64) {
        let finished = self.rollback.iter_mut().flat_map(|rollback| rollback.finished.values_mut());
        finished.filter_map(|finished| finished.compensation.as_mut()).for_each(|slot| slot.shift_retry(by));
    }

    /// Releases the compensation whose retry time has come.
    pub(super) fn wake_compensations(&mut self, now: Timestamp) {
        if let Some(rollback) = &mut self.rollback
            && rollback.current().and_then(|(_, slot)| slot.retry_at()).is_some_and(|at| at <= now)
        {
            rollback.advance(&[StepState::WaitingForRetry], StepState::Ready);
        }
    }
}
