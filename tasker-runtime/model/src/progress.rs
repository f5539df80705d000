//! Where a task stands: a fold over its journal.
//!
//! The same fold serves a task that runs and one that is read back after a crash: what was recorded
//! goes in, which steps may run comes out. Nothing here is stored.

mod cause;
mod children;
mod decided;
mod event;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod moves;
mod moving;
mod rollback;
mod waits;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use tasker_template::{OnFailure, StepKind};

pub use self::children::ChildrenOf;
pub use self::decided::Moved;
pub use self::event::{Event, Verdict};
pub use self::waits::Start;
use self::{rollback::Rollback, waits::Waits};
use super::{
    Round, Rounds, Rules, StepIndex, StepState, Timestamp, batch::Batch, outcome::OutcomeError, rules::Effect,
};

/// What is known of one step or one batch instance.
#[derive(Clone, Debug)]
pub struct Slot {
    pub(super) state: StepState,
    /// Steps it depends on that are not settled.
    missing: u32,
    /// Settled steps it depends on that were taken.
    taken: u32,
    attempts: u32,
    /// Attempts since an operator last reopened it.
    spent: u32,
    retry_at: Option<Timestamp>,
    /// An operator reopened it and it has not settled since.
    pub(super) reopened: bool,
}

impl Slot {
    fn waiting_for(missing: u32) -> Self {
        Self {
            state: StepState::Pending,
            missing,
            taken: 0,
            attempts: 0,
            spent: 0,
            retry_at: None,
            reopened: false,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> StepState {
        self.state
    }

    /// Attempts that failed so far.
    #[must_use]
    pub fn failed_attempts(&self) -> u32 {
        self.attempts
    }

    /// Failed attempts since an operator last reopened the step.
    #[must_use]
    pub fn spent(&self) -> u32 {
        self.spent
    }

    /// Whether it waits for its next round, and not for another attempt after one that failed.
    #[must_use]
    pub fn is_between_rounds(&self) -> bool {
        self.state == StepState::WaitingForRetry && self.spent == 0
    }

    /// Whether its last attempt failed and another one follows.
    pub(super) fn is_due_again(&self) -> bool {
        self.spent > 0 && self.retry_at.is_some()
    }

    /// Moves the time of the next attempt by so many microseconds.
    pub(super) fn shift_retry(&mut self, by: i64) {
        self.retry_at = self.retry_at.map(|at| at.shifted(by));
    }

    /// When the next attempt may start, while it waits for that.
    #[must_use]
    pub fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at.filter(|_| self.state == StepState::WaitingForRetry)
    }
}

/// Where a task stands.
#[derive(Clone, Debug)]
pub struct Progress {
    pub(super) rules: Arc<Rules>,
    pub(super) steps: Box<[Slot]>,
    /// By worker step; most tasks have none.
    pub(super) batches: BTreeMap<u32, Batch>,
    /// Routes of completed decisions.
    routes: BTreeMap<u32, Vec<u32>>,
    /// Steps that have gone round; most tasks have none.
    rounds: BTreeMap<u32, Rounds>,
    /// What became ready; some of it may have gone on since.
    fresh: Vec<StepIndex>,
    /// What waits for a retry, the next first.
    waits: BTreeSet<(Timestamp, StepIndex)>,
    /// Settled steps whose dependents have not been told.
    settled: Vec<u32>,
    /// Steps that were skipped since this was last asked.
    skipped: Vec<u32>,
    /// What is undone once nothing can run; only where the template asks for it.
    rollback: Option<Box<Rollback>>,
    /// What steps wait for besides other steps; only where the template has such.
    waits_for: Option<Box<Waits>>,
    counts: Counts,
}

/// How many steps and instances are in which state. A batch worker itself neither is ready nor runs.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    ready: u32,
    running: u32,
    /// Steps of the template that failed for good.
    failed: u32,
    /// Steps of the template that are neither settled nor failed.
    left: u32,
}

