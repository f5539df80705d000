//! The handlers that a workflow lists, as constants.

use super::workflow::Message;
use crate::handler::annotated::StepFn;
use crate::handler::schema::Schemas;
use crate::handler::{Capability, Need};

/// A handler in the list of a workflow.
#[derive(Clone, Copy)]
pub struct Listed {
    /// The name of the step, which is that of its handler unless the list says another one.
    pub(in crate::registry) step: &'static str,
    /// Whether the list says another one.
    pub(in crate::registry) is_alias: bool,
    /// The name of the handler.
    pub(in crate::registry) name: &'static str,
    pub(in crate::registry) namespace: Option<&'static str>,
    pub(in crate::registry) needs: &'static [Need],
    pub(in crate::registry) capability: Capability,
    /// The steps that it waits for without reading them.
    pub(in crate::registry) after: &'static [&'static str],
    pub(in crate::registry) schemas: Schemas,
}

impl Listed {
    /// No handler: what is there until one takes its place.
    pub(in crate::registry) const PLACEHOLDER: Self = Self {
        step: "",
        is_alias: false,
        name: "",
        namespace: None,
        needs: &[],
        capability: Capability::Standard,
        after: &[],
        schemas: Schemas::NONE,
    };

    /// What stands for a step that calls no handler.
    pub const WAITS: Self = Self::PLACEHOLDER;

    /// The same handler, as a step of this name.
    #[must_use]
    pub const fn called(mut self, step: &'static str) -> Self {
        (self.step, self.is_alias) = (step, true);
        self
    }

    /// The same step, which waits for these as well.
    #[must_use]
    pub const fn after(mut self, steps: &'static [&'static str]) -> Self {
        self.after = steps;
        self
    }

    /// The steps that it has wait for it: the routes of a decision, the worker of an analyzer.
    pub(in crate::registry) const fn releases(&self) -> &[&'static str] {
        match &self.capability {
            Capability::Decision(routes) => routes,
            Capability::BatchAnalyzer(worker) => std::slice::from_ref(worker),
            _ => &[],
        }
    }
}

/// The handler `S`, in a list.
///
/// # Panics
/// When it is no step, which is while the program is compiled.
#[must_use]
#[track_caller]
pub const fn workflow_step<S: StepFn>() -> Listed {
    is_step::<S>();
    as_listed::<S>()
}

/// Refuses a handler that is no step of a workflow.
///
/// # Panics
/// When it is none, which is while the program is compiled.
#[track_caller]
pub const fn is_step<S: StepFn>() {
    if S::COMPENSATES {
        let mut text = Message::new();
        text.push("`").push(S::NAME).push("` compensates another handler and is no step of a workflow: ");
        text.push("leave it out, it is found by itself").panic();
    }
}

/// The handler `S`, of which [`is_step`] says whether it is a step: whoever names a constant that does not come to
/// an end is told so, each time.
#[must_use]
pub const fn as_listed<S: StepFn>() -> Listed {
    Listed {
        step: S::NAME,
        is_alias: false,
        name: S::NAME,
        namespace: S::FACTS.namespace,
        needs: S::NEEDS,
        capability: S::FACTS.capability,
        after: &[],
        schemas: S::SCHEMAS,
    }
}
