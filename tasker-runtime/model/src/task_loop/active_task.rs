//! A task this process holds.

use std::sync::Arc;

use uuid::Uuid;

use super::{Left, Routes};
use crate::{Fact, Kin, Lease, Progress, StepIndex, Timestamp};

/// A task this process holds, as its loop knows it.
#[derive(Debug)]
pub struct ActiveTask<B> {
    pub(super) lease: Lease,
    pub(super) id: Uuid,
    /// How many holders died in a row without recording anything.
    pub(super) takeovers: u32,
    /// Something was recorded since this process claimed the task.
    pub(super) recorded: bool,
    /// Who hears of its end.
    pub(super) kin: Kin,
    /// It is held that long at least: one of the tasks that it started may end any moment.
    pub(super) lingers: Option<Timestamp>,
    /// How often the tasks that its steps start are being looked at. What that brings, nobody else is told.
    pub(super) looking: u32,
    pub(super) routes: Arc<Routes>,
    pub(super) progress: Progress,
    /// Attempts that have been started or offered and not come back.
    pub(super) running: u32,
    /// Of these, attempts that are offered to others.
    pub(super) lent: u32,
    /// Of these, attempts that cannot run here.
    pub(super) elsewhere: u32,
    /// What the whole task is to come to.
    pub(super) wanted: Option<Wanted>,
    /// The journal may hold what is not known here: the task is to be read anew.
    pub(super) unread: bool,
    /// Whether the store says that the task is being rolled back.
    pub(super) rollback_shown: bool,
    /// When its next retry is noted to be due.
    pub(super) due: Option<Timestamp>,
    pub(super) body: B,
}

/// What is wanted of a held task as a whole: by an operator, or because of what one of its steps does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Its end, at once.
    Cancelled,
    /// A pause, once what runs has come back.
    Paused,
    /// To be set aside, once what runs has come back: processes that borrowed this step died of it.
    SetAside(StepIndex),
}

impl<B> ActiveTask<B> {
    /// Adds a fact that an operator's command led to, recorded at the time `at`.
    pub(super) fn accept(&mut self, fact: &Fact, at: Timestamp) {
        let (step, event) = fact.event();
        // A result that cannot be followed was refused before it became a fact.
        let _ = self.progress.apply_at(step, &event, at);
    }

    /// Whether it is to be set aside, and nothing else is wanted of it.
    pub(super) fn is_to_be_set_aside(&self) -> bool {
        matches!(self.wanted, Some(Wanted::SetAside(_)))
    }

    /// An attempt came back, to whatever end.
    pub(super) fn came_back(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// An attempt came back without an end: the step is ready again.
    pub(super) fn put_back(&mut self, step: StepIndex) {
        self.came_back();
        self.progress.put_back(step);
    }

    /// An attempt is offered to others.
    pub(super) fn lend(&mut self, step: StepIndex) {
        self.lent += 1;
        self.elsewhere += u32::from(!self.routes.run_here(step));
    }

    /// An attempt is offered to others no more, or has come back from them.
    pub(super) fn loan_ended(&mut self, step: StepIndex) {
        self.lent = self.lent.saturating_sub(1);
        self.elsewhere = self.elsewhere.saturating_sub(u32::from(!self.routes.run_here(step)));
    }

    /// Whether all that it does is done elsewhere, so that it cannot do this process any harm.
    pub(super) fn runs_elsewhere(&self) -> bool {
        self.running > 0 && self.running == self.elsewhere
    }

    /// The number of the next attempt of a step, from 1.
    pub(super) fn next_attempt(&self, step: StepIndex) -> u32 {
        self.progress.slot(step).map_or(0, |slot| slot.failed_attempts()) + 1
    }

    /// The task as one that is held here no more, for reasons of this process alone.
    pub(super) fn gone(self) -> Left<B> {
        let (task, id) = (self.lease.task, self.id);
        Left { task, id, state: None, run_at: None, followed: false, body: Some(self.body) }
    }
}
