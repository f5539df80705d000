//! What an annotated function returns, whatever its form.

use std::any::TypeId;
use std::convert::Infallible;
use std::error::Error;
use std::marker::PhantomData;

use serde::Serialize;

use super::annotated::StepFn;
use super::const_message::Text;
use super::decision::IsDecision;
use super::param::{Fallback, batch_need};
use super::plan::IsPlan;
use super::{Capability, Need, Routes, TaskSequenceStep, input_error};
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
pub fn step_result<How, const OWN: bool, R, Into>(returned: R) -> Result<Json, StepError>
where
    R: StepReturn<How>,
    R::Output: StepOutput,
    R::Error: StepFailure<OWN, Into>,
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
pub fn decision_result<How, const OWN: bool, R, Into>(
    step: &TaskSequenceStep,
    returned: R,
) -> Result<Json, StepError>
where
    R: StepReturn<How>,
    R::Output: IsDecision,
    R::Error: StepFailure<OWN, Into>,
{
    returned.split().map_err(StepFailure::into_step_error)?.decision().write(step)
}

/// The end of a call with `#[decision]` that returns an enum.
///
/// # Errors
/// The failure of the handler, or that what it carries does not serialize.
pub fn choice_result<How, const OWN: bool, R, Into>(
    step: &TaskSequenceStep,
    returned: R,
) -> Result<Json, StepError>
where
    R: StepReturn<How>,
    R::Output: Routes,
    R::Error: StepFailure<OWN, Into>,
{
    returned.split().map_err(StepFailure::into_step_error)?.decision().write(step)
}

/// The end of a call with `#[batch_analyzer(worker = S)]`.
///
/// # Errors
/// The failure of the handler, or that its plan is impossible.
pub fn plan_result<How, const OWN: bool, R, Into, S>(
    step: &TaskSequenceStep,
    returned: R,
) -> Result<Json, StepError>
where
    R: StepReturn<How>,
    S: StepFn,
    R::Output: IsPlan<S::Position>,
    R::Error: StepFailure<OWN, Into>,
{
    returned.split().map_err(StepFailure::into_step_error)?.write_plan(step)
}

/// The failure of a handler with `errors = "permanent"`: what says nothing of another attempt gets none.
///
/// # Errors
/// The failure, if there is one.
pub fn permanent(result: Result<Json, StepError>) -> Result<Json, StepError> {
    result.map_err(|error| {
        match error.is_retryable() && error.code() == CODE && error.retry_after().is_none() {
            true => {
                let permanent = StepError::permanent(CODE, error.message());
                match error.context() {
                    Some(context) => permanent.with_context(context),
                    None => permanent,
                }
            }
            false => error,
        }
    })
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
    note = "add `#[derive(serde::Serialize)]` to `{Self}`; a `Decision` belongs to `#[decision(routes = [..])]`, an enum of routes to `#[decision]`, a `BatchPlan` to `#[batch_analyzer(worker = ..)]`"
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
        Json::output(self).map_err(|error| input_error::output(&error))
    }
}

/// Whether a `Result` has an error that says for itself how a step fails; [`Fallback`] answers for all that
/// have not.
#[derive(Debug)]
pub struct OwnError<R>(PhantomData<R>);

impl<T, E: Into<StepError>> OwnError<Result<T, E>> {
    /// It does.
    pub const YES: bool = true;
}

impl<R> Fallback for OwnError<R> {}

/// The code of failures that have none of their own.
const CODE: &str = "HANDLER_ERROR";

/// What a handler may fail with: what converts into [`StepError`], where `OWN` is true, and else whatever
/// converts into a boxed error. `How` tells the two boxes apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a step: it does not convert into `StepError`",
    label = "neither a `StepError` nor a `std::error::Error`",
    note = "implement `std::error::Error` for `{Self}` (retryable; `#[derive(StepError)]` says more), or return `StepError` and convert with `.map_err(..)`; any error at all is `Box<dyn std::error::Error + Send + Sync>`"
)]
pub trait StepFailure<const OWN: bool = true, How = ByInto> {
    /// The failure.
    fn into_step_error(self) -> StepError;
}

/// By `Into`.
#[derive(Debug)]
pub struct ByInto;
/// As any error that may be shared.
#[derive(Debug)]
pub struct ByBox;
/// As any other error.
#[derive(Debug)]
pub struct ByLocalBox;

#[diagnostic::do_not_recommend]
impl<E: Into<StepError>> StepFailure<true, ByInto> for E {
    fn into_step_error(self) -> StepError {
        self.into()
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>> + 'static> StepFailure<false, ByBox> for E {
    fn into_step_error(self) -> StepError {
        // Text says nothing about another attempt and therefore asks for none.
        let is_text = [TypeId::of::<String>(), TypeId::of::<&str>()].contains(&TypeId::of::<E>());
        let error = self.into();
        if is_text { StepError::permanent(CODE, error.to_string()) } else { of_any(&*error) }
    }
}

#[diagnostic::do_not_recommend]
impl StepFailure<false, ByLocalBox> for Box<dyn Error + Send> {
    fn into_step_error(self) -> StepError {
        of_any(&*self)
    }
}

/// An error nothing is known of: the world may recover. Its causes go along where it has any.
fn of_any(error: &(dyn Error + 'static)) -> StepError {
    said(error, CODE, true)
}

/// What goes along with an error that has causes.
#[derive(Serialize)]
struct Causes {
    chain: Vec<String>,
}

/// The texts of an error and of what caused it, from the outside in.
pub(super) fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

/// The failure that `error` is in the words of the handler: its code, whether another attempt makes sense.
pub(super) fn said(error: &(dyn Error + 'static), code: &'static str, retryable: bool) -> StepError {
    let text = chain(error);
    let failure = if retryable { StepError::retryable(code, text) } else { StepError::permanent(code, text) };
    match causes(error) {
        causes if causes.len() > 1 => failure.with_context(Causes { chain: causes }),
        _ => failure,
    }
}
