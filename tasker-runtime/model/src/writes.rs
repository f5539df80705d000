//! What one process writes about the tasks it holds, and what became of it.

use std::{collections::HashSet, sync::Arc};

use super::{Attempt, Failure, Json, Lease, NoResult, Published, Target, TaskNo, TaskState, Timestamp};

/// The result of an attempt.
#[derive(Clone, Debug)]
pub struct Done {
    /// The attempt, under the lease it ran under.
    pub attempt: Attempt,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it returned.
    pub result: Json,
    /// What is published with it; `None`: the step publishes nothing.
    pub published: Option<Box<Published>>,
}

/// An attempt that failed, or that ended a round.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The attempt, under the lease it ran under.
    pub attempt: Attempt,
    /// When it began.
    pub started_at: Timestamp,
    /// When it failed.
    pub failed_at: Timestamp,
    /// When the next attempt, or the next round, may start; `None`: it failed for good.
    pub retry_at: Option<Timestamp>,
    /// How it ended.
    pub came: NoResult,
    /// What is published with it; `None`: the step publishes nothing.
    pub published: Option<Box<Published>>,
}

impl From<&Failed> for Failure {
    fn from(failed: &Failed) -> Self {
        Self {
            step: failed.attempt.step,
            attempt: failed.attempt.number,
            started_at: failed.started_at,
            failed_at: failed.failed_at,
            retry_at: failed.retry_at,
            reopened: false,
            came: failed.came.clone(),
        }
    }
}

/// A step that is left out because what it waited for did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The step, under the lease its task is held under.
    pub attempt: Attempt,
    /// Since when.
    pub at: Timestamp,
}

/// The end of a task, of a worker's hold on it, or merely of a state of it.
#[derive(Clone, Debug)]
pub struct End {
    /// The lease it is held under.
    pub lease: Lease,
    /// The state it is in from now on.
    pub state: TaskState,
    /// When somebody may claim it again; `None` when it is over, or not yet let go.
    pub run_at: Option<Timestamp>,
    /// When it came to its end; `None` when it has not.
    pub finished_at: Option<Timestamp>,
    /// Why it stands there, for people.
    pub cause: Option<String>,
    /// Who is to hear of it.
    pub kin: Kin,
}

/// The tasks that hear of what becomes of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kin {
    /// One that started it and waits for its end.
    pub parent: bool,
    /// Those that it may have started, which are cancelled and paused with it.
    pub children: bool,
}

impl End {
    /// Whether it only says where the task stands, and the worker goes on holding it.
    #[must_use]
    pub fn keeps_hold(&self) -> bool {
        self.run_at.is_none() && self.finished_at.is_none()
    }
}

/// What is written together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Results.
    pub done: Vec<Done>,
    /// Failures.
    pub failed: Vec<Failed>,
    /// Steps that are left out.
    pub left_out: Vec<LeftOut>,
    /// Ends.
    pub ends: Vec<End>,
}

/// What did not go as expected, task by task. Of all other tasks everything is recorded.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// The lease was lost: nothing more of this task may be written.
    pub lost: HashSet<TaskNo>,
    /// The journal holds something else than this process thinks: read it again.
    pub stale: HashSet<TaskNo>,
}

impl Exceptions {
    /// Whether nothing was unusual about `task`.
    #[must_use]
    pub fn spare(&self, task: TaskNo) -> bool {
        !self.lost.contains(&task) && !self.stale.contains(&task)
    }
}

impl Batch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty() && self.failed.is_empty() && self.left_out.is_empty() && self.ends.is_empty()
    }

    /// The tasks it is about; one may come several times.
    pub fn tasks(&self) -> impl Iterator<Item = TaskNo> {
        let attempts = self.done.iter().map(|d| d.attempt).chain(self.failed.iter().map(|f| f.attempt));
        let attempts = attempts.chain(self.left_out.iter().map(|left_out| left_out.attempt));
        attempts.map(Attempt::task).chain(self.ends.iter().map(|end| end.lease.task))
    }

    /// Sorts by task, so that all who write lock rows in one order.
    pub fn sort(&mut self) {
        self.done.sort_unstable_by_key(|d| (d.attempt.lease.task, d.attempt.step));
        self.failed.sort_unstable_by_key(|f| (f.attempt.lease.task, f.attempt.step));
        self.left_out.sort_unstable_by_key(|l| (l.attempt.lease.task, l.attempt.step));
        self.ends.sort_unstable_by_key(|e| e.lease.task);
    }

    /// Cuts the batch in two, between two tasks; `None` where it is of one task alone.
    #[must_use]
    pub fn halve(&self) -> Option<(Self, Self)> {
        let mut tasks: Vec<TaskNo> = self.tasks().collect();
        tasks.sort_unstable();
        tasks.dedup();
        let cut = *tasks.get(tasks.len() / 2).filter(|_| tasks.len() > 1)?;
        let part = |before: bool| Self {
            done: self.done.iter().filter(|d| (d.attempt.lease.task < cut) == before).cloned().collect(),
            failed: self.failed.iter().filter(|f| (f.attempt.lease.task < cut) == before).cloned().collect(),
            left_out: self
                .left_out
                .iter()
                .filter(|l| (l.attempt.lease.task < cut) == before)
                .copied()
                .collect(),
            ends: self.ends.iter().filter(|e| (e.lease.task < cut) == before).cloned().collect(),
        };
        Some((part(true), part(false)))
    }
}

/// A step that is offered to other processes.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The attempt that is to be run.
    pub attempt: Attempt,
    /// Since when.
    pub offered_at: Timestamp,
    /// Who can run it.
    pub target: Arc<Target>,
}
