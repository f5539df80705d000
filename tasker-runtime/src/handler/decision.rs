//! Decisions: which of the steps below are taken.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::annotated::StepFn;
use super::{Capability, TaskSequenceStep, callable};
use crate::model::{DecisionOutcome, Json, StepError};

/// What a handler with `#[decision]` returns: the steps that are taken, of those that depend on it
/// directly. All others, and what only they lead to, are skipped.
///
/// Inside such a handler every route is a value of the name that `routes` lists:
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn auto_approve() -> &'static str {
///     "approved"
/// }
///
/// #[step_handler]
/// async fn manager_approval() -> &'static str {
///     "the manager approved"
/// }
///
/// #[step_handler]
/// async fn finance_review() -> &'static str {
///     "finance agreed"
/// }
///
/// #[step_handler]
/// #[decision(routes = [auto_approve, manager_approval, finance_review])]
/// async fn route(amount: u64) -> Decision {
///     match amount {
///         0 => Decision::skip("nothing to approve"),
///         1..1_000 => Decision::route(auto_approve),
///         1_000..50_000 => Decision::route(manager_approval).with_data(amount),
///         _ => Decision::route([manager_approval, finance_review]).with_data(amount),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(route(5).await.routes(), ["auto_approve"]);
/// assert_eq!(route(0).await.reason(), Some("nothing to approve"));
/// # });
/// ```
///
/// A step after it may read it with `#[depends_on(route)]`. Where each route carries data of its own, an enum
/// that derives [`Routes`](super::Routes) says it by its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    outcome: DecisionOutcome,
    /// Why the data cannot be written.
    problem: Option<String>,
}

impl Decision {
    /// Takes these routes: one, or a list. Only what `#[decision(routes = [..])]` lists is accepted.
    pub fn route<R: AsRoute>(routes: impl IntoIterator<Item = R>) -> Self {
        Self::route_by_name(routes.into_iter().map(|route| route.route().name()))
    }

    /// Takes the steps of these names, where only the running program can tell them. A name that is no
    /// route fails the step for good.
    pub fn route_by_name<N: Into<String>>(routes: impl IntoIterator<Item = N>) -> Self {
        let routes = routes.into_iter().map(Into::into).collect();
        Self { outcome: DecisionOutcome { routes, ..DecisionOutcome::default() }, problem: None }
    }

    /// Takes no route, and says why.
    pub fn skip(reason: impl Into<String>) -> Self {
        let reason = Some(reason.into());
        Self { outcome: DecisionOutcome { reason, ..DecisionOutcome::default() }, problem: None }
    }

    /// The same decision with data for the steps below it and for people.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        match Json::output(&data) {
            Ok(data) => self.outcome.data = Some(data),
            Err(error) => self.problem = Some(error.to_string()),
        }
        self
    }

    /// The same decision, whose data cannot be written for this reason.
    pub(super) fn unwritten(mut self, problem: String) -> Self {
        self.problem = Some(problem);
        self
    }

    /// The routes that are taken, by name.
    #[must_use]
    pub fn routes(&self) -> &[String] {
        &self.outcome.routes
    }

    /// Why none is taken.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.outcome.reason.as_deref()
    }

    /// The data, as a `T`; `None` where there is none.
    ///
    /// # Errors
    /// A permanent one, where the data has another shape.
    pub fn data<T: DeserializeOwned>(&self) -> Result<Option<T>, StepError> {
        data(self.outcome.data.as_ref())
    }

    /// What is decided, in the words of the handler.
    pub(crate) fn outcome(&self) -> Result<&DecisionOutcome, StepError> {
        self.problem.as_ref().map_or(Ok(&self.outcome), |problem| Err(unwritten(problem)))
    }

    /// The result of the step: routes are handlers as the program knows them, or steps.
    pub(crate) fn write(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        let mut outcome = self.outcome()?.clone();
        for route in &mut outcome.routes {
            if let Some(name) = step_of(step, route) {
                *route = name;
            }
        }
        step.output(&outcome)
    }
}

/// The step below this one that calls the handler `route`, where no step has that name.
fn step_of(step: &TaskSequenceStep, route: &str) -> Option<String> {
    let template = step.template();
    let below = || template.dependents(step.parts().step).iter().filter_map(|&number| template.step(number));
    if below().any(|below| *below.name == *route) {
        return None;
    }
    let mut calls = below().filter(|below| callable::calls(&below.handler.callable, route));
    let only = calls.next()?;
    calls.next().is_none().then(|| only.name.to_string())
}

/// The data of an outcome.
pub(super) fn data<T: DeserializeOwned>(data: Option<&Json>) -> Result<Option<T>, StepError> {
    let read = data.map(Json::parse).transpose();
    read.map_err(|error| {
        StepError::permanent("INVALID_DEPENDENCY", format!("the data has another shape: {error}"))
    })
}

/// Data that does not serialize.
pub(super) fn unwritten(problem: &str) -> StepError {
    StepError::permanent(
        "INVALID_OUTPUT",
        format!("the data of the outcome cannot be written as JSON: {problem}"),
    )
}

impl<'de> Deserialize<'de> for Decision {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self { outcome: DecisionOutcome::deserialize(from)?, problem: None })
    }
}

/// A route that `#[decision(routes = [..])]` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route(&'static str);

impl Route {
    /// The route at `index` in the list of the decision `S`.
    #[must_use]
    pub const fn of<S: StepFn>(index: usize) -> Self {
        match S::FACTS.capability {
            Capability::Decision(routes) if index < routes.len() => Self(routes[index]),
            // Of a decision that did not compile.
            _ => Self(""),
        }
    }

    /// The name of its handler.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// A route alone is a list of one.
impl IntoIterator for Route {
    type Item = Self;
    type IntoIter = std::iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

/// What [`Decision::route`] takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no route of this decision",
    label = "not listed in `#[decision(routes = [..])]`",
    note = "list the handler in `routes`; a name that only the running program knows goes to `Decision::route_by_name`"
)]
pub trait AsRoute {
    /// The route.
    fn route(self) -> Route;
}

impl AsRoute for Route {
    fn route(self) -> Route {
        self
    }
}

/// What a handler with `#[decision]` returns when all is well.
#[diagnostic::on_unimplemented(
    message = "a handler with `#[decision]` returns `Decision`, not `{Self}`",
    label = "not a `Decision`",
    note = "return `Decision::route([..])` or `Decision::skip(\"reason\")`, or remove `#[decision]`; an enum that derives `Routes` goes with `#[decision]` alone"
)]
pub trait IsDecision {
    /// The decision.
    fn decision(self) -> Decision;
}

impl IsDecision for Decision {
    fn decision(self) -> Decision {
        self
    }
}
