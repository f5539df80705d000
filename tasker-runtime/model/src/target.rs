//! What another process must have to run a step.

use std::sync::Arc;

use super::HandlerKey;

/// What a process must have and serve to run a step that another one offers.
///
/// Who has the handler of a step says which handler that is and which queue the step is for. Who lacks it says
/// what the template writes, for each taker to resolve by its own registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The key of the handler of the step; where `namespace` is there, what the template writes instead.
    pub handler: HandlerKey,
    /// The namespace of the template, where `handler` is still to be resolved in it.
    pub namespace: Option<Arc<str>>,
    /// Where it is to be run; `None` where that is for the handler to say.
    pub queue: Option<Arc<str>>,
}