impl Progress {
    /// A task of which nothing is recorded: the steps without dependencies are ready.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        Self::started(rules, Start::default())
    }

    /// The same for a task that started with this.
    #[must_use]
    pub fn started(rules: Arc<Rules>, start: Start) -> Self {
        let count = |step: &super::Rule| u32::try_from(step.dependencies.len()).unwrap_or(u32::MAX);
        let steps: Box<[Slot]> = rules.steps.iter().map(|step| Slot::waiting_for(count(step))).collect();
        let left = u32::try_from(steps.len()).unwrap_or(u32::MAX);
        let mut progress = Self {
            rollback: (rules.on_failure == OnFailure::Compensate).then(Box::default),
            waits_for: Waits::of(&rules, start),
            steps,
            rules,
            batches: BTreeMap::new(),
            routes: BTreeMap::new(),
            rounds: BTreeMap::new(),
            fresh: Vec::new(),
            waits: BTreeSet::new(),
            settled: Vec::new(),
            skipped: Vec::new(),
            counts: Counts { left, ..Counts::default() },
        };
        for step in 0..left {
            if progress.steps[step as usize].missing == 0 {
                progress.release(step);
            }
        }
        progress
    }

    /// The rules it follows.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// What is known of a step; `None` when there is no such step or instance (yet).
    #[must_use]
    pub fn slot(&self, no: StepIndex) -> Option<&Slot> {
        if let Some(of) = no.compensates() {
            return self.rollback.as_ref()?.slot(of);
        }
        match no.index() {
            None => self.steps.get(no.step() as usize),
            Some(index) => self.batches.get(&no.step())?.instances.get(index as usize),
        }
    }

    /// Where a step stands that has gone round.
    #[must_use]
    pub fn rounds(&self, no: StepIndex) -> Option<&Rounds> {
        let is_step = no.index().is_none() && no.compensates().is_none();
        self.rounds.get(&no.step()).filter(|_| is_step)
    }

    /// Every step in the order of the template, the instances of a batch after their worker.
    pub fn slots(&self) -> impl Iterator<Item = (StepIndex, &Slot)> {
        (0u32..).zip(&self.steps).flat_map(|(step, slot)| {
            let instances = self.batches.get(&step).map(|batch| &*batch.instances).unwrap_or_default();
            let numbered = (0u32..).zip(instances).map(move |(i, slot)| (StepIndex::instance(step, i), slot));
            std::iter::once((StepIndex::of(step), slot)).chain(numbered)
        })
    }

    /// The steps, or the compensation, that became ready since this was last asked. They count as running
    /// from now on.
    pub fn take_ready(&mut self) -> Vec<StepIndex> {
        if self.rolling_back() {
            return self.take_compensations();
        }
        let mut ready = mem::take(&mut self.fresh);
        ready.retain(|&no| {
            let still = self.slot(no).is_some_and(|slot| slot.state == StepState::Ready);
            if still {
                self.move_to(no, StepState::InProgress);
            }
            still
        });
        ready
    }

    /// The steps that were skipped since this was last asked.
    pub fn take_skipped(&mut self) -> Vec<u32> {
        mem::take(&mut self.skipped)
    }

    /// Takes back steps that were taken to run and did not: they are ready again.
    pub fn put_back(&mut self, no: StepIndex) {
        if no.compensates().is_some() {
            return self.put_back_compensations();
        }
        if self.slot(no).is_some_and(|slot| slot.state == StepState::InProgress) {
            if self.is_stopped(no) {
                self.move_to(no, StepState::Cancelled);
                self.instance_changed(no.step());
            } else {
                self.make_ready(no);
            }
        }
    }

    /// Releases the steps, or the compensation, whose time has come to be called. How waits ended that are steps of
    /// their own says [`waits_over`](Self::waits_over).
    pub fn wake(&mut self, now: Timestamp) {
        self.wake_compensations(now);
        self.end_delays(now);
        while let Some(&(_, no)) = self.waits.first().filter(|(at, _)| *at <= now) {
            self.make_ready(no);
        }
    }

    /// The calendar was set by so many microseconds: what waits for a while, a retry among others, waits as long as
    /// it would have.
    pub fn shift_retries(&mut self, by: i64) {
        let instances = self.batches.values_mut().flat_map(|batch| batch.instances.iter_mut());
        self.steps.iter_mut().chain(instances).for_each(|slot| slot.shift_retry(by));
        let waits = mem::take(&mut self.waits);
        self.waits = waits.into_iter().map(|(at, no)| (at.shifted(by), no)).collect();
        self.shift_compensations(by);
        self.shift_waits(by);
    }

    /// What can be done now, as far as the steps go.
    fn steps_verdict(&self) -> Verdict {
        if self.counts.running > 0 || self.counts.ready > 0 {
            return Verdict::Working;
        }
        let retry = self.waits.first().map(|(at, _)| *at);
        match retry.into_iter().chain(self.next_wait()).min() {
            // Nobody need ever send what would have it go on.
            Some(Timestamp::NEVER) if self.counts.failed > 0 && !self.has_children() => {
                return Verdict::Failed;
            }
            Some(next) => return Verdict::Waiting(next),
            None => {}
        }
        if self.counts.failed > 0 || self.counts.left > 0 { Verdict::Failed } else { Verdict::Complete }
    }

    /// Adds what was recorded about step `no`. What is already settled stays as it is.
    ///
    /// # Errors
    /// When the result of a decision or an analyzer cannot be followed; the step has failed then.
    pub fn apply(&mut self, no: StepIndex, event: &Event) -> Result<(), OutcomeError> {
        self.apply_at(no, event, Timestamp::default())
    }

    fn apply_to_step(&mut self, no: StepIndex, event: &Event) -> Result<(), OutcomeError> {
        let Some(slot) = self.slot(no) else { return Ok(()) };
        let settled = match slot.state {
            StepState::Complete | StepState::ResolvedManually | StepState::Skipped => true,
            // An instance that ran while its batch failed may still bring a result.
            StepState::Cancelled => no.index().is_none(),
            _ => false,
        };
        if settled
            || (matches!(event, Event::Reopened) && (slot.state != StepState::Error || self.is_worker(no)))
        {
            return Ok(());
        }
        let effect = match event {
            Event::Completed { result } | Event::Resolved { result } => self.rules.effect(no, result),
            _ => Ok(Effect::Plain),
        };
        self.note_for_waits(no, event);
        match (&effect, event) {
            (Err(_), _) => self.fail(no),
            (_, Event::Failed { retry_at }) => self.attempt_failed(no, *retry_at),
            (_, Event::Again { attempt, due, round }) => self.goes_round(no, *attempt, *due, round),
            (_, Event::Reopened) => self.reopen(no),
            // That is a matter of time, which the step knows nothing of.
            (_, Event::DueNow) => {}
            (_, Event::FailedAndReopened) => {
                if self.slot(no).is_some_and(|slot| slot.state != StepState::Error) {
                    self.lead_to_work(no);
                    self.move_to(no, StepState::Error);
                }
                self.slot_mut(no, |slot| slot.attempts += 1);
                self.reopen(no);
            }
            (_, Event::Skipped) => {
                self.lead_to_failure(no);
                self.settle(no, StepState::Skipped);
            }
            (Ok(effect), Event::Completed { .. }) => {
                self.lead_to_work(no);
                self.follow(no.step(), effect);
                self.settle(no, StepState::Complete);
            }
            (Ok(effect), Event::Resolved { .. }) => {
                self.lead_to_failure(no);
                self.follow(no.step(), effect);
                self.settle(no, StepState::ResolvedManually);
            }
        }
        self.tell_dependents();
        effect.map(|_| ())
    }

    fn follow(&mut self, step: u32, effect: &Effect) {
        match effect {
            Effect::Plain => {}
            Effect::Routes(routes) => drop(self.routes.insert(step, routes.clone())),
            Effect::Batches(count) => {
                if let Some(worker) = self.rules.worker_of(step) {
                    self.batches.insert(worker, Batch::of(vec![Slot::waiting_for(0); *count as usize]));
                }
            }
        }
    }

    fn attempt_failed(&mut self, no: StepIndex, retry_at: Option<Timestamp>) {
        self.lead_to_work(no);
        self.slot_mut(no, |slot| {
            slot.attempts += 1;
            slot.spent += 1;
            slot.retry_at = retry_at;
        });
        match retry_at {
            None => self.fail(no),
            Some(_) if self.is_stopped(no) => {
                self.move_to(no, StepState::Cancelled);
                self.instance_changed(no.step());
            }
            Some(_) => self.move_to(no, StepState::WaitingForRetry),
        }
    }

    fn goes_round(&mut self, no: StepIndex, attempt: u32, due: Timestamp, round: &Round) {
        self.lead_to_work(no);
        self.slot_mut(no, |slot| (slot.attempts, slot.spent, slot.retry_at) = (attempt, 0, Some(due)));
        self.rounds.insert(no.step(), Rounds { last: round.clone(), attempts: attempt });
        self.move_to(no, StepState::WaitingForRetry);
    }

    fn fail(&mut self, no: StepIndex) {
        self.lead_to_work(no);
        self.move_to(no, StepState::Error);
        if no.index().is_some() {
            self.instance_changed(no.step());
        }
    }

    fn reopen(&mut self, no: StepIndex) {
        self.slot_mut(no, |slot| {
            slot.spent = 0;
            slot.reopened = true;
        });
        match no.index() {
            // Read back before what it depends on.
            None if self.steps[no.step() as usize].missing > 0 => self.move_to(no, StepState::Pending),
            None if self.rules.only_waits(no) => {
                self.move_to(no, StepState::Pending);
                self.open_wait(no.step());
            }
            None => self.make_ready(no),
            Some(index) => self.reopen_instance(no.step(), index),
        }
    }

    /// A step is complete, resolved or skipped.
    pub(super) fn settle(&mut self, no: StepIndex, state: StepState) {
        self.move_to(no, state);
        if no.index().is_some() {
            return self.instance_changed(no.step());
        }
        if state == StepState::Skipped {
            self.skipped.push(no.step());
        }
        self.settled.push(no.step());
    }

    pub(super) fn make_ready(&mut self, no: StepIndex) {
        self.move_to(no, StepState::Ready);
        self.fresh.push(no);
    }

    /// Everything the step depends on is settled: runs it, skips it, or opens its batch.
    fn release(&mut self, step: u32) {
        let rule = &self.rules.steps[step as usize];
        let slot = &self.steps[step as usize];
        let runs = match rule.kind {
            StepKind::DeferredConvergence => slot.taken > 0,
            _ => slot.taken as usize == rule.dependencies.len(),
        };
        if !runs {
            self.pass_time_on(step);
            self.settle(StepIndex::of(step), StepState::Skipped);
        } else if rule.wait.is_some() {
            self.open_wait(step);
        } else {
            self.start(step);
        }
    }

    /// Nothing is waited for any more: the step may be called, or its batch opens.
    fn start(&mut self, step: u32) {
        let no = StepIndex::of(step);
        if self.rules.steps[step as usize].batch.is_none() {
            self.make_ready(no);
        } else {
            self.lead_to(no, StepState::InProgress);
            match self.batches.get(&step) {
                Some(batch) if !batch.instances.is_empty() => self.instance_changed(step),
                _ => {
                    self.pass_time_on(step);
                    self.settle(no, StepState::Complete);
                }
            }
        }
    }

    /// Tells the dependents of what settled, and theirs, until nothing changes.
    fn tell_dependents(&mut self) {
        let rules = self.rules.clone();
        while let Some(step) = self.settled.pop() {
            let taken = self.steps[step as usize].state != StepState::Skipped;
            let rule = &rules.steps[step as usize];
            for &dependent in &rule.dependents {
                let through = taken
                    && (rule.kind != StepKind::Decision
                        || rules.steps[dependent as usize].kind == StepKind::DeferredConvergence
                        || self.routes.get(&step).is_some_and(|to| to.contains(&dependent)));
                let slot = &mut self.steps[dependent as usize];
                slot.missing = slot.missing.saturating_sub(1);
                slot.taken += u32::from(through);
                if slot.missing == 0 && slot.state == StepState::Pending {
                    self.release(dependent);
                }
            }
        }
    }

    /// Whether it is a batch worker, whose instances run and not it itself.
    fn is_worker(&self, no: StepIndex) -> bool {
        no.index().is_none() && self.rules.steps[no.step() as usize].batch.is_some()
    }

    fn slot_mut<T>(&mut self, no: StepIndex, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let slot = match no.index() {
            None => self.steps.get_mut(no.step() as usize),
            Some(index) => {
                self.batches.get_mut(&no.step()).and_then(|batch| batch.instances.get_mut(index as usize))
            }
        };
        slot.map(change)
    }
}
