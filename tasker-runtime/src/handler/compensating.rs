//! Handlers that undo what others did.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::annotated::StepFn;
use super::const_message::Text;
use super::param::{Fallback, reads_step};
use super::{Capability, Need, TaskSequenceStep, TypeFacts, input_error};
use crate::model::StepError;

/// The handler that another one undoes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Compensates {
    /// Its namespace; `None` where it counts everywhere, or where `name` begins with it.
    pub namespace: Option<&'static str>,
    /// Its name.
    pub name: &'static str,
    /// What it returns; `None`: not known.
    pub output: Option<TypeFacts>,
}

impl Compensates {
    /// The handler registered as `key`, its name after its namespace if it has one.
    #[must_use]
    pub const fn key(key: &'static str) -> Self {
        Self { namespace: None, name: key, output: None }
    }
}

/// A handler that undoes what another one did.
///
/// `#[compensates(charge)]` beside `#[step_handler]` implements it. It runs when a task is rolled back,
/// that is, when a step has failed for good and the template says `on_failure: compensate`: once for each
/// completed step that calls `charge`, after everything that completed later has been undone. It reads
/// what its step read, and the result of that step as well. What a batch worker did is undone batch by
/// batch, each with the result of that batch.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn charge(amount: u64) -> u64 {
///     amount
/// }
///
/// #[step_handler(retry = 10)]
/// #[compensates(charge)]
/// async fn refund(#[depends_on(charge)] charged: u64) -> String {
///     format!("{charged} given back")
/// }
/// ```
///
/// By hand, what is undone stands in its description:
///
/// ```
/// use tasker_runtime::handler::{Compensating, HandlerSpec};
/// use tasker_runtime::prelude::*;
///
/// struct Release;
///
/// impl StepHandler for Release {
///     fn name(&self) -> &str {
///         "release"
///     }
///
///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
///         let reservation: String = self.compensated(step)?;
///         step.output(&format!("{reservation} released"))
///     }
///
///     fn spec(&self) -> HandlerSpec {
///         HandlerSpec::new().compensates("reserve")
///     }
/// }
///
/// impl Compensating for Release {}
///
/// register_handler!(Release);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not compensate another handler",
    note = "add `#[compensates(..)]` beside `#[step_handler]`"
)]
pub trait Compensating: Send + Sync + 'static {
    /// The result of the step that is undone, as a `T`.
    ///
    /// # Errors
    /// A permanent one, where the result does not have the shape of `T`, or where `step` is no
    /// compensation.
    fn compensated<T: DeserializeOwned>(&self, step: &TaskSequenceStep) -> Result<T, StepError>
    where
        Self: Sized,
    {
        let name = step.definition().map_or("", |compensated| &compensated.name);
        let Some(result) = &step.parts().compensates else {
            return Err(input_error::nothing_to_compensate(step));
        };
        result.parse().map_err(|error| input_error::result(name, result, &error))
    }
}

/// What `#[compensates(path)]` says.
///
/// # Panics
/// When the handler is a compensation itself, which is while the program is compiled.
#[must_use]
#[track_caller]
pub const fn compensates<S: StepFn>() -> Compensates {
    if S::COMPENSATES {
        let mut text = Text::<512>::new();
        text.push("`").push(S::NAME).push("` compensates another handler itself: what undoes is not undone");
        text.panic();
    }
    Compensates { namespace: S::NAMESPACE, name: S::NAME, output: Some(TypeFacts::of::<S::Output>()) }
}

/// Whether two types are the same; [`Fallback`] answers for all that are not.
#[derive(Debug)]
pub struct Same<A, B>(PhantomData<(A, B)>);

impl<A> Same<A, A> {
    /// They are.
    pub const YES: bool = true;
}

impl<A, B> Fallback for Same<A, B> {}

/// Refuses a parameter struct that reads all batches of the worker whose one batch is undone.
///
/// # Panics
/// When it is refused, which is while the program is compiled.
#[track_caller]
pub const fn takes_one_batch<S: StepFn>(need: Need) {
    if matches!(S::FACTS.capability, Capability::BatchWorker) && reads_step(&[need], S::NAME) {
        let mut text = Text::<512>::new();
        text.push("`")
            .push(S::NAME)
            .push("` is a batch worker and is undone batch by batch: take what one batch ");
        text.push("returns as a parameter of its own, outside of this struct").panic();
    }
}

/// Refuses a compensation of `S` that reads a step which reads `S` itself: when `S` is undone, that one is undone already,
/// or it never ran.
///
/// # Panics
/// When it is refused, which is while the program is compiled.
#[track_caller]
pub const fn comes_not_after<U: StepFn, S: StepFn>(handler: &str) {
    if reads_step(U::NEEDS, S::NAME) {
        let mut text = Text::<512>::new();
        text.push("`").push(handler).push("` undoes `").push(S::NAME).push("` and reads `").push(U::NAME);
        text.push("`, which comes after that and may have no result: take this parameter away").panic();
    }
}

/// Refuses a compensation that reads the context as what the undone step returns, which is nearly always
/// the result that nobody marked.
///
/// # Panics
/// When it is refused, which is while the program is compiled.
#[track_caller]
pub const fn marked<S: StepFn>(handler: &str, written: &str, same: bool) {
    if same {
        let mut text = Text::<512>::new();
        text.push("`").push(handler).push("` reads the context of the task as the type that `");
        text.push(S::NAME).push("` returns: mark its result with `#[depends_on(").push(written).push(")]`");
        text.panic();
    }
}
