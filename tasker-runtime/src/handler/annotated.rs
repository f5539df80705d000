//! What `#[step_handler]` writes for a function.

use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use super::{Facts, Registration, StepHandler, TaskSequenceStep};
use crate::model::{Json, StepError};

/// A call that is under way.
pub type Call<'a> = Pin<Box<dyn Future<Output = Result<Json, StepError>> + Send + 'a>>;

/// A function with `#[step_handler]`, known by the type beside it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function with `#[step_handler]`",
    label = "no step handler",
    note = "name an async fn with `#[step_handler]`; a handler of another crate or language, or one written by hand, goes by its name: `#[depends_on(\"name\")]`"
)]
pub trait StepFn: Sized + Send + Sync + 'static {
    /// The name it is registered under.
    const NAME: &'static str;
    /// Where the name counts; `None`: everywhere.
    const NAMESPACE: Option<&'static str> = None;
    /// Whether it undoes another handler and is no step itself.
    const COMPENSATES: bool = false;
    /// Where it is written.
    const PLACE: Place;
    /// What is known about it; what it returns is added later.
    const FACTS: Facts;
    /// The handler and its place in the source.
    const ENTRY: Registration =
        Registration::new(&Annotated::<Self>(PhantomData), Self::PLACE.0, Self::PLACE.1, Self::PLACE.2);
    /// What it returns when all is well.
    type Output: 'static;

    /// Takes the parameters and calls it.
    fn call(step: &TaskSequenceStep) -> Call<'_>;
}

/// File, line and module.
pub type Place = (&'static str, u32, &'static str);

/// The handler that an annotated function is.
struct Annotated<F>(PhantomData<F>);

impl<F: StepFn> StepHandler for Annotated<F> {
    fn name(&self) -> &str {
        F::NAME
    }

    // As `async_trait` writes it, without its box around ours.
    fn call<'this, 'step, 'call>(&'this self, step: &'step TaskSequenceStep) -> Call<'call>
    where
        'this: 'call,
        'step: 'call,
        Self: 'call,
    {
        F::call(step)
    }

    fn facts(&self) -> &Facts {
        const { &F::FACTS.returns::<F::Output>() }
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
    Box::pin(async move { finish(start(step)?.await) })
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
    Box::pin(async move { finish(step, start(step)?.await) })
}

/// The handler `S` and its place in the source.
#[must_use]
pub const fn entry<S: StepFn>() -> Registration {
    S::ENTRY
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
    Box::pin(std::future::pending())
}
