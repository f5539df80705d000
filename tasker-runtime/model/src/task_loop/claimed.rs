//! Tasks come in.

use super::{
    ActiveTask, ClaimedTask, DeadLetter, Left, MAX_TAKEOVERS, NEAR, POSTPONED_BY, QUARANTINE_AFTER, TaskLoop,
    Unrunnable,
};
use crate::{End, Kin, Lease, TaskNo, TaskState, Timestamp};
use uuid::Uuid;

impl<B> TaskLoop<B> {
    pub(super) fn claimed(&mut self, claimed: ClaimedTask<B>, now: Timestamp) {
        let ClaimedTask { lease, id, takeovers, routes, progress, has_parent, body } = claimed;
        let kin = Kin { parent: has_parent, children: routes.rules.has_children() };
        let task = lease.task;
        if !self.is_news(lease) {
            let body = Some(body);
            return self.left.push(Left { task, id, state: None, run_at: None, followed: false, body });
        }
        if takeovers >= MAX_TAKEOVERS {
            let reason = "its holders died in a row without recording anything".to_owned();
            self.dead_letters.push(DeadLetter { lease, reason });
            let cause =
                format!("set aside: {MAX_TAKEOVERS} processes in a row died while they held this task");
            return self.end_unheld(lease, id, TaskState::BlockedByFailures, Timestamp::NEVER, cause);
        }
        if takeovers >= QUARANTINE_AFTER {
            let in_the_way = |other: &TaskNo| !self.tasks.get(other).is_some_and(ActiveTask::runs_elsewhere);
            if self.quarantined.filter(in_the_way).is_some_and(|other| other != task) {
                // One after the other: usually the holder's death had nothing to do with any of them.
                self.postponed += 1;
                let later = now + POSTPONED_BY * self.postponed;
                let cause = "waits until another task whose holders died has moved on".to_owned();
                let phase =
                    if progress.rolling_back() { TaskState::Compensating } else { TaskState::Pending };
                return self.end_unheld(lease, id, phase, later, cause);
            }
            self.quarantined = Some(task);
        }
        let mut active = ActiveTask {
            lease,
            id,
            takeovers,
            recorded: false,
            kin,
            lingers: None,
            looking: 0,
            routes,
            progress,
            running: 0,
            lent: 0,
            elsewhere: 0,
            wanted: None,
            unread: false,
            rollback_shown: false,
            due: None,
            body,
        };
        active.progress.wake(now);
        self.tasks.insert(task, active);
        self.touched.push(task);
    }

    /// Gives back a task that cannot be run here now.
    pub(super) fn unrunnable(&mut self, task: Unrunnable, now: Timestamp) {
        let Unrunnable { lease, id, phase, cause } = task;
        if self.is_news(lease) {
            return self.end_unheld(lease, id, phase, now + NEAR, cause);
        }
        let task = lease.task;
        self.left.push(Left { task, id, state: None, run_at: None, followed: false, body: None });
    }

    /// Whether nothing later is known of the task of `lease`. What is known of it under an earlier lease, which
    /// this process had before it was taken for dead, is forgotten.
    fn is_news(&mut self, lease: Lease) -> bool {
        let Some(known) = self.tasks.get(&lease.task).map(|task| task.lease.epoch) else { return true };
        if known >= lease.epoch {
            return false;
        }
        if let Some(active) = self.forget(lease.task) {
            self.left.push(active.gone());
        }
        // What it was about to write would be refused, and the lease that lives be taken for lost with it.
        self.batch.done.retain(|done| done.attempt.task() != lease.task);
        self.batch.failed.retain(|failed| failed.attempt.task() != lease.task);
        self.batch.left_out.retain(|left_out| left_out.attempt.task() != lease.task);
        self.batch.ends.retain(|end| end.lease.task != lease.task);
        self.offers.retain(|offer| offer.attempt.task() != lease.task);
        true
    }

    /// Has a task given back that is held under a lease nobody here knows of: the answer that brought it was
    /// lost.
    pub(super) fn stray_lease(&mut self, lease: Lease) {
        let known = self.tasks.get(&lease.task).is_some_and(|task| task.lease == lease);
        if !known && !self.batch.ends.iter().any(|end| end.lease == lease) {
            self.stray.push(lease);
        }
    }

    fn end_unheld(&mut self, lease: Lease, id: Uuid, state: TaskState, run_at: Timestamp, cause: String) {
        self.unheld.push((lease.task, id, state));
        let cause = Some(cause);
        // It is neither over nor paused: nobody else is to hear of it.
        let kin = Kin::default();
        self.batch.ends.push(End { lease, state, run_at: Some(run_at), finished_at: None, cause, kin });
    }
}
