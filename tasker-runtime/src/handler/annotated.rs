//! What `#[step_handler]` writes for a function.

use std::any::type_name;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

use super::const_message::Text;
use super::schema::Schemas;
use super::{Declared, Entry, HandlerSpec, Need, Registration, StepHandler, TaskSequenceStep};
use crate::model::{Json, StepError};

/// The future of a call, whatever its type.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<Json, StepError>> + Send + 'a>>;

/// A call that is under way. A type of its own, since every handler names it and the compiler looks through
/// an alias each time.
pub struct Call<'a>(pub(crate) Calling<'a>);

impl<'a> Call<'a> {
    #[inline(always)]
    pub(crate) fn of(future: impl Future<Output = Result<Json, StepError>> + Send + 'a) -> Self {
        // What is pinned has one type for all handlers: less code than to box each one pinned.
        let boxed: Box<dyn Future<Output = Result<Json, StepError>> + Send + 'a> = Box::new(future);
        Self(boxed.into())
    }
}

/// A function with `#[step_handler]`, known by the type beside it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function with `#[step_handler]`",
    label = "no step handler",
    note = "name an async fn with `#[step_handler]`, of a workflow the step whose result is meant; a handler of another crate or language, or one written by hand, goes by its name: `#[depends_on(\"name\")]`"
)]
pub trait StepFn: Sized + Send + Sync + 'static {
    /// The name it is registered under.
    const NAME: &'static str;
    /// Where the name counts; `None`: everywhere.
    const NAMESPACE: Option<&'static str> = None;
    /// Whether it undoes another handler and is no step itself.
    const COMPENSATES: bool = false;
    /// Whether it is only declared here, and implemented elsewhere.
    const DECLARED: bool = false;
    /// Where it is written.
    const PLACE: Place;
    /// What its parameters need.
    const NEEDS: &'static [Need] = &[];
    /// What is known about it; what it returns is added later.
    const FACTS: Declared = Declared::new().needs(Self::NEEDS);
    /// The handler and its place in the source.
    const ENTRY: Entry = Entry::at(&Annotated::<Self>(PhantomData), Self::PLACE, type_name::<Self>);
    /// What its types say about their JSON.
    const SCHEMAS: Schemas = Schemas::NONE;
    /// What it returns when all is well.
    type Output: 'static;
    /// What it reads the context as; [`super::param::NoContext`] where it does not.
    type Context;
    /// What a function takes that stands in for it in a test: a tuple of [`super::inputs::Input`].
    type Inputs;
    /// The positions of its batches; [`super::plan::AnyPosition`] where they are not known.
    type Position;

    /// Takes the parameters and calls it.
    fn call(step: &TaskSequenceStep) -> Call<'_>;
}

/// File and line.
pub type Place = &'static Location<'static>;

/// Where this is called.
#[must_use]
#[track_caller]
pub const fn here() -> Place {
    Location::caller()
}

/// The handler that an annotated function is.
struct Annotated<F>(PhantomData<F>);

impl<F: StepFn> StepHandler for Annotated<F> {
    fn name(&self) -> &str {
        F::NAME
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        F::call(step).0.await
    }

    // Each handler has a copy of what calls it: one function is enough.
    #[inline(always)]
    fn boxed<'a>(&'a self, step: &'a TaskSequenceStep) -> Call<'a> {
        F::call(step)
    }

    fn spec(&self) -> HandlerSpec {
        const { &F::FACTS.returns::<F::Output>() }.into()
    }
}

/// Takes the parameters, calls the function and writes down what it returns, all once it is polled.
pub fn run<'a, R, F>(
    step: &'a TaskSequenceStep,
    start: impl FnOnce(&'a TaskSequenceStep) -> Result<F, StepError> + Send + 'a,
    finish: fn(R) -> Result<Json, StepError>,
) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a,
{
    Call::of(async move { finish(start(step)?.await) })
}

/// As [`run`], where the end of the call asks the step too.
pub fn run_with_step<'a, R, F>(
    step: &'a TaskSequenceStep,
    start: impl FnOnce(&'a TaskSequenceStep) -> Result<F, StepError> + Send + 'a,
    finish: fn(&TaskSequenceStep, R) -> Result<Json, StepError>,
) -> Call<'a>
where
    R: 'a,
    F: Future<Output = R> + Send + 'a,
{
    Call::of(async move { finish(step, start(step)?.await) })
}

/// The call of a step that is only declared here: nothing of it is in this program.
#[must_use]
pub fn not_here(step: &TaskSequenceStep) -> Call<'_> {
    Call::of(async move {
        let message = format!("step `{}` is declared in this program and implemented elsewhere", step.name());
        Err(StepError::permanent("NOT_HERE", message))
    })
}

/// What makes the registration of the handler `S`, of which there is none where it is only declared here.
///
/// # Panics
/// When it is refused, which is while the program is compiled.
#[must_use]
#[track_caller]
pub const fn listed<S: StepFn>() -> fn() -> Registration {
    if S::DECLARED {
        let mut text = Text::<512>::new();
        text.push("`")
            .push(S::NAME)
            .push("` is declared here and implemented elsewhere: there is no handler to ");
        text.push("register, leave it out").panic();
    }
    entry::<S>
}

/// The handler `S` and its place in the source.
#[must_use]
pub fn entry<S: StepFn>() -> Registration {
    S::ENTRY.registration()
}

/// A handler that is written by hand.
pub const fn by_hand<H: StepHandler>(handler: &'static H) -> &'static dyn StepHandler {
    handler
}

/// A duration, for expanded code.
#[must_use]
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The call of a handler that did not compile.
#[must_use]
pub fn never_called<'a>() -> Call<'a> {
    Call::of(std::future::pending())
}
