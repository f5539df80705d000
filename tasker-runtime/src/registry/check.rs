//! The registry held against the templates and the state of the program, before any work is claimed.

use std::any::TypeId;
use std::collections::HashSet;
use std::fmt;

use tasker_template::Template;

use super::compensation::upstream;
use super::declared::{agree, is_declared};
use super::{NotFound, Registration, Registry, kinds, publishes, unwired};
#[cfg(feature = "http")]
use crate::handler::http::ApiClient;
use crate::handler::{Need, States, TypeFacts};
use crate::model::{HandlerKey, StepError};

/// Something that would go wrong while work is running; a program with one does not start.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Two handlers have one name in one namespace.
    #[error("two handlers are called `{key}`: {first} and {second}; rename one with `name = \"…\"`")]
    Duplicate {
        /// The name, after its namespace if it has one.
        key: String,
        /// Where one is written, `file:line`.
        first: String,
        /// Where the other one is written.
        second: String,
    },
    /// A step calls a handler that is not linked into the program.
    #[error(
        "template `{template}`, step `{step}`: {reason}\n  if it is in a crate that nothing else names, the crate is left out of the program: write `use crate_name as _;` in main.rs"
    )]
    NoHandler {
        /// Namespace and name of the template.
        template: String,
        /// The step that calls it.
        step: String,
        /// What is there instead.
        reason: NotFound,
    },
    /// A handler that a template uses takes a `State` that the program does not have.
    #[error(
        "handler `{handler}` at {place} takes `State<{state}>`: give it with `.state(value)` where the program starts"
    )]
    NoState {
        /// The handler.
        handler: String,
        /// Where it is written.
        place: String,
        /// The type of the state.
        state: String,
    },
    /// A handler reads a step that is not there or that its own step does not wait for.
    #[error(
        "template `{template}`, step `{step}`: handler `{handler}` at {place} reads `{upstream}`, {reason}"
    )]
    NotWired {
        /// Namespace and name of the template.
        template: String,
        /// The step that calls the handler.
        step: String,
        /// The handler.
        handler: String,
        /// Where it is written.
        place: String,
        /// What it reads.
        upstream: String,
        /// Why that cannot be read, and the way out.
        reason: String,
    },
    /// A handler reads the result of a step that returns another type.
    #[error(
        "template `{template}`, step `{step}`: handler `{handler}` at {place} reads `{upstream}` as `{expected}`, but step `{from}` calls `{other}`, which returns `{found}`\n  let the step call another handler, or read another shape with `#[depends_on(\"{upstream}\")]`"
    )]
    WrongType {
        /// Namespace and name of the template.
        template: String,
        /// The step that calls the handler.
        step: String,
        /// The handler.
        handler: String,
        /// Where it is written.
        place: String,
        /// What it reads.
        upstream: String,
        /// The step that this means here.
        from: String,
        /// The handler of that step.
        other: String,
        /// The type that is read.
        expected: String,
        /// The type that is returned.
        found: String,
    },
    /// A step is of a type that its handler is not made for, or the steps below it are not those the
    /// handler names.
    #[error("template `{template}`, step `{step}`: handler `{handler}` at {place} {reason}")]
    WrongKind {
        /// Namespace and name of the template.
        template: String,
        /// The step.
        step: String,
        /// The handler.
        handler: String,
        /// Where it is written.
        place: String,
        /// What does not fit, and the way out.
        reason: String,
    },
    /// Two handlers undo the same one.
    #[error("handler `{handler}` is compensated by two: {first} and {second}; keep one")]
    TwoCompensations {
        /// The handler that is undone.
        handler: String,
        /// One that undoes it, and where it is written.
        first: String,
        /// The other one.
        second: String,
    },
    /// An alias of the settings stands for a handler that is not linked into the program.
    #[error("[handlers.aliases] in the settings: `{alias}` stands for a handler that is not there: {reason}")]
    BadAlias {
        /// What templates write.
        alias: String,
        /// What is there instead.
        reason: NotFound,
    },
    /// A step is declared to return another type than its handler returns, or than it is declared to elsewhere.
    #[error(
        "step `{step}` is declared at {place} to return `{declared}`, but at {other} it returns `{found}`: one of \
         them is out of date"
    )]
    DeclaredOtherwise {
        /// The key of its handler.
        step: String,
        /// Where it is declared.
        place: String,
        /// What it is declared to return.
        declared: String,
        /// Where its handler is, or another declaration.
        other: String,
        /// What that returns.
        found: String,
    },
    /// A handler undoes one that is not linked into the program.
    #[error("`{compensation}` at {place} compensates `{handler}`, and no handler is called so{near}")]
    NothingToCompensate {
        /// The handler that undoes.
        compensation: String,
        /// Where it is written.
        place: String,
        /// What it undoes.
        handler: String,
        /// The handler whose name is nearest, as a question.
        near: String,
    },
    /// A template asks for compensation, and none of its steps has one.
    #[error(
        "template `{template}` says `on_failure: compensate`, and no handler compensates one of its steps: write one with `#[compensates(..)]`, name its crate in main.rs with `use crate_name as _;`, or say `on_failure: fail`"
    )]
    NothingCompensates {
        /// Namespace and name of the template.
        template: String,
    },
    /// What stands for a signal that does not come is not what the signal says.
    #[error(
        "template `{template}`, step `{step}`: the default does not fit the schema of the signal: {reason}"
    )]
    BadDefault {
        /// Namespace and name of the template.
        template: String,
        /// The step.
        step: String,
        /// What does not fit.
        reason: String,
    },
    /// The configuration of a step does not have the shape that its handler reads.
    #[error("template `{template}`, step `{step}`: handler `{handler}` at {place}: {error}")]
    BadConfig {
        /// Namespace and name of the template.
        template: String,
        /// The step.
        step: String,
        /// The handler.
        handler: String,
        /// Where it is written.
        place: String,
        /// What is wrong with it.
        error: StepError,
    },
    /// A handler that a template uses cannot call its API: a section or a variable is missing or wrong.
    #[error("handler `{handler}` at {place}: {reason}")]
    BadApi {
        /// The handler.
        handler: String,
        /// Where it is written.
        place: String,
        /// What is missing or wrong, and what to do.
        reason: String,
    },
}

