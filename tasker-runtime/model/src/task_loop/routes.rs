//! Where the steps of a template can run.

use std::sync::Arc;

use crate::{Rules, StepIndex, Target};

/// The rules of a template together with where its steps can run, seen from one process.
#[derive(Clone, Debug)]
pub struct Routes {
    /// The rules.
    pub rules: Arc<Rules>,
    /// Of each step, in the order of the template.
    pub steps: Vec<Route>,
}

/// Where one step can run.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who else can run it. Its compensation goes to the same ones.
    pub target: Arc<Target>,
    /// Higher goes first among the steps of a task that are ready together.
    pub priority: i32,
    /// Whether this process has the handler and serves the queue.
    pub runs_here: bool,
    /// Whether this process can compensate the step.
    pub compensates_here: bool,
}

impl Routes {
    /// The route of a step, of its batch instances, and of its compensation.
    #[must_use]
    pub fn of(&self, step: StepIndex) -> &Route {
        &self.steps[step.step() as usize]
    }

    /// Whether this process can run the step or compensation.
    #[must_use]
    pub fn run_here(&self, step: StepIndex) -> bool {
        let route = self.of(step);
        if step.compensates().is_some() { route.compensates_here } else { route.runs_here }
    }
}
