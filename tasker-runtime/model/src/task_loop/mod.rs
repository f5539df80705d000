//! The heart of a process: what it does with the tasks it holds.
//!
//! A [`TaskLoop`] alone knows the progress of its tasks and moves them on. Messages and the time go in, what
//! is to be written and what is to be called comes out; it knows no store, no runtime and no clock. Its driver
//! goes round:
//!
//! 1. [`handle`](TaskLoop::handle) folds everything that has arrived,
//! 2. [`answers`](TaskLoop::answers) says what is to be written for operators' commands, and
//!    [`answered`](TaskLoop::answered) takes what came of it,
//! 3. [`round`](TaskLoop::round) gives what is to be written together,
//! 4. [`recorded`](TaskLoop::recorded) takes what became of that, and says what goes on: a step starts only
//!    after what it depends on is durable.
//!
//! A crash between any two of these loses memory only: whoever claims the task next reads its journal.

mod active_task;
mod attempt_ended;
mod claimed;
mod command;
mod end;
mod message;
mod next;
mod routes;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod waiting;

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use uuid::Uuid;

pub use active_task::{ActiveTask, Wanted};
pub use attempt_ended::{Came, came, published};
pub use message::{
    AttemptEnded, ClaimedTask, CommandAnswer, CommandWrite, LoanReturned, Message, PendingCommand,
    Unrunnable, Written,
};
pub use next::{Call, DeadLetter, Left, Next, Round, StartChildren, Withdrawal};
pub use routes::{Route, Routes};

use super::{Batch, Exceptions, Lease, Offer, TaskNo, TaskState, Timestamp};

/// Retries nearer than this are waited for; for others the task is given back.
pub const NEAR: std::time::Duration = std::time::Duration::from_secs(5);
/// A task whose steps started others is held for so long after the last news of these: they may be over in a moment. It
/// takes up room for other tasks meanwhile, perhaps for those very ones.
const LINGERS: std::time::Duration = std::time::Duration::from_millis(250);
/// After this many holders died in a row over a task, or borrowers over one of its steps, it is set aside.
pub const MAX_TAKEOVERS: u32 = 5;
/// From this many on, a task runs only while no other such task of the loop does.
pub const QUARANTINE_AFTER: u32 = 2;
/// How long such tasks wait for each other, for each that goes before.
const POSTPONED_BY: std::time::Duration = std::time::Duration::from_millis(50);

/// The tasks of one loop. `B` is what the driver keeps of each task beside what is known here.
#[derive(Debug)]
pub struct TaskLoop<B> {
    /// Without a seed of its own, so that the same messages always lead to the same.
    tasks: FxHashMap<TaskNo, ActiveTask<B>>,
    /// When the next retry or wait of a task is due, for those that have one.
    due: BTreeSet<(Timestamp, TaskNo)>,
    /// Tasks that changed since the last round.
    touched: Vec<TaskNo>,
    /// What is written next.
    batch: Batch,
    /// Tasks to be set aside.
    dead_letters: Vec<DeadLetter>,
    /// Leases the store gave this worker and of which nothing is known here.
    stray: Vec<Lease>,
    /// Tasks that leave without having been held, and the state they leave in once it is written.
    unheld: Vec<(TaskNo, Uuid, TaskState)>,
    /// Steps to be offered to other processes.
    offers: Vec<Offer>,
    /// What operators ask, in the order it arrived.
    commands: Vec<PendingCommand>,
    /// Tasks with waits that end once what is written now is durable.
    left_waiting: Vec<TaskNo>,
    /// Tasks that are held here no more.
    left: Vec<Left<B>>,
    /// The one task that runs although its holders died.
    quarantined: Option<TaskNo>,
    /// Tasks given back since the last round because another one is quarantined.
    postponed: u32,
    draining: bool,
    /// What still runs is not waited for.
    giving_back: bool,
}

impl<B> Default for TaskLoop<B> {
    fn default() -> Self {
        Self {
            tasks: FxHashMap::default(),
            due: BTreeSet::new(),
            touched: Vec::new(),
            batch: Batch::default(),
            dead_letters: Vec::new(),
            stray: Vec::new(),
            unheld: Vec::new(),
            offers: Vec::new(),
            commands: Vec::new(),
            left_waiting: Vec::new(),
            left: Vec::new(),
            quarantined: None,
            postponed: 0,
            draining: false,
            giving_back: false,
        }
    }
}

