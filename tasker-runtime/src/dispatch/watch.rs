//! Tells those who wait for a task, or look at it, what happens to it in this process.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use crate::model::{Json, StepError, StepNo, TaskState, Timestamp};

/// Something that happened to a watched task.
#[derive(Clone, Debug)]
pub enum Update {
    /// An attempt began.
    Started {
        /// The step.
        step: StepNo,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// The step is complete.
    Completed {
        /// The step.
        step: StepNo,
        /// The attempt, from 1.
        attempt: u32,
        /// How long the attempt took.
        took: Duration,
        /// Its result.
        result: Json,
    },
    /// An attempt failed.
    Failed {
        /// The step.
        step: StepNo,
        /// The attempt, from 1.
        attempt: u32,
        /// When the next attempt may start; `None`: there is none.
        retry_at: Option<Timestamp>,
        /// Why.
        error: StepError,
    },
    /// The task left this process's hands in this state.
    Left {
        /// The state.
        state: TaskState,
    },
}

/// Who watches what. Tasks nobody watches cost one load.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    by_task: Mutex<HashMap<Uuid, Vec<UnboundedSender<Update>>>>,
}

impl Watchers {
    /// Everything that happens to `task` in this process from now on.
    pub(crate) fn add(&self, task: Uuid) -> UnboundedReceiver<Update> {
        let (sender, receiver) = unbounded_channel();
        let mut by_task = self.by_task.lock().unwrap_or_else(PoisonError::into_inner);
        by_task.entry(task).or_default().push(sender);
        self.count.store(by_task.len(), Ordering::Release);
        receiver
    }

    /// Tells those who watch `task`; those who stopped looking are forgotten.
    pub(crate) fn tell(&self, task: Uuid, update: impl FnOnce() -> Update) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut by_task = self.by_task.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watchers) = by_task.get_mut(&task) else { return };
        let update = update();
        watchers.retain(|watcher| watcher.send(update.clone()).is_ok());
        if watchers.is_empty() {
            by_task.remove(&task);
        }
        self.count.store(by_task.len(), Ordering::Release);
    }
}
