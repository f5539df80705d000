//! Which queues a process works for.

use std::collections::BTreeSet;

/// The queues a process takes work from. A task waits in the queue of its namespace; a step may ask for
/// another one, and then runs only where that is served.
///
/// ```
/// use tasker_model::Served;
///
/// assert!(Served::of(["shop".to_owned()]).has("shop"));
/// assert!(!Served::of(["shop".to_owned()]).has("slow"));
/// assert!(Served::default().has("slow")); // all of them
/// ```
#[derive(Clone, Debug, Default)]
pub struct Served(Option<BTreeSet<String>>);

impl Served {
    /// These queues; every one there is when none is named.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        Self((!names.is_empty()).then_some(names))
    }

    /// Whether work of this queue is done here.
    #[must_use]
    pub fn has(&self, queue: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(queue))
    }

    /// The names, sorted; `None`: all there are.
    #[must_use]
    pub fn names(&self) -> Option<Vec<String>> {
        self.0.as_ref().map(|names| names.iter().cloned().collect())
    }
}
