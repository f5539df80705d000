//! Workflows as types: what they are started with and what they come to, known to the compiler.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Submission, SubmitError, Tasker, WaitError};
use crate::handler::TaskSequenceStep;
use crate::handler::annotated::{Call, Place, StepFn, here, never_called};
use crate::handler::param::Fallback;
use crate::handler::plan::AnyPosition;
use crate::model::Json;
use crate::registry::Workflow;

/// A workflow with a name in code, which `workflow!` and `template!` implement for the type of that name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "not made by `workflow!`",
    note = "a step is listed without `..`; after it stands the name of a workflow, whose steps are taken over: `workflow!(checkout = [validate, ..payments])`"
)]
pub trait WorkflowType: Copy + Send + Sync + 'static {
    /// The workflow without types.
    const WORKFLOW: Workflow;
}

/// Stands for the context of a workflow whose steps read no context as a whole, or read it as several types:
/// whatever serializes.
#[derive(Debug)]
pub struct AnyContext;

/// Stands for the result of a workflow that ends in several steps, or in one that may be skipped: whatever
/// the caller reads it as. With several ends it is an object with the result of each by name.
#[derive(Debug)]
pub struct AnyOutput;

/// Something a task can be started of, whose steps read the context as a `C` and which comes to an `O`: a
/// workflow with a name in code, or the name of a template, whose types are only known when it runs.
///
/// The types are parameters and not associated, since a public workflow may have private ones.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "neither a workflow nor the name of a template",
    note = "name what `workflow!(name = [..])` or `template!(name = \"..\")` makes, or give the name of a template as text"
)]
pub trait Runs<C, O>: Sized {
    /// Namespace and name, of a workflow with a name in code.
    fn full_name() -> Option<String> {
        None
    }

    /// Namespace and name of the template, or the name alone.
    fn template_name(&self) -> String {
        Self::full_name().unwrap_or_default()
    }
}

impl Runs<AnyContext, AnyOutput> for &str {
    fn template_name(&self) -> String {
        (*self).to_owned()
    }
}

impl Runs<AnyContext, AnyOutput> for &String {
    fn template_name(&self) -> String {
        (*self).clone()
    }
}

/// The task of `workflow` with this context.
pub(crate) fn task<W, WC, WO, C>(workflow: &W, context: &C) -> Result<Submission, SubmitError>
where
    W: Runs<WC, WO>,
    C: ?Sized + ContextOf<W, WC>,
    C::Written: AsContext,
{
    Ok(Submission::to(workflow.template_name()).json(context.context_text()?))
}

/// What the workflow `W`, whose context is a `C`, can be started with.
///
/// That it can be written is asked on its own, of [`AsContext`]: a value of the right type that cannot be is
/// another mistake than one of a wrong type.
#[diagnostic::on_unimplemented(
    message = "workflow `{W}` is started with `{C}`, not with `{Self}`",
    label = "expected `{C}`, the context of `{W}`",
    note = "JSON of any shape goes by name: `run(\"{W}\", &json!({{..}}))`"
)]
pub trait ContextOf<W, C> {
    /// What has to be writable for that: all of it, or each item of a list.
    type Written: ?Sized;

    /// The JSON text.
    ///
    /// # Errors
    /// When it does not serialize.
    fn context_text(&self) -> serde_json::Result<Json>
    where
        Self::Written: AsContext;
}

#[diagnostic::do_not_recommend]
impl<W, C> ContextOf<W, C> for C {
    type Written = C;

    fn context_text(&self) -> serde_json::Result<Json>
    where
        C: AsContext,
    {
        Json::of(self)
    }
}

#[diagnostic::do_not_recommend]
impl<W, C: ?Sized + AsContext> ContextOf<W, AnyContext> for C {
    type Written = C;

    fn context_text(&self) -> serde_json::Result<Json> {
        Json::of(self)
    }
}

#[diagnostic::do_not_recommend]
impl<W> ContextOf<W, String> for str {
    type Written = str;

    fn context_text(&self) -> serde_json::Result<Json> {
        Json::of(self)
    }
}

