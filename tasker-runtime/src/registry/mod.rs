//! All handlers of a program, by name.
//!
//! A [`Registry`] is filled from what was collected at link time or from an explicit list. Before any work is
//! claimed, [`Registry::check`] holds it against the templates and the state of the program and reports
//! everything that could go wrong later. A running program may gain handlers; each time it has another
//! registry then, under the next epoch.

pub(crate) mod catalog;
mod check;
mod child_workflows;
mod compensation;
pub(crate) mod const_check;
pub(crate) mod declared;
mod find;
mod kinds;
mod live;
mod publishes;
mod schema;
mod signals;
pub(crate) mod subscribers;
pub(crate) mod unreadable_files;
mod unwired;
pub(crate) mod workflow;

pub use crate::handler::Registration;
pub use catalog::{Catalog, UnknownTemplate, read_templates};
pub use check::{Checked, Problem, Warning};
pub use find::NotFound;
pub(crate) use live::LiveRegistry;
pub(crate) use schema::Schema;
pub use workflow::Workflow;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{handler::around::Wrapper, model::HandlerKey};
use compensation::Compensations;

/// All handlers of a program, sorted by name.
///
/// ```
/// use tasker_runtime::handlers;
/// use tasker_runtime::prelude::*;
/// use tasker_runtime::registry::Registry;
///
/// #[step_handler]
/// async fn charge(amount: u64) -> u64 {
///     amount
/// }
///
/// let registry = Registry::of(handlers![charge]);
/// assert_eq!(registry.find("shop", "charge")?.key(), "charge");
/// assert!(registry.find("shop", "chrage").unwrap_err().to_string().contains("did you mean `charge`?"));
/// # Ok::<(), tasker_runtime::registry::NotFound>(())
/// ```
#[derive(Debug, Default)]
pub struct Registry {
    /// Sorted by key; of two with one key, the first is the one that is found.
    handlers: Vec<Registration>,
    /// From the key of each handler to its index.
    by_key: HashMap<HandlerKey, usize>,
    /// Those that steps do not call.
    compensations: Compensations,
    /// From what a template may write to what is meant.
    aliases: BTreeMap<String, String>,
    /// What stands around all of them, outermost first.
    around: Arc<[Wrapper]>,
    epoch: u64,
}

impl Registry {
    /// Every handler that is linked into the program.
    ///
    /// A crate that is linked but never named contributes none: `use its_name as _;` names it.
    #[must_use]
    pub fn discover() -> Self {
        Self::of(Registration::linked())
    }

    /// These handlers and no others. See [`crate::handlers!`].
    #[must_use]
    pub fn of(handlers: impl IntoIterator<Item = Registration>) -> Self {
        Self::made_of(handlers.into_iter().collect(), BTreeMap::new(), 0)
    }

    fn made_of(mut handlers: Vec<Registration>, aliases: BTreeMap<String, String>, epoch: u64) -> Self {
        let known_by = |handler: &Registration| (handler.key().clone(), handler.place());
        handlers.sort_by_cached_key(known_by);
        // The same handler may be listed by hand and discovered as well.
        handlers.dedup_by(|other, first| other.is(first));
        let compensates = |handler: &Registration| handler.spec().compensates.is_some();
        let (compensations, handlers): (Vec<_>, Vec<_>) = handlers.into_iter().partition(compensates);
        let mut by_key = HashMap::with_capacity(handlers.len());
        for (index, handler) in handlers.iter().enumerate() {
            by_key.entry(handler.key().clone()).or_insert(index);
        }
        let (compensations, around) = (Compensations::of(compensations), Arc::default());
        Self { handlers, by_key, compensations, aliases, around, epoch }
    }

    /// These handlers as well, under the next epoch.
    pub(crate) fn with(&self, more: impl IntoIterator<Item = Registration>) -> Self {
        let all = self.handlers.iter().chain(self.compensations()).cloned().chain(more);
        let more = Self::made_of(all.collect(), self.aliases.clone(), self.epoch + 1);
        Self { around: self.around.clone(), ..more }
    }

    /// The same handlers, each within these wrappers when it is called.
    pub(crate) fn with_around(mut self, around: impl Into<Arc<[Wrapper]>>) -> Self {
        self.around = around.into();
        self
    }

    /// What is called where a step calls `handler`.
    pub(crate) fn wrapped(&self, handler: &Registration) -> Registration {
        handler.within(&self.around)
    }

    /// Grows with each handler that came while the program ran.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The same handlers, to be found under other names as well: from what templates write to the key
    /// of the handler that is meant.
    #[must_use]
    pub fn with_aliases(mut self, aliases: BTreeMap<String, String>) -> Self {
        self.aliases.extend(aliases);
        self
    }

    /// All handlers that steps call, sorted by key.
    #[must_use]
    pub fn handlers(&self) -> &[Registration] {
        &self.handlers
    }

    /// The handler that a template of `namespace` means by `callable`.
    ///
    /// That is the one whose key is `callable`: the name alone, or with its namespace, `shop.charge`.
    /// In a template of its own namespace the name alone will do. If there is none, a Rust path means
    /// the handler whose name is the last segment in snake case without `Handler`.
    ///
    /// # Errors
    /// What is there instead: nothing like it, a near miss, or several.
    pub fn find(&self, namespace: &str, callable: &str) -> Result<&Registration, NotFound> {
        self.locate(namespace, callable).map(|index| &self.handlers[index])
    }

    /// The handler with this key.
    pub(crate) fn by_key(&self, key: &HandlerKey) -> Option<&Registration> {
        self.by_key.get(key).map(|&index| &self.handlers[index])
    }

    /// The keys of the handlers that steps call, sorted.
    pub(crate) fn keys(&self) -> Vec<HandlerKey> {
        self.handlers.iter().map(|handler| handler.key().clone()).collect()
    }
}
