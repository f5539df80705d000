//! What a round asks of the driver.

use std::sync::Arc;

use uuid::Uuid;

use super::{LINGERS, TaskLoop};
use crate::{
    Attempt, Batch, ChildrenOf, Done, End, Failed, Json, Lease, Offer, Progress, Rounds, StepIndex, TaskNo,
    TaskState, Timestamp,
};

/// What is written together.
#[derive(Debug)]
pub struct Round<B> {
    /// Leases to be given back: nothing is known here of what they are for.
    pub stray: Vec<Lease>,
    /// Tasks to be set aside, which is written before their ends are.
    pub dead_letters: Vec<DeadLetter>,
    /// Offers to be taken back before what is decided of their tasks is written.
    pub withdrawals: Vec<Withdrawal>,
    /// Results, failures and ends, sorted by task.
    pub batch: Batch,
    /// Tasks that are held here no more, whatever comes of the batch.
    pub left: Vec<Left<B>>,
}

/// A task that is to be set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The lease it is held under.
    pub lease: Lease,
    /// Why, for people.
    pub reason: String,
}

/// The offers of a task that are to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The lease they were made under.
    pub lease: Lease,
    /// Also those that somebody has taken: what comes of them is not wanted any more.
    pub taken: bool,
}

/// What goes on once a batch is durable.
#[derive(Debug)]
pub struct Next<B> {
    /// Results of held tasks that are durable now.
    pub done: Vec<Done>,
    /// Failures of held tasks that are durable now.
    pub failed: Vec<Failed>,
    /// Steps that are known to be skipped now.
    pub skipped: Vec<(Lease, u32)>,
    /// Attempts to be started.
    pub calls: Vec<Call>,
    /// Steps to be offered. Where the store refuses them, [`TaskLoop::offers_refused`] is told.
    pub offers: Vec<Offer>,
    /// Tasks to be started for steps, unless they have been. What is seen of them the loop is told by
    /// [`Message::ChildrenSeen`](super::Message::ChildrenSeen).
    pub children: Vec<StartChildren>,
    /// Tasks to be given back, because the journal holds something else than was thought here.
    pub give_back: Vec<End>,
    /// Tasks whose lease was lost.
    pub lost: Vec<Uuid>,
    /// Tasks that moved on, so that the deaths of earlier holders count no more.
    pub moved_on: Vec<Lease>,
    /// Tasks that are held here no more.
    pub left: Vec<Left<B>>,
}

impl<B> Default for Next<B> {
    fn default() -> Self {
        Self {
            done: Vec::new(),
            failed: Vec::new(),
            skipped: Vec::new(),
            calls: Vec::new(),
            offers: Vec::new(),
            children: Vec::new(),
            give_back: Vec::new(),
            lost: Vec::new(),
            moved_on: Vec::new(),
            left: Vec::new(),
        }
    }
}

/// An attempt to be started.
#[derive(Clone, Debug)]
pub struct Call {
    /// The attempt.
    pub attempt: Attempt,
    /// How many attempts the step has at most, those before an operator reopened it included.
    pub max_attempts: u32,
    /// For a compensation: the result of the step that it undoes.
    pub compensates: Option<Json>,
    /// For a step that has gone round: where it stands.
    pub rounds: Option<Rounds>,
}

/// How many attempts a step has at most, those before an operator reopened it included.
pub(super) fn max_attempts(progress: &Progress, attempt: Attempt) -> u32 {
    let Attempt { step, number, .. } = attempt;
    let spent = progress.slot(step).map_or(0, |slot| slot.spent());
    let allowed = progress.rules().retry(step).max_attempts.max(1);
    number.saturating_sub(1).saturating_sub(spent).saturating_add(allowed)
}

impl Call {
    /// This attempt at a step of a task that stands where `progress` says.
    #[must_use]
    pub fn of(progress: &Progress, attempt: Attempt) -> Self {
        let max_attempts = max_attempts(progress, attempt);
        let compensates = progress.compensated(attempt.step).cloned();
        Self { attempt, max_attempts, compensates, rounds: progress.rounds(attempt.step).cloned() }
    }
}

/// Tasks to be started for a step.
#[derive(Clone, Debug)]
pub struct StartChildren {
    /// The attempt they belong to.
    pub attempt: Attempt,
    /// The context of each.
    pub contexts: Arc<[Json]>,
}

impl StartChildren {
    pub(super) fn of(lease: Lease, children: ChildrenOf) -> Self {
        let ChildrenOf { step, number, contexts } = children;
        Self { attempt: Attempt { lease, step, number }, contexts }
    }
}

/// A task that is held here no more, or was not to be held.
#[derive(Debug)]
pub struct Left<B> {
    /// The task.
    pub task: TaskNo,
    /// What people call it.
    pub id: Uuid,
    /// The state it left in, where that is durable.
    pub state: Option<TaskState>,
    /// When somebody may claim it again, where that is durable.
    pub run_at: Option<Timestamp>,
    /// An operator's command about the whole task has come about and is to be asked no more.
    pub followed: bool,
    /// What the driver kept of it.
    pub body: Option<B>,
}

impl<B> TaskLoop<B> {
    /// Starts or offers what is ready of a task.
    pub(super) fn start_ready(&mut self, task: TaskNo, now: Timestamp, next: &mut Next<B>) {
        self.schedule(task);
        let Some(active) = self.tasks.get_mut(&task) else { return };
        if active.takeovers > 0 && active.recorded {
            active.takeovers = 0;
            next.moved_on.push(active.lease);
            if self.quarantined == Some(task) {
                self.quarantined = None;
            }
        }
        if self.draining || active.wanted.is_some() || active.unread {
            return;
        }
        let lease = active.lease;
        let children = active.progress.take_children();
        if !children.is_empty() {
            active.lingers = Some(now + LINGERS);
            active.looking += u32::try_from(children.len()).unwrap_or_default();
            next.children.extend(children.into_iter().map(|children| StartChildren::of(lease, children)));
            self.schedule(task);
        }
        let Some(active) = self.tasks.get_mut(&task) else { return };
        let mut ready = active.progress.take_ready();
        if ready.is_empty() {
            return;
        }
        next.skipped.extend(active.progress.take_skipped().into_iter().map(|step| (lease, step)));
        if ready.len() > 1 {
            ready.sort_by_key(|step| std::cmp::Reverse(active.routes.of(*step).priority));
        }
        for step in ready {
            active.running += 1;
            if active.routes.run_here(step) {
                next.calls.push(active.call(step));
            } else {
                active.lend(step);
                let number = active.next_attempt(step);
                next.offers.push(active.offer(step, number, now));
            }
        }
    }
}

impl<B> super::ActiveTask<B> {
    fn call(&self, step: StepIndex) -> Call {
        let number = self.next_attempt(step);
        Call::of(&self.progress, Attempt { lease: self.lease, step, number })
    }
}
