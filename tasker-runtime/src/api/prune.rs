//! Deletes tasks that are over.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Tasker;
use crate::{
    dispatch::retention,
    model::{TaskState, Timestamp},
    orchestration::prune::{self, Old},
    store::Result,
};

/// Which tasks are deleted: those that have been over for longer than a time.
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::{api::Prune, model::TaskState};
///
/// let month = Duration::from_secs(30 * 86_400);
/// let prune = Prune::older_than(month).state(TaskState::Complete).unwrap();
/// assert!(Prune::older_than(month).state(TaskState::Paused).is_err(), "it is not over");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Prune {
    older_than: Duration,
    state: Option<TaskState>,
}

/// A state in which a task is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a task that is {0} is not over, and is never deleted: name complete, error, cancelled or compensated"
)]
pub struct NotOver(pub TaskState);

impl Prune {
    /// Tasks that ended longer ago than this, in whatever state.
    pub fn older_than(age: Duration) -> Self {
        Self { older_than: age, state: None }
    }

    /// Only tasks that ended in this state.
    ///
    /// # Errors
    /// When a task in this state is not over.
    pub fn state(mut self, state: TaskState) -> std::result::Result<Self, NotOver> {
        if !state.is_final() {
            return Err(NotOver(state));
        }
        self.state = Some(state);
        Ok(self)
    }

    /// What that means at this time.
    fn at(self, now: Timestamp) -> Old {
        Old::ended(prune::before(now, self.older_than), self.state)
    }
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Pruned {
    /// Tasks, with their steps, attempts, checkpoints, dead letters and audit trails.
    pub tasks: u64,
    /// Idempotency keys of tasks that are gone.
    pub idempotency_keys: u64,
}

impl Tasker {
    /// Deletes tasks that are over with everything that belongs to them, oldest first. A task that is not over is never
    /// deleted, however old it is.
    ///
    /// It goes in small transactions, and rests as long as each took, so that those who run tasks meanwhile have the
    /// database for themselves half of the time. Whatever ends it early, what is deleted by then is deleted as a
    /// whole, and the next call goes on. Only tasks that were submitted that long ago are read; their idempotency
    /// keys go last, and until then a submission with such a key is answered with the task that is gone.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tasker_runtime::{Tasker, api::Prune, prelude::*};
    /// # #[step_handler]
    /// # async fn greet(name: String) -> String {
    /// #     format!("hello {name}")
    /// # }
    /// # workflow!(greeting = [greet]);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
    /// greeting.run(&tasker, "ada").await?;
    /// let pruned = tasker.prune(Prune::older_than(Duration::from_secs(3_600))).await?;
    /// assert_eq!(pruned.tasks, 0, "it ended just now");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prune(&self, prune: Prune) -> Result<Pruned> {
        let (store, endless) = (&self.inner.store, CancellationToken::new());
        let old = prune.at(self.inner.clock.now());
        let tasks = retention::sweep(store, old, &endless).await?;
        let idempotency_keys = retention::sweep_keys(store, old.before, &endless).await?;
        Ok(Pruned { tasks, idempotency_keys })
    }

    /// How many tasks [`prune`](Self::prune) would delete. Nothing is done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn would_prune(&self, prune: Prune) -> Result<u64> {
        retention::count(&self.inner.store, prune.at(self.inner.clock.now())).await
    }
}
