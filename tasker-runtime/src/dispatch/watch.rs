//! Tells those who wait for a task, or look at it, what happens to it in this process.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
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
#[derive(Clone, Debug, Default)]
pub(crate) struct Watchers(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    count: AtomicUsize,
    by_task: Mutex<HashMap<Uuid, Vec<UnboundedSender<Update>>>>,
}

/// What happens to a watched task. Once this is dropped, nothing is left of the watching.
#[derive(Debug)]
pub(crate) struct Updates {
    task: Uuid,
    receiver: UnboundedReceiver<Update>,
    watchers: Watchers,
}

impl Updates {
    /// What has happened already and was not asked for yet.
    pub(crate) fn pending(&mut self) -> Option<Update> {
        self.receiver.try_recv().ok()
    }

    /// The next thing that happens.
    pub(crate) async fn next(&mut self) -> Option<Update> {
        self.receiver.recv().await
    }
}

impl Drop for Updates {
    fn drop(&mut self) {
        self.receiver.close();
        let Watched { count, by_task } = &*self.watchers.0;
        let mut by_task = by_task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watchers) = by_task.get_mut(&self.task) {
            watchers.retain(|watcher| !watcher.is_closed());
            if watchers.is_empty() {
                by_task.remove(&self.task);
            }
        }
        count.store(by_task.len(), Ordering::Release);
    }
}

impl Watchers {
    /// Everything that happens to `task` in this process from now on.
    pub(crate) fn add(&self, task: Uuid) -> Updates {
        let (sender, receiver) = unbounded_channel();
        let mut by_task = self.0.by_task.lock().unwrap_or_else(PoisonError::into_inner);
        by_task.entry(task).or_default().push(sender);
        self.0.count.store(by_task.len(), Ordering::Release);
        Updates { task, receiver, watchers: self.clone() }
    }

    /// Tells those who watch `task`.
    pub(crate) fn tell(&self, task: Uuid, update: impl FnOnce() -> Update) {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let by_task = self.0.by_task.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watchers) = by_task.get(&task) else { return };
        let update = update();
        for watcher in watchers {
            // One that is being dropped hears nothing more.
            let _ = watcher.send(update.clone());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_watching_that_ended() {
        let (watchers, task) = (Watchers::default(), Uuid::nil());
        let (mut first, second) = (watchers.add(task), watchers.add(task));
        watchers.tell(task, || Update::Left { state: TaskState::Complete });
        drop(second);
        assert_eq!(watchers.0.by_task.lock().unwrap().len(), 1, "the first still looks");
        assert!(matches!(first.pending(), Some(Update::Left { state: TaskState::Complete })));
        drop(first);
        assert_eq!(watchers.0.by_task.lock().unwrap().len(), 0);
        assert_eq!(watchers.0.count.load(Ordering::Acquire), 0);
    }
}
