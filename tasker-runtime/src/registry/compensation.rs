//! Which handler undoes which, and whether all of that fits the templates.

use std::collections::HashMap;

use tasker_template::{OnFailure, Template};

use super::check::{Check, Problem, title};
use super::{Registration, Registry};
use crate::handler::Compensated;
use crate::handler::wiring::{self, Unwired};
use crate::model::HandlerKey;

/// The handlers that undo others.
#[derive(Debug, Default)]
pub(super) struct Compensations {
    /// Sorted by key.
    pub(super) all: Vec<Registration>,
    /// From the key of a handler to the one that undoes it; of two, the first.
    by_compensated: HashMap<HandlerKey, usize>,
}

impl Compensations {
    pub(super) fn of(all: Vec<Registration>) -> Self {
        let mut by_compensated = HashMap::new();
        for (index, compensation) in all.iter().enumerate() {
            if let Some(compensated) = compensated_by(compensation) {
                by_compensated.entry(compensated.key.clone()).or_insert(index);
            }
        }
        Self { all, by_compensated }
    }
}

fn compensated_by(compensation: &Registration) -> Option<&Compensated> {
    compensation.spec().compensates.as_ref()
}

impl Registry {
    /// The handlers that undo others, sorted by key. They are called by no step and are not among
    /// [`handlers`](Self::handlers).
    #[must_use]
    pub fn compensations(&self) -> &[Registration] {
        &self.compensations.all
    }

    /// The handler that undoes what `handler` did, where there is one.
    #[must_use]
    pub fn compensation_of(&self, handler: &Registration) -> Option<&Registration> {
        self.compensations.by_compensated.get(handler.key()).map(|&index| &self.compensations.all[index])
    }
}

impl Check<'_> {
    /// Each handler is undone by at most one, and those that undo have something to undo.
    pub(super) fn compensations(&mut self) {
        for compensation in &self.registry.compensations.all {
            let Some(compensated) = compensated_by(compensation) else { continue };
            let key = compensated.key.to_string();
            let first = &self.registry.compensations.all
                [self.registry.compensations.by_compensated[&compensated.key]];
            if (first.key(), first.place()) != (compensation.key(), compensation.place()) {
                self.found.problems.push(Problem::TwoCompensations {
                    handler: key,
                    first: format!("`{}` at {}", first.key(), first.place()),
                    second: format!("`{}` at {}", compensation.key(), compensation.place()),
                });
            } else if !self.registry.by_key.contains_key(&compensated.key) {
                let near = self.registry.near(&compensated.name);
                self.found.problems.push(Problem::NothingToCompensate {
                    compensation: compensation.key().to_string(),
                    place: compensation.place(),
                    handler: key,
                    near: near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default(),
                });
            }
        }
    }

    /// A template that is to be undone has something to undo, and what undoes it can read what it reads.
    pub(super) fn rollback(&mut self, template: &Template) {
        if template.on_failure() != OnFailure::Compensate {
            return;
        }
        let (mut any, mut complete) = (false, true);
        let with_handler = (0..).zip(template.steps()).filter(|(_, step)| step.kind.has_handler());
        for (number, step) in with_handler {
            let Ok(handler) = self.registry.find(template.namespace(), &step.handler.callable) else {
                // That is reported; the process that has the handler may have what undoes it.
                complete = false;
                continue;
            };
            let Some(compensation) = self.registry.compensation_of(handler) else { continue };
            any = true;
            for &need in &compensation.spec().needs {
                self.need(template, number, compensation, need);
            }
            if !self.compensating.contains(compensation.key()) {
                self.compensating.push(compensation.key().clone());
                self.program_has(compensation);
            }
        }
        if complete && !any {
            self.found.problems.push(Problem::NothingCompensates { template: title(template) });
        }
    }
}

/// The step that `handler` means by `name` where it is called for step `number`. What undoes a step may
/// read it.
pub(super) fn upstream(
    template: &Template,
    number: u32,
    handler: &Registration,
    name: &str,
) -> Result<u32, Unwired> {
    if compensated_by(handler).is_some() && wiring::is(template, number, name) {
        return Ok(number);
    }
    wiring::find(template, number, name)
}

#[cfg(test)]
#[path = "compensation_tests.rs"]
mod tests;