impl<B> TaskLoop<B> {
    /// Folds `message`, which arrived at `now`.
    pub fn handle(&mut self, message: Message<B>, now: Timestamp) {
        match message {
            Message::Claimed(claimed) => self.claimed(*claimed, now),
            Message::Unrunnable(task) => self.unrunnable(task, now),
            Message::StrayLease(lease) => self.stray_lease(lease),
            Message::AttemptEnded(ended) => self.attempt_ended(ended),
            Message::Overflow(attempt) => self.overflow(attempt, now),
            Message::LoanReturned(lease, returned) => self.loan_returned(lease, returned),
            Message::TakersDied(lease, step) => self.takers_died(lease, step),
            Message::Command(command) => self.commands.push(command),
            Message::Signals(lease, signals) => self.signals(lease, signals),
            Message::ChildrenSeen(attempt, end) => self.children_seen(attempt, end, now),
            Message::Reread(lease) => self.reread(lease),
            Message::Drain => {
                self.draining = true;
                self.touched.extend(self.tasks.keys());
            }
            Message::GiveBack => {
                (self.draining, self.giving_back) = (true, true);
                self.tasks.values_mut().for_each(|task| task.running = 0);
                self.touched.extend(self.tasks.keys());
            }
            Message::Forget => self.forget_all(),
        }
    }

    /// What is to be written together now. It goes back to [`recorded`](Self::recorded) with what came of it.
    ///
    /// The dead letters and the withdrawals are written first: a crash in between leaves them to the next holder,
    /// who says it again.
    #[must_use]
    pub fn round(&mut self, now: Timestamp) -> Round<B> {
        self.wake(now);
        self.touched.sort_unstable();
        self.touched.dedup();
        self.end_waits(now);
        self.find_ends(now);
        self.postponed = 0;
        self.batch.sort();
        Round {
            stray: std::mem::take(&mut self.stray),
            dead_letters: std::mem::take(&mut self.dead_letters),
            withdrawals: self.withdrawals(),
            batch: std::mem::take(&mut self.batch),
            left: std::mem::take(&mut self.left),
        }
    }

    /// Goes on after `batch` was written: of all tasks but `exceptions` everything in it is durable.
    #[must_use]
    pub fn recorded(&mut self, batch: Batch, exceptions: &Exceptions, now: Timestamp) -> Next<B> {
        let mut next = Next::default();
        let Batch { mut done, mut failed, left_out, ends } = batch;
        done.retain(|done| self.is_durable(done.attempt, exceptions));
        failed.retain(|failed| self.is_durable(failed.attempt, exceptions));
        for left_out in left_out {
            self.is_durable(left_out.attempt, exceptions);
        }
        (next.done, next.failed) = (done, failed);
        let excepted: BTreeSet<TaskNo> = exceptions.stale.iter().chain(&exceptions.lost).copied().collect();
        for task in excepted {
            self.drop_task(task, exceptions.stale.contains(&task), now, &mut next);
        }
        for end in ends.iter().filter(|end| !end.keeps_hold() && exceptions.spare(end.lease.task)) {
            self.leave(end);
        }
        for (task, id, state) in std::mem::take(&mut self.unheld) {
            let state = exceptions.spare(task).then_some(state);
            self.left.push(Left { task, id, state, run_at: None, followed: false, body: None });
        }
        for task in std::mem::take(&mut self.touched) {
            self.start_ready(task, now, &mut next);
        }
        self.touched.append(&mut self.left_waiting);
        let offered = |offer: &Offer| self.tasks.contains_key(&offer.attempt.task());
        next.offers.extend(std::mem::take(&mut self.offers).into_iter().filter(offered));
        next.left = std::mem::take(&mut self.left);
        next
    }

    /// The store refused to offer these steps: they are tried again here, in a further round.
    pub fn offers_refused(&mut self, offers: &[Offer]) {
        for offer in offers {
            let attempt = offer.attempt;
            if let Some(task) = self.held_under(attempt.lease) {
                task.loan_ended(attempt.step);
                task.put_back(attempt.step);
                self.touched.push(attempt.task());
            }
        }
    }