/// Something that is probably not meant; the program starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// No template calls a handler.
    #[error("handler `{handler}` at {place} is called by no template")]
    Unused {
        /// The handler.
        handler: String,
        /// Where it is written.
        place: String,
    },
}

/// What a check found, all of it.
///
/// [`fmt::Display`] writes one problem or warning after the other, each on lines of its own.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "a program with problems must not start"]
pub struct Checked {
    /// What must be put right before the program can start.
    pub problems: Vec<Problem>,
    /// What is probably not meant.
    pub warnings: Vec<Warning>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "error: {problem}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

impl Registry {
    /// Holds the handlers against the templates of the program and the state it gives to them.
    ///
    /// Reports handlers of one name; steps whose handler is missing; handlers in use whose state is
    /// missing, that read a step theirs does not wait for or one that returns another type, whose
    /// configuration has another shape or whose API is not configured; steps that are declared otherwise than their
    /// handlers; handlers that undo what another
    /// undoes already, and templates that ask for compensation and have none; and, as a warning, handlers
    /// that no template uses.
    ///
    /// ```
    /// use tasker_runtime::handler::States;
    /// use tasker_runtime::handlers;
    /// use tasker_runtime::prelude::*;
    /// use tasker_runtime::registry::Registry;
    /// use tasker_runtime::template::{Step, Template};
    ///
    /// struct Prices;
    ///
    /// #[step_handler]
    /// async fn charge(_prices: State<Prices>) -> u64 {
    ///     7
    /// }
    ///
    /// let shop = Template::builder("shop").step(Step::new("charge")).step(Step::new("ship")).build()?;
    /// let checked = Registry::of(handlers![charge]).check([&shop], &States::default());
    /// assert_eq!(checked.problems.len(), 2);
    /// assert!(checked.to_string().contains("Prices>`: give it with `.state(value)`"));
    /// assert!(checked.to_string().contains("step `ship`: no handler is called `ship`"));
    /// # Ok::<(), tasker_runtime::template::Report>(())
    /// ```
    pub fn check<'t>(&self, templates: impl IntoIterator<Item = &'t Template>, states: &States) -> Checked {
        let found = Checked::default();
        let mut check =
            Check { registry: self, states, used: HashSet::new(), compensating: Vec::new(), found };
        check.duplicates();
        check.compensations();
        check.aliases();
        check.declarations();
        for template in templates {
            check.template(template);
            check.rollback(template);
        }
        check.used_and_unused();
        check.found
    }
}

