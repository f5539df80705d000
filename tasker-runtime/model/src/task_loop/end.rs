//! Tasks leave: over, given back, or lost.

use super::{ActiveTask, DeadLetter, Left, MAX_TAKEOVERS, NEAR, Next, TaskLoop, Wanted, Withdrawal};
use crate::{End, TaskNo, TaskState, Timestamp, Verdict};

impl<B> TaskLoop<B> {
    /// Adds the ends of the touched tasks that are over or are given back.
    pub(super) fn find_ends(&mut self, now: Timestamp) {
        for task in &self.touched {
            let Some(active) = self.tasks.get_mut(task) else { continue };
            let end = active.end(now, self.draining);
            if let Some(lease) = end.as_ref().filter(|_| active.is_to_be_set_aside()).map(|end| end.lease) {
                let reason = "the processes that borrowed one of its steps died in a row".to_owned();
                self.dead_letters.push(DeadLetter { lease, reason });
            }
            self.batch.ends.extend(end.or_else(|| active.rollback_begun()));
        }
    }

    /// What is not to be offered any more. A task that ends, or that leaves with steps lent, takes back
    /// everything: nobody would do so later. One that is to pause or to be set aside takes back what nobody has
    /// begun.
    pub(super) fn withdrawals(&self) -> Vec<Withdrawal> {
        let lent = self.touched.iter().filter_map(|task| self.tasks.get(task)).filter(|task| task.lent > 0);
        let withdrawal = |task: &ActiveTask<B>| {
            let taken = self.giving_back || task.wanted == Some(Wanted::Cancelled);
            let wanted = taken || task.wanted == Some(Wanted::Paused) || task.is_to_be_set_aside();
            wanted.then_some(Withdrawal { lease: task.lease, taken })
        };
        lent.filter_map(withdrawal).collect()
    }

    /// A task whose end is durable leaves.
    pub(super) fn leave(&mut self, end: &End) {
        let Some(active) = self.forget(end.lease.task) else { return };
        let (task, id, followed) = (end.lease.task, active.id, active.wanted.is_some());
        let (state, body) = (Some(end.state), Some(active.body));
        self.left.push(Left { task, id, state, run_at: end.run_at, followed, body });
    }

    /// Drops what is known of a task. With `give_back` the queue gets it, to be read anew.
    pub(super) fn drop_task(&mut self, task: TaskNo, give_back: bool, now: Timestamp, next: &mut Next<B>) {
        let Some(active) = self.forget(task) else { return };
        if give_back {
            next.give_back.push(active.given_back(now));
        } else {
            next.lost.push(active.id);
        }
        self.left.push(active.gone());
    }
}

impl<B> ActiveTask<B> {
    /// How a task leaves this process's hands now, if it does.
    fn end(&self, now: Timestamp, draining: bool) -> Option<End> {
        let end = |state, run_at, finished_at, cause| {
            Some(End { lease: self.lease, state, run_at, finished_at, cause, kin: self.kin })
        };
        if self.unread {
            return Some(self.given_back(now));
        }
        match self.wanted {
            Some(Wanted::Cancelled) => return end(TaskState::Cancelled, None, Some(now), None),
            // What is over without it has nothing left to pause.
            Some(Wanted::Paused) if self.running == 0 && !self.progress.state().is_final() => {
                return end(TaskState::Paused, Some(Timestamp::NEVER), None, None);
            }
            Some(Wanted::SetAside(step)) if self.running == 0 && !self.progress.state().is_final() => {
                let name = self.progress.rules().name(step);
                let cause = format!(
                    "set aside: {MAX_TAKEOVERS} processes in a row died while they ran its step `{name}` for others"
                );
                return end(TaskState::BlockedByFailures, Some(Timestamp::NEVER), None, Some(cause));
            }
            _ => {}
        }
        // What it waited for has come, and is for the next round, or the next holder.
        if !self.progress.waits_over(now).is_empty() {
            return (draining && self.running == 0).then(|| self.given_back(now));
        }
        // Tasks that its steps start are yet to be started or looked at, which the next holder does otherwise.
        let looks = self.looking > 0 || self.progress.is_to_start_children();
        if looks && matches!(self.progress.verdict(), Verdict::Waiting(_)) {
            return (draining && self.running == 0).then(|| self.given_back(now));
        }
        let state = self.progress.state();
        match self.progress.verdict() {
            Verdict::Waiting(_) if self.lingers.is_some_and(|until| until > now) && !draining => None,
            Verdict::Waiting(at) if at.since(now) > NEAR || draining => {
                let cause = self.progress.rolling_back().then(|| self.progress.failures()).flatten();
                end(state, Some(at), None, cause)
            }
            Verdict::Working if draining && self.running == 0 => Some(self.given_back(now)),
            Verdict::Working | Verdict::Waiting(_) => None,
            Verdict::Complete | Verdict::Failed | Verdict::Compensated if state.is_final() => {
                end(state, None, Some(now), self.progress.failures())
            }
            Verdict::Complete | Verdict::Failed | Verdict::Compensated => {
                end(state, Some(Timestamp::NEVER), None, self.progress.failures())
            }
        }
    }

    /// Says once, in the store, that the task is being rolled back. The hold goes on.
    fn rollback_begun(&mut self) -> Option<End> {
        if self.rollback_shown || !self.progress.rolling_back() {
            return None;
        }
        self.rollback_shown = true;
        let (state, cause) = (TaskState::Compensating, self.progress.failures());
        Some(End { lease: self.lease, state, run_at: None, finished_at: None, cause, kin: self.kin })
    }

    /// The end of a hold that leaves the task for others to claim at once.
    fn given_back(&self, now: Timestamp) -> End {
        let state = if self.progress.rolling_back() { TaskState::Compensating } else { TaskState::Pending };
        End { lease: self.lease, state, run_at: Some(now), finished_at: None, cause: None, kin: self.kin }
    }
}
