//! Tasks come in.

use std::sync::atomic::Ordering;

use super::{DEATHS, Hold, Message, NEAR, SUSPECT, TURN};
use crate::{
    dispatch::held::Held,
    model::{Lease, TaskNo, TaskState, Timestamp},
    orchestration::{
        claim::{self, Claimed},
        record::End,
    },
};

impl Hold {
    pub(super) async fn take(&mut self, claimed: Claimed) {
        let task = claimed.lease.task;
        if !self.is_news(claimed.lease) {
            return self.shared.make_room();
        }
        let plan = match self.shared.plans.get(claimed.template).await {
            Ok(plan) => plan,
            Err(problem) => return self.give_back_unread(&claimed, problem.to_string()),
        };
        if claimed.takeovers >= DEATHS {
            self.set_aside.push(claimed.lease);
            let cause = format!("set aside: {DEATHS} processes in a row died while they held this task");
            return self.end_unread(&claimed, TaskState::BlockedByFailures, Timestamp::NEVER, cause);
        }
        if claimed.takeovers >= SUSPECT {
            if self.suspect.is_some_and(|other| other != task) {
                // One after the other: usually the holder's death had nothing to do with any of them.
                self.postponed += 1;
                let later = self.shared.clock.now() + TURN * self.postponed;
                let cause = "waits until another task whose holders died has moved on".to_owned();
                return self.end_unread(&claimed, TaskState::Pending, later, cause);
            }
            self.suspect = Some(task);
        }
        let mut held = Held::new(claimed, plan);
        held.progress.wake(self.shared.clock.now());
        // Retries that are still to come were recorded by an earlier holder, who had their timers.
        for at in held.progress.slots().chain(held.progress.undos()).filter_map(|(_, slot)| slot.retry_at()) {
            self.wake_at(task, at);
        }
        self.held.insert(task, held);
        self.touched.push(task);
    }

    /// Whether nothing later is known of the task of `lease`. What is known of it under an earlier lease, which
    /// this process had before it was taken for dead, is forgotten.
    fn is_news(&mut self, lease: Lease) -> bool {
        let Some(known) = self.held.get(&lease.task).map(|held| held.lease.epoch) else { return true };
        if known >= lease.epoch {
            return false;
        }
        if let Some(held) = self.forget(lease.task) {
            held.cancel.cancel();
        }
        // What it was about to write would be refused, and the lease that lives be taken for lost with it.
        self.batch.done.retain(|done| done.attempt.task() != lease.task);
        self.batch.failed.retain(|failed| failed.attempt.task() != lease.task);
        self.batch.ends.retain(|end| end.lease.task != lease.task);
        self.offers.retain(|offer| offer.attempt.task() != lease.task);
        true
    }

    /// Gives back a task that is held under a lease nobody here knows of: the answer that brought it was lost.
    pub(super) async fn look_after(&mut self, lease: Lease) {
        let known = self.held.get(&lease.task).is_some_and(|held| held.lease == lease);
        if known || self.batch.ends.iter().any(|end| end.lease == lease) {
            return;
        }
        tracing::warn!(task = lease.task.0, "a task was taken without this worker knowing; it is given back");
        let let_go = async {
            let mut connection = self.session.open().await?;
            claim::let_go(&mut connection, self.shared.worker(), lease, self.shared.clock.now()).await?;
            self.session.keep(connection);
            crate::store::Result::Ok(())
        };
        if let Err(error) = let_go.await {
            self.shared.unsure.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "it waits for the database");
        }
        self.shared.hint_all();
    }

    /// Has the task looked at again when a retry time comes.
    pub(super) fn wake_at(&self, task: TaskNo, at: Timestamp) {
        let (clock, me) = (self.shared.clock.clone(), self.me.clone());
        tokio::spawn(async move {
            clock.sleep_until(at).await;
            let _ = me.send(Message::Due(task, at));
        });
    }

    /// Gives back a task that cannot be run here now.
    pub(super) fn give_back_unread(&mut self, claimed: &Claimed, cause: String) {
        let later = self.shared.clock.now() + NEAR;
        self.end_unread(claimed, TaskState::Pending, later, cause);
    }

    pub(super) fn end_unread(
        &mut self,
        claimed: &Claimed,
        state: TaskState,
        run_at: Timestamp,
        cause: String,
    ) {
        self.shared.make_room();
        self.unread.push((claimed.lease.task, claimed.uuid, state));
        tracing::warn!(task = %claimed.uuid, %cause, "task cannot run here");
        let cause = Some(cause);
        self.batch.ends.push(End {
            lease: claimed.lease,
            state,
            run_at: Some(run_at),
            finished_at: None,
            cause,
        });
    }
}