pub(super) struct Check<'c> {
    pub(super) registry: &'c Registry,
    states: &'c States,
    /// The handlers that templates call.
    used: HashSet<usize>,
    /// The keys of the handlers that undo steps of templates.
    pub(super) compensating: Vec<HandlerKey>,
    pub(super) found: Checked,
}

impl Check<'_> {
    fn duplicates(&mut self) {
        let mut all: Vec<&Registration> =
            self.registry.handlers.iter().chain(self.registry.compensations()).collect();
        all.sort_by_cached_key(|handler| (handler.key().clone(), handler.place()));
        for pair in all.windows(2) {
            let [first, second] = pair else { continue };
            if first.key() == second.key() {
                self.found.problems.push(Problem::Duplicate {
                    key: first.key().to_string(),
                    first: first.place(),
                    second: second.place(),
                });
            }
        }
    }

    /// Each alias leads to a handler, in one namespace at least.
    fn aliases(&mut self) {
        for (alias, handler) in &self.registry.aliases {
            let named = |known: &Registration| known.handler().name() == handler;
            match self.registry.locate("", handler) {
                Err(reason) if !self.registry.handlers.iter().any(named) => {
                    self.found.problems.push(Problem::BadAlias { alias: alias.clone(), reason });
                }
                _ => {}
            }
        }
    }

    fn template(&mut self, template: &Template) {
        template.steps().iter().for_each(|step| self.default_of_signal(template, step));
        let with_handler = (0..).zip(template.steps()).filter(|(_, step)| step.kind.has_handler());
        for (number, step) in with_handler {
            match self.registry.locate(template.namespace(), &step.handler.callable) {
                Ok(index) => {
                    self.used.insert(index);
                    let registry = self.registry;
                    let handler = &registry.handlers[index];
                    let reason = kinds::mismatch(template, number, handler);
                    let reason = reason.or_else(|| publishes::mismatch(template, number, handler));
                    if let Some(reason) = reason {
                        self.found.problems.push(Problem::WrongKind {
                            template: title(template),
                            step: step.name.to_string(),
                            handler: handler.key().to_string(),
                            place: handler.place(),
                            reason,
                        });
                    }
                    for &need in &handler.spec().needs {
                        self.need(template, number, handler, need);
                    }
                }
                // Some worker is said to have it, and tasks wait for one.
                Err(_) if is_declared(template.namespace(), &step.handler.callable) => {}
                Err(reason) => self.found.problems.push(Problem::NoHandler {
                    template: title(template),
                    step: step.name.to_string(),
                    reason,
                }),
            }
        }
    }

    pub(super) fn need(&mut self, template: &Template, number: u32, handler: &Registration, need: Need) {
        let need = match need {
            Need::After(name) => Need::Step { name, exact: None, optional: false, carried: &[] },
            need => need,
        };
        match need {
            Need::Step { name, exact, .. } => match upstream(template, number, handler, name) {
                Ok(from) => {
                    if let Some(expected) = exact {
                        self.same_type(template, (number, from), handler, (name, expected));
                    }
                }
                Err(unwired) => {
                    let reason = unwired::reason(template, number, name, unwired);
                    self.found.problems.push(Problem::NotWired {
                        template: title(template),
                        step: step_name(template, number),
                        handler: handler.key().to_string(),
                        place: handler.place(),
                        upstream: name.to_owned(),
                        reason,
                    });
                }
            },
            Need::Config(accepts) => {
                let Some(step) = template.step(number) else { return };
                if let Err(error) = accepts(&step.handler.initialization) {
                    self.found.problems.push(Problem::BadConfig {
                        template: title(template),
                        step: step.name.to_string(),
                        handler: handler.key().to_string(),
                        place: handler.place(),
                        error,
                    });
                }
            }
            // State and API belong to the handler, whichever steps call it.
            Need::Nothing
            | Need::Unknown
            | Need::Context
            | Need::Input(_)
            | Need::After(_)
            | Need::State(_)
            | Need::Api
            | Need::Batch(_)
            | Need::All(_) => {}
        }
    }

    /// `step` and the step it reads from, and what it reads there as which type.
    fn same_type(
        &mut self,
        template: &Template,
        (step, from): (u32, u32),
        handler: &Registration,
        (upstream, expected): (&str, TypeFacts),
    ) {
        let Some(source) = template.step(from) else { return };
        let Ok(index) = self.registry.locate(template.namespace(), &source.handler.callable) else { return };
        let other = &self.registry.handlers[index];
        let Some(found) = other.spec().output else { return };
        if found.id() == expected.id() || agree(template, source, (found, expected)) {
            return;
        }
        self.found.problems.push(Problem::WrongType {
            template: title(template),
            step: step_name(template, step),
            handler: handler.key().to_string(),
            place: handler.place(),
            upstream: upstream.to_owned(),
            from: source.name.to_string(),
            other: other.key().to_string(),
            expected: expected.name().to_owned(),
            found: found.name().to_owned(),
        });
    }

    #[cfg(feature = "http")]
    fn api(&mut self, handler: &Registration) {
        let Some(endpoint) = handler.spec().api else { return };
        if let Err(error) = ApiClient::of(self.states).check(endpoint) {
            let (handler, place, reason) =
                (handler.key().to_string(), handler.place(), error.message().to_owned());
            self.found.problems.push(Problem::BadApi { handler, place, reason });
        }
    }

    fn used_and_unused(&mut self) {
        for (index, handler) in self.registry.handlers.iter().enumerate() {
            if !self.used.contains(&index) {
                // Of two with one name the second is never found, which is said already.
                if self.registry.by_key.get(handler.key()) == Some(&index) {
                    let (handler, place) = (handler.key().to_string(), handler.place());
                    self.found.warnings.push(Warning::Unused { handler, place });
                }
                continue;
            }
            self.program_has(handler);
        }
    }

    /// The program has the state that a handler takes, and what is needed to call its API.
    pub(super) fn program_has(&mut self, handler: &Registration) {
        #[cfg(feature = "http")]
        self.api(handler);
        let mut asked: HashSet<TypeId> = HashSet::new();
        for need in &handler.spec().needs {
            if let Need::State(state) = need
                && !self.states.has(state.id())
                && asked.insert(state.id())
            {
                self.found.problems.push(Problem::NoState {
                    handler: handler.key().to_string(),
                    place: handler.place(),
                    state: state.name().to_owned(),
                });
            }
        }
    }
}

pub(super) fn title(template: &Template) -> String {
    format!("{}/{}", template.namespace(), template.name())
}

pub(super) fn step_name(template: &Template, number: u32) -> String {
    template.step(number).map(|step| step.name.to_string()).unwrap_or_default()
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
