//! Tasks leave: over, given back, or lost.

use std::sync::atomic::Ordering;

use super::{Hold, NEAR};
use crate::{
    dispatch::{
        held::{Held, Wanted},
        rollback,
        watch::Update,
    },
    model::{TaskNo, TaskState, Timestamp, Verdict},
    orchestration::record::{self, End},
};

impl Hold {
    /// Adds the ends of the touched tasks that are over or are given back.
    pub(super) fn find_ends(&mut self) {
        let now = self.shared.clock.now();
        for task in &self.touched {
            let Some(held) = self.held.get_mut(task) else { continue };
            let end = rollback::refused(held, now + NEAR).or_else(|| end_of(held, now, self.draining));
            self.batch.ends.extend(end.or_else(|| rollback::shown(held)));
        }
    }

    /// Drops what is known of a task. With `give_back` the queue gets it, to be read anew.
    pub(super) async fn read_again(&mut self, task: TaskNo, give_back: bool) {
        let Some(held) = self.forget(task) else { return };
        held.cancel.cancel();
        if !give_back {
            tracing::warn!(task = %held.facts.id, "lease lost; another process moves this task on");
            return;
        }
        let now = self.shared.clock.now();
        let end = given_back(&held, now);
        if let Err(error) = record::end_one(&mut self.session, self.shared.worker(), &end).await {
            self.shared.unsure.store(true, Ordering::Relaxed);
            tracing::error!(%error, task = %held.facts.id, "task could not be given back");
        }
        self.shared.hint(held.plan.template.namespace());
    }

    pub(super) fn forget(&mut self, task: TaskNo) -> Option<Held> {
        let held = self.held.remove(&task)?;
        self.shared.make_room();
        if self.suspect == Some(task) {
            self.suspect = None;
        }
        Some(held)
    }

    pub(super) fn let_go(&mut self, task: TaskNo, state: TaskState) {
        if let Some(held) = self.forget(task) {
            held.cancel.cancel();
            if held.wanted.is_some() {
                // What was asked has come about and is to be asked no more.
                self.shared.asked.notify_one();
            }
            self.shared.watchers.tell(held.facts.id, || Update::Left { state });
        }
    }
}

/// How a task leaves this process's hands now, if it does.
pub(super) fn end_of(held: &Held, now: Timestamp, draining: bool) -> Option<End> {
    match held.wanted {
        Some(Wanted::Cancelled) => {
            let finished_at = Some(now);
            return Some(End {
                lease: held.lease,
                state: TaskState::Cancelled,
                run_at: None,
                finished_at,
                cause: None,
            });
        }
        // What is over without it has nothing left to pause.
        Some(Wanted::Paused) if held.running == 0 && !held.progress.state().is_final() => {
            let run_at = Some(Timestamp::NEVER);
            return Some(End {
                lease: held.lease,
                state: TaskState::Paused,
                run_at,
                finished_at: None,
                cause: None,
            });
        }
        _ => {}
    }
    let verdict = held.progress.verdict();
    let state = held.progress.state();
    let end = |run_at, finished_at, cause| Some(End { lease: held.lease, state, run_at, finished_at, cause });
    match verdict {
        Verdict::Waiting(at) if at.since(now) > NEAR || draining => {
            end(Some(at), None, rollback::cause(held))
        }
        Verdict::Working if draining && held.running == 0 => Some(given_back(held, now)),
        Verdict::Working | Verdict::Waiting(_) => None,
        Verdict::Complete | Verdict::Failed | Verdict::Compensated if state.is_final() => {
            end(None, Some(now), held.progress.failures())
        }
        Verdict::Complete | Verdict::Failed | Verdict::Compensated => {
            end(Some(Timestamp::NEVER), None, held.progress.failures())
        }
    }
}

/// The end of a hold that leaves the task for others to take at once.
pub(super) fn given_back(held: &Held, now: Timestamp) -> End {
    let state = if held.progress.rolling_back() { TaskState::Compensating } else { TaskState::Pending };
    End { lease: held.lease, state, run_at: Some(now), finished_at: None, cause: None }
}
