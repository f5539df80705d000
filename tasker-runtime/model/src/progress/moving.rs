//! The states of steps change here, and only where the table of states says.

use std::mem;

use super::{Counts, Progress, Slot};
use crate::{StepIndex, StepState, Timestamp};

impl Slot {
    /// The one place where a state changes. It goes only where [`StepState::next`] says.
    pub(super) fn enter(&mut self, state: StepState) -> StepState {
        let before = mem::replace(&mut self.state, state);
        debug_assert!(before.next().contains(&state), "a step went from {before} to {state}");
        #[cfg(test)]
        super::moves::note(before, state);
        before
    }
}

impl Progress {
    /// Moves a step to `state` through all that lies between: the journal has only what attempts came to, and
    /// may be read in another order than it was written in.
    pub(crate) fn lead_to(&mut self, no: StepIndex, state: StepState) {
        while let Some(next) = self.slot(no).and_then(|slot| slot.state.towards(state)) {
            self.move_to(no, next);
        }
    }

    /// Moves a step to where it does what it is for: calls its handler, or waits.
    pub(super) fn lead_to_work(&mut self, no: StepIndex) {
        match self.rules.only_waits(no) {
            true => self.lead_to_wait(no),
            false => self.lead_to(no, StepState::InProgress),
        }
    }

    /// Operators decide about steps that failed or wait.
    pub(super) fn lead_to_failure(&mut self, no: StepIndex) {
        let state = self.slot(no).map(Slot::state);
        if state == Some(StepState::Waiting) {
            return;
        }
        if self.rules.only_waits(no) {
            if state != Some(StepState::Error) {
                self.lead_to_wait(no);
            }
            return;
        }
        if self.slot(no).is_some_and(|slot| slot.state != StepState::WaitingForRetry) {
            self.lead_to(no, StepState::Error);
        }
    }

    /// Lets what waits for its next attempt wait until `at` at the longest.
    pub(super) fn end_wait(&mut self, no: StepIndex, at: Timestamp) {
        if let (Some(of), Some(rollback)) = (no.compensates(), &mut self.rollback) {
            return rollback.end_wait(of, at);
        }
        let Some(due) = self.slot(no).and_then(Slot::retry_at).filter(|due| *due > at) else { return };
        self.slot_mut(no, |slot| slot.retry_at = Some(at));
        self.waits.remove(&(due, no));
        self.waits.insert((at, no));
    }

    /// Moves a step or an instance, and every count with it.
    pub(crate) fn move_to(&mut self, no: StepIndex, state: StepState) {
        let changed = self.slot_mut(no, |slot| {
            slot.reopened &= matches!(
                state,
                StepState::Pending
                    | StepState::Ready
                    | StepState::InProgress
                    | StepState::WaitingForRetry
                    | StepState::Waiting
            );
            (slot.enter(state), slot.retry_at.unwrap_or_default())
        });
        let Some((before, retry_at)) = changed else { return };
        if before == StepState::WaitingForRetry {
            self.waits.remove(&(retry_at, no));
        }
        if state == StepState::WaitingForRetry {
            self.waits.insert((retry_at, no));
        }
        if before == StepState::Waiting {
            self.close_wait(no);
        }
        let worker = self.is_worker(no);
        for (state, by) in [(before, -1), (state, 1)] {
            let Counts { ready, running, failed, left } = &mut self.counts;
            match state {
                StepState::Ready => *ready = ready.wrapping_add_signed(by),
                StepState::InProgress if !worker => *running = running.wrapping_add_signed(by),
                _ => {}
            }
            if no.index().is_some() {
                if let Some(batch) = self.batches.get_mut(&no.step()) {
                    batch.count(state, by);
                }
                continue;
            }
            match state {
                StepState::Error => *failed = failed.wrapping_add_signed(by),
                StepState::Pending
                | StepState::Ready
                | StepState::InProgress
                | StepState::WaitingForRetry
                | StepState::Waiting => {
                    *left = left.wrapping_add_signed(by);
                }
                _ => {}
            }
        }
    }
}
