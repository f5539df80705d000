//! The steps this process has lent to others.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::model::{Attempt, StepIndex, TaskNo};

/// The attempts this process has lent. What comes back of an earlier attempt, or of a task that was held under
/// another lease, is none of them.
#[derive(Debug, Default)]
pub(crate) struct Loans {
    lent: Mutex<HashMap<(TaskNo, StepIndex), Attempt>>,
    /// Wakes the one loop that brings home what came back.
    returned: Notify,
}

impl Loans {
    /// Notes an attempt whose offer is written.
    pub(crate) fn add(&self, attempt: Attempt) {
        self.lock().insert((attempt.task(), attempt.step), attempt);
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Attempt> {
        self.lock().values().copied().collect()
    }

    /// Forgets an attempt, unless another one took its place.
    pub(crate) fn end(&self, attempt: &Attempt) {
        let mut loans = self.lock();
        let place = (attempt.task(), attempt.step);
        if loans.get(&place) == Some(attempt) {
            loans.remove(&place);
        }
    }

    /// Says that one of them may have come back.
    pub(crate) fn something_returned(&self) {
        self.returned.notify_one();
    }

    /// Waits until something may have come back since this was last waited for.
    pub(super) async fn returned(&self) {
        self.returned.notified().await;
    }

    /// Whether nothing is lent.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TaskNo, StepIndex), Attempt>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
