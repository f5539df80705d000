//! Which queues a process works for.

use std::collections::BTreeSet;

/// The queues a process takes work from. A task waits in the queue of its namespace; a step may ask for
/// another one, and then runs only where that is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served(Option<BTreeSet<String>>);

impl Served {
    /// These queues; every one there is when none is named.
    pub(crate) fn of(names: impl IntoIterator<Item = String>) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        Self((!names.is_empty()).then_some(names))
    }

    /// Whether work of this queue is done here.
    pub(crate) fn has(&self, queue: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(queue))
    }

    /// The names, sorted; `None`: all there are.
    pub(crate) fn names(&self) -> Option<Vec<String>> {
        self.0.as_ref().map(|names| names.iter().cloned().collect())
    }
}
