//! What an annotated function returns, whatever its form.

use std::convert::Infallible;
use std::error::Error;
use std::marker::PhantomData;

use serde::Serialize;

use super::annotated::StepFn;
use super::decision::IsDecision;
use super::param::{Fallback, batch_need};
use super::plan::IsPlan;
use super::text::Text;
use super::{Capability, Need, TaskSequenceStep, explain};
use crate::model::{Json, StepError, chain};

/// Whether a type is a `Result`, under whatever name; [`Fallback`] answers for all that are not.
#[derive(Debug)]
pub struct Returned<T>(PhantomData<T>);

impl<T, E> Returned<Result<T, E>> {
    /// It is.
    pub const YES: bool = true;
}

impl<T> Fallback for Returned<T> {}

/// How a return type is taken: as a `Result` or as plain data.
///
/// The two implementations of [`StepReturn`] overlap on `Result`, since that can be serialized as well.
/// Expanded code says which one is meant and asks [`Returned`] where the form does not tell, so that a
/// `Result` is never taken for data.
pub struct IsResult<const FALLIBLE: bool>;
/// As a `Result`.
pub type Fallible = IsResult<true>;
/// As plain data.
pub type Plain = IsResult<false>;

/// The return type of a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called `Result` and is none: a handler returns `Result<T, E>` or plain data",
    label = "not `std::result::Result`"
)]
pub trait StepReturn<How> {
    /// What the step gives to those after it.
    type Output;
    /// What it fails with.
    type Error;

    /// The value as a `Result`.
    ///
    /// # Errors
    /// The error of the handler itself.
    fn split(self) -> Result<Self::Output, Self::Error>;
}

impl<T, E> StepReturn<Fallible> for Result<T, E> {
    type Output = T;
    type Error = E;

    fn split(self) -> Result<T, E> {
        self
    }
}

impl<T> StepReturn<Plain> for T {
    type Output = T;
    type Error = Infallible;

    fn split(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

/// The end of a call: the result as text, or the failure.
///
/// # Errors
/// The failure of the handler, or that its result does not serialize.
pub fn step_result<How, R, Into>(returned: R) -> Result<Json, StepError>
where
    R: StepReturn<How>,
    R::Output: StepOutput,
    R::Error: StepFailure<Into>,
{
    match returned.split() {
        Ok(output) => output.write(),
        Err(error) => Err(error.into_step_error()),
    }
}

/// The end of a call with `#[decision]`.
///
/// # Errors
/// The failure of the handler, or that its decision does not serialize.
pub fn decision_result<How, R, Into>(step: &TaskSequenceStep, returned: R) -> Result<Json, StepError>
where
    R: StepReturn<How>,
    R::Output: IsDecision,
    R::Error: StepFailure<Into>,
{
    returned.split().map_err(StepFailure::into_step_error)?.decision().write(step)
}

/// The end of a call with `#[batch_analyzer]`.
///
/// # Errors
/// The failure of the handler, or that its plan is impossible.
pub fn plan_result<How, R, Into>(step: &TaskSequenceStep, returned: R) -> Result<Json, StepError>
where
    R: StepReturn<How>,
    R::Output: IsPlan,
    R::Error: StepFailure<Into>,
{
    returned.split().map_err(StepFailure::into_step_error)?.plan().write(step)
}

/// Refuses a batch worker that does not take its batch.
#[track_caller]
pub const fn takes_its_batch(handler: &str, needs: &[Need]) {
    if batch_need(needs).is_none() {
        let mut text = Text::<512>::new();
        text.push("handler `")
            .push(handler)
            .push("` has `#[batch_worker]` but does not take its batch: add a ");
        text.push("parameter `cursor: Cursor<u64>`, or remove the attribute").panic();
    }
}

/// Refuses an analyzer whose worker is none.
#[track_caller]
pub const fn is_worker<S: StepFn>(analyzer: &str) {
    if !matches!(S::FACTS.capability, Capability::BatchWorker) {
        let mut text = Text::<512>::new();
        text.push("analyzer `").push(analyzer).push("` has the worker `").push(S::NAME);
        text.push("`, which is none: add `#[batch_worker]` to it").panic();
    }
}

/// What can be the result of a step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a step output: it does not implement `serde::Serialize`",
    label = "cannot be written as JSON",
    note = "add `#[derive(serde::Serialize)]` to `{Self}`; a `Decision` belongs to `#[decision(routes = [..])]`, a `BatchPlan` to `#[batch_analyzer(worker = ..)]`"
)]
pub trait StepOutput {
    /// The JSON text.
    ///
    /// # Errors
    /// Where it has none.
    fn write(&self) -> Result<Json, StepError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> StepOutput for T {
    fn write(&self) -> Result<Json, StepError> {
        Json::output(self).map_err(|error| explain::output(&error))
    }
}

/// What a handler may fail with; `How` is the way it becomes a [`StepError`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a step: it does not convert into `StepError`",
    label = "neither a `StepError` nor a `std::error::Error`",
    note = "implement `std::error::Error` for `{Self}` (retryable; `#[derive(StepError)]` says more), or return `StepError` and convert with `.map_err(..)`; any error at all is `Box<dyn std::error::Error + Send + Sync>`"
)]
pub trait StepFailure<How = ByInto> {
    /// The failure.
    fn into_step_error(self) -> StepError;
}

/// By `Into`.
#[derive(Debug)]
pub struct ByInto;
/// As text, which says nothing about another attempt and therefore asks for none.
#[derive(Debug)]
pub struct ByText;
/// As any error.
#[derive(Debug)]
pub struct ByBox;

#[diagnostic::do_not_recommend]
impl<E: Into<StepError>> StepFailure<ByInto> for E {
    fn into_step_error(self) -> StepError {
        self.into()
    }
}

#[diagnostic::do_not_recommend]
impl StepFailure<ByText> for String {
    fn into_step_error(self) -> StepError {
        StepError::permanent("HANDLER_ERROR", self)
    }
}

#[diagnostic::do_not_recommend]
impl StepFailure<ByText> for &str {
    fn into_step_error(self) -> StepError {
        StepError::permanent("HANDLER_ERROR", self)
    }
}

#[diagnostic::do_not_recommend]
impl StepFailure<ByBox> for Box<dyn Error + Send + Sync> {
    fn into_step_error(self) -> StepError {
        StepError::retryable("HANDLER_ERROR", chain(&*self))
    }
}

#[diagnostic::do_not_recommend]
impl StepFailure<ByBox> for Box<dyn Error + Send> {
    fn into_step_error(self) -> StepError {
        StepError::retryable("HANDLER_ERROR", chain(&*self))
    }
}