    /// Whether another round is due although nothing arrived.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.touched.is_empty() || !self.commands.is_empty()
    }

    /// When to go round although nothing arrived; `None`: not before something does.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether nothing is held any more and nothing will be.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.draining && self.tasks.is_empty()
    }

    /// What the driver keeps of a task, while it is held under this very lease.
    #[must_use]
    pub fn body(&self, lease: Lease) -> Option<&B> {
        self.tasks.get(&lease.task).filter(|task| task.lease == lease).map(|task| &task.body)
    }

    /// The tasks that steps of a held task started and wait for, which are to be looked at: one of them has said that it
    /// is over.
    #[must_use]
    pub fn look_at_children(&mut self, lease: Lease) -> Vec<StartChildren> {
        let Some(task) = self.held_under(lease) else { return Vec::new() };
        let open = task.progress.open_children();
        task.looking += u32::try_from(open.len()).unwrap_or_default();
        open.into_iter().map(|children| StartChildren::of(lease, children)).collect()
    }

    /// The leases under which tasks are held.
    pub fn leases(&self) -> impl Iterator<Item = Lease> {
        self.tasks.values().map(|task| task.lease)
    }

    /// What the driver keeps of all tasks.
    pub fn bodies(&self) -> impl Iterator<Item = &B> {
        self.tasks.values().map(|task| &task.body)
    }

    /// The task, if it is held under this very lease.
    fn held_under(&mut self, lease: Lease) -> Option<&mut ActiveTask<B>> {
        self.tasks.get_mut(&lease.task).filter(|task| task.lease == lease)
    }

    /// Notes that something of a task is recorded, which is then still held.
    fn is_durable(&mut self, attempt: super::Attempt, exceptions: &Exceptions) -> bool {
        let task = self.held_under(attempt.lease).filter(|_| exceptions.spare(attempt.task()));
        task.map(|task| task.recorded = true).is_some()
    }

    /// Has the retries looked at whose time has come. The clock may have been set back since they were
    /// scheduled: what was due once stays due.
    fn wake(&mut self, now: Timestamp) {
        while let Some(&(at, task)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, task));
            if let Some(active) = self.tasks.get_mut(&task) {
                active.due = None;
                active.lingers = active.lingers.filter(|until| *until > now);
                active.progress.wake(now);
                self.touched.push(task);
            }
        }
    }

    /// Notes when the next retry of a task is due.
    fn schedule(&mut self, task: TaskNo) {
        let Some(active) = self.tasks.get_mut(&task) else { return };
        let next = active.progress.next_due().into_iter().chain(active.lingers).min();
        if active.due != next {
            if let Some(at) = active.due {
                self.due.remove(&(at, task));
            }
            self.due.extend(next.map(|at| (at, task)));
            active.due = next;
        }
    }

    /// The calendar was set, forwards or back, by so many microseconds: what waits here for a retry waits as long
    /// as it would have.
    pub fn clock_set(&mut self, by: i64) {
        self.due.clear();
        for (task, active) in &mut self.tasks {
            active.progress.shift_retries(by);
            active.lingers = active.lingers.map(|until| until.shifted(by));
            active.due = active.due.map(|at| at.shifted(by));
            self.due.extend(active.due.map(|at| (at, *task)));
        }
    }

    fn forget(&mut self, task: TaskNo) -> Option<ActiveTask<B>> {
        let active = self.tasks.remove(&task)?;
        if let Some(at) = active.due {
            self.due.remove(&(at, task));
        }
        if self.quarantined == Some(task) {
            self.quarantined = None;
        }
        Some(active)
    }

    /// The leases are lost: what waits to be written is of leases that are lost, and must not be taken for what
    /// comes of their tasks when they are claimed anew.
    fn forget_all(&mut self) {
        let tasks: Vec<TaskNo> = self.tasks.keys().copied().collect();
        for task in tasks {
            if let Some(active) = self.forget(task) {
                self.left.push(active.gone());
            }
        }
        for (task, id, _) in std::mem::take(&mut self.unheld) {
            self.left.push(Left { task, id, state: None, run_at: None, followed: false, body: None });
        }
        self.batch = Batch::default();
        self.touched.clear();
        self.left_waiting.clear();
        self.dead_letters.clear();
        self.stray.clear();
        self.offers.clear();
        self.commands.clear();
    }
}
