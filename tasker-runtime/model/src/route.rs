//! Where the steps of a template run, as one process sees it.

use std::sync::Arc;

use super::{HandlerKey, StepNo};

/// What a process must have and serve to run a step that another one offers.
///
/// Who offers a step whose handler it has says which handler that is and which queue the step is for. Who
/// lacks the handler says what the template writes, for each taker to resolve by its own registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The key of the handler of the step; where `namespace` is there, what the template writes instead.
    pub handler: HandlerKey,
    /// The namespace of the template, where `handler` is still to be resolved in it.
    pub namespace: Option<Arc<str>>,
    /// Where it is to be run; `None` where that is for the handler to say.
    pub queue: Option<Arc<str>>,
}

/// Where one step of a template runs.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who else can run it. Its compensation goes to the same ones.
    pub target: Arc<Target>,
    /// Higher goes first among those of a task that are ready together.
    pub priority: i32,
    /// Whether it can run here: its handler is here and its queue is served.
    pub runs_here: bool,
    /// Whether it can be compensated here: its handler is here, and what compensates it with it.
    pub compensates_here: bool,
}

impl Route {
    /// Whether `step`, which is the step of this route, an instance of it or a compensation, can run here.
    #[must_use]
    pub fn is_here(&self, step: StepNo) -> bool {
        if step.undoes().is_some() { self.compensates_here } else { self.runs_here }
    }
}