#[diagnostic::do_not_recommend]
impl<W, C> ContextOf<W, Vec<C>> for [C] {
    type Written = C;

    fn context_text(&self) -> serde_json::Result<Json>
    where
        C: AsContext,
    {
        Json::of(self)
    }
}

#[diagnostic::do_not_recommend]
impl<W, C, const N: usize> ContextOf<W, Vec<C>> for [C; N] {
    type Written = C;

    fn context_text(&self) -> serde_json::Result<Json>
    where
        C: AsContext,
    {
        Json::of(self.as_slice())
    }
}

/// What can be written as the context of a task.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the context of a workflow: it does not implement `serde::Serialize`",
    label = "cannot be written as JSON",
    note = "add `#[derive(serde::Serialize)]` to `{Self}`"
)]
pub trait AsContext: Serialize {}

#[diagnostic::do_not_recommend]
impl<C: ?Sized + Serialize> AsContext for C {}

/// The full name of the workflow `W`, which a step of another one starts with a `T`. That a `T` can be written is asked
/// where it is returned.
#[must_use]
pub fn child_of<W, C, O, T>() -> String
where
    W: Started<C, O>,
    T: ContextOfChild<W, C>,
{
    W::full_name().unwrap_or_default()
}

/// A workflow that a step can start.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "not made by `workflow!` or `template!`",
    note = "name what `workflow!(name = [..])` or `template!(name = \"..\")` makes, or give the name of a template as text, `run = \"shop/checkout\"`"
)]
pub trait Started<C, O>: Runs<C, O> {}

#[diagnostic::do_not_recommend]
impl<W: WorkflowType + Runs<C, O>, C, O> Started<C, O> for W {}

/// What a step can start the workflow `W` with, whose context is a `C`.
#[diagnostic::on_unimplemented(
    message = "workflow `{W}` is started with `{C}`, not with `{Self}`",
    label = "expected `{C}`, the context of `{W}`",
    note = "one that is started by name takes whatever is returned: `run = \"{W}\"`"
)]
pub trait ContextOfChild<W, C> {}

#[diagnostic::do_not_recommend]
impl<W, C, T: ContextOf<W, C>> ContextOfChild<W, C> for T {}

/// That the result of the workflow `W` can be read as a `T`, by a step of another one.
pub fn child_result<W, C, O, T>()
where
    W: Runs<C, O>,
    O: ReadByParent<W, T>,
{
}

/// What a step that starts the workflow `W` reads its result as: `T`.
#[diagnostic::on_unimplemented(
    message = "workflow `{W}` returns `{Self}`, not `{T}`",
    label = "expected `{Self}`, the result of `{W}`",
    note = "the result of one that is started by name is read in whatever shape is said: `run = \"{W}\"`"
)]
pub trait ReadByParent<W, T> {}

#[diagnostic::do_not_recommend]
impl<W, T, O: ReadAs<W, T>> ReadByParent<W, T> for O {}

/// What the result of the workflow `W` is read as: `T`.
#[diagnostic::on_unimplemented(
    message = "workflow `{W}` returns `{Self}`, not `{T}`",
    label = "expected `{Self}`, the result of `{W}`",
    note = "a result is read in another shape by name: `run(\"{W}\", ..)`"
)]
pub trait ReadAs<W, T> {}

#[diagnostic::do_not_recommend]
impl<W, O> ReadAs<W, O> for O {}

#[diagnostic::do_not_recommend]
impl<W, T: DeserializeOwned> ReadAs<W, T> for AnyOutput {}

/// What an answer comes to, once it is there.
pub type Answer<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// The workflow behind a name in code, with what can be done with it.
///
/// ```
/// use tasker_runtime::{Tasker, prelude::*};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Order {
///     cents: u64,
/// }
///
/// #[step_handler]
/// async fn charge(order: Order) -> String {
///     format!("{} cents paid", order.cents)
/// }
///
/// workflow!(checkout = [charge]);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let receipt: String = checkout.run(&tasker, &Order { cents: 1250 }).await?;
/// assert_eq!(receipt, "1250 cents paid");
///
/// let task = tasker.submit(checkout.task(&Order { cents: 5 })?.priority(7)).await?;
/// let receipt: String = checkout.wait(&tasker, task).await?;
/// assert_eq!(receipt, "5 cents paid");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Typed<W>(Workflow, PhantomData<fn() -> W>);

