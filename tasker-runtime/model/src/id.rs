//! The numbers the engine knows tasks, workers and attempts by.

use super::StepIndex;

/// A task's number in its database. People and other systems know it by its UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskNo(pub i64);

/// One process that holds tasks, for as long as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub i64);

/// The right to move a task on. It is held by one worker, and every taking of the task gives it a new
/// epoch: what arrives under an older one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The task.
    pub task: TaskNo,
    /// Counts the takings of this task from 1.
    pub epoch: i64,
}

/// One attempt of one step, under the lease of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The lease.
    pub lease: Lease,
    /// The step.
    pub step: StepIndex,
    /// Counts the attempts of the step from 1.
    pub number: u32,
}

impl Attempt {
    /// The task.
    #[must_use]
    pub const fn task(self) -> TaskNo {
        self.lease.task
    }
}
