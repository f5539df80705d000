//! The steps this process has lent to others.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::model::{Attempt, StepNo, TaskNo};

/// The attempts this process has lent. What comes back of an earlier attempt, or of a task that was held under
/// another lease, is none of them.
#[derive(Debug, Default)]
pub(crate) struct Loans(Mutex<HashMap<(TaskNo, StepNo), Attempt>>);

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

    /// Whether nothing is lent.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TaskNo, StepNo), Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
