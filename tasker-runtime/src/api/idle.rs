//! Whether a task goes on by itself, and when: for tests that move the time.

use uuid::Uuid;

use super::Tasker;
use crate::{
    model::{TaskState, Timestamp, Verdict, task_loop::NEAR},
    orchestration::view,
    store::Result,
};

/// What a task does as long as nobody interferes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Something runs or is about to.
    Working,
    /// Nothing happens before this time.
    Until(Timestamp),
    /// Nothing happens any more.
    Over,
}

impl Tasker {
    /// What a task does now; `None` when there is no such task.
    pub(crate) async fn idle(&self, task: Uuid) -> Result<Option<Idle>> {
        let mut connection = self.inner.store.reader().await?;
        let Some((task, history)) = view::find(&mut connection, task).await? else { return Ok(None) };
        drop(connection);
        if task.state.is_final() || matches!(task.state, TaskState::BlockedByFailures | TaskState::Paused) {
            return Ok(Some(Idle::Over));
        }
        let now = self.inner.clock.now();
        if task.state == TaskState::Waiting && task.run_at == Timestamp::NEVER {
            return Ok(Some(Idle::Over));
        }
        if matches!(task.state, TaskState::Pending | TaskState::Waiting) && task.run_at > now {
            return Ok(Some(Idle::Until(task.run_at)));
        }
        let rules = self.inner.plans.known(task.template).await?.rules;
        Ok(Some(match history.replay(rules).verdict() {
            // What waits longer is about to be given back, and what is sent to it then is not missed.
            Verdict::Waiting(at) if at > now && at.since(now) <= NEAR => Idle::Until(at),
            _ => Idle::Working,
        }))
    }
}