impl<W: WorkflowType> Typed<W> {
    /// The workflow `W`.
    #[doc(hidden)]
    pub const OF: &'static Self = &Self(W::WORKFLOW, PhantomData);

    /// Adds a task, waits for it and returns its result.
    ///
    /// # Errors
    /// As [`Tasker::run`].
    pub fn run<'a, C, T, WC, WO>(&self, tasker: &'a Tasker, context: &C) -> Answer<'a, T, WaitError>
    where
        W: Runs<WC, WO>,
        C: ?Sized + ContextOf<W, WC>,
        C::Written: AsContext,
        T: DeserializeOwned + 'a,
        WO: ReadAs<W, T>,
    {
        let task = self.task(context);
        Box::pin(async move { tasker.finish(task?).await })
    }

    /// Adds a task. Once this returns, it is durable.
    ///
    /// # Errors
    /// As [`Tasker::submit`].
    pub fn submit<'a, C, WC, WO>(&self, tasker: &'a Tasker, context: &C) -> Answer<'a, Uuid, SubmitError>
    where
        W: Runs<WC, WO>,
        C: ?Sized + ContextOf<W, WC>,
        C::Written: AsContext,
    {
        let task = self.task(context);
        Box::pin(async move { tasker.submit(task?).await })
    }

    /// A task to be added, alone, [with others](Tasker::submit_all) or [in a transaction of the
    /// caller's](Tasker::submit_in), with whatever else a [`Submission`] says.
    ///
    /// # Errors
    /// When the context does not serialize.
    pub fn task<C, WC, WO>(&self, context: &C) -> Result<Submission, SubmitError>
    where
        W: Runs<WC, WO>,
        C: ?Sized + ContextOf<W, WC>,
        C::Written: AsContext,
    {
        Ok(Submission::to(self.0.full_name()).json(context.context_text()?))
    }

    /// Waits for a task of this workflow and returns its result.
    ///
    /// # Errors
    /// When there is no such task, it came to rest without a result, or its result has another shape, as that
    /// of another workflow.
    pub fn wait<'a, T, WC, WO>(&self, tasker: &'a Tasker, task: Uuid) -> Answer<'a, T, WaitError>
    where
        W: Runs<WC, WO>,
        T: DeserializeOwned + 'a,
        WO: ReadAs<W, T>,
    {
        Box::pin(async move { tasker.wait(task).await?.result() })
    }
}

impl<W> Deref for Typed<W> {
    type Target = Workflow;

    fn deref(&self) -> &Workflow {
        &self.0
    }
}

impl<W> fmt::Debug for Typed<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One step of a workflow, or what stands for none.
#[doc(hidden)]
pub trait Nth<const STEP: usize> {
    /// Its handler.
    type Step: StepFn;
}

/// Stands for the step that reads the context, or that is the last one, where there is none.
#[doc(hidden)]
#[derive(Debug)]
pub struct NoStep;

/// Whether a type is a handler; [`Fallback`] answers for all that are not.
#[doc(hidden)]
#[derive(Debug)]
pub struct IsStep<T>(PhantomData<T>);

impl<S: StepFn> IsStep<S> {
    /// It is.
    pub const YES: bool = true;
}

impl<T> Fallback for IsStep<T> {}

/// The handler that a type is, or none where it is no handler, which is said elsewhere.
#[doc(hidden)]
pub trait StepOrNone<const IS: bool, T> {
    /// It.
    type Step: StepFn;
}

impl<S: StepFn> StepOrNone<true, S> for () {
    type Step = S;
}

impl<T> StepOrNone<false, T> for () {
    type Step = NoStep;
}

impl StepFn for NoStep {
    const NAME: &'static str = "";
    const PLACE: Place = here();
    type Output = AnyOutput;
    type Context = AnyContext;
    type Inputs = ();
    type Position = AnyPosition;

    fn call(_: &TaskSequenceStep) -> Call<'_> {
        never_called()
    }
}
