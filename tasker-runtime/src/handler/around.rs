//! What stands around the calls of handlers: tracing, tenancy, feature flags, without a word in each handler.
//!
//! A wrapper is an async function that gets the step and what comes next. Those of the program stand outside of
//! those of the handler, and of each list the first is the outermost. A handler without any is called directly.

use std::fmt;
use std::sync::Arc;

use super::annotated::Call;
use super::{StepHandler, TaskSequenceStep};
use crate::model::{Json, StepError};

/// What an attempt comes to: the JSON text that the journal keeps, or the failure.
pub type Outcome = Result<Json, StepError>;

/// What a wrapper stands around: the wrappers inside of it, and the handler at last.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tasker_runtime::{prelude::*, testing};
///
/// static CALLS: AtomicU64 = AtomicU64::new(0);
///
/// async fn counted(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
///     CALLS.fetch_add(1, Ordering::Relaxed);
///     next.run(step).await
/// }
///
/// /// Refuses tasks without a tenant; the handler is not called then.
/// async fn tenant(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
///     if !step.context_json().as_str().contains("tenant") {
///         return Err(StepError::permanent("NO_TENANT", "the context has no tenant"));
///     }
///     next.run(step).await
/// }
///
/// #[step_handler(around = [counted, tenant])]
/// async fn bill(#[input("tenant")] tenant: String) -> String {
///     format!("bill for {tenant}")
/// }
///
/// let billed = testing::block_on(testing::run_step::<bill>().context(&serde_json::json!({"tenant": "ada"})));
/// assert_eq!(billed.result::<String>()?, "bill for ada");
/// let refused = testing::block_on(testing::run_step::<bill>());
/// assert_eq!(refused.error().map(StepError::code), Some("NO_TENANT"));
/// assert_eq!(CALLS.load(Ordering::Relaxed), 2);
/// # Ok::<(), StepError>(())
/// ```
///
/// A wrapper runs within the attempt: its time counts for the timeout, a panic in it fails the attempt, and what it
/// returns is what is recorded. It has what every extractor takes from a step, such as
/// `State::<Pool>::from_step(step)?`.
#[must_use = "the handler is not called before `run`"]
pub struct Next<'a> {
    inside: &'a [Wrapper],
    handler: Innermost<'a>,
}

#[derive(Clone, Copy)]
enum Innermost<'a> {
    Handler(&'a dyn StepHandler),
    Function(fn(&TaskSequenceStep) -> Call<'_>),
}

impl<'a> Next<'a> {
    /// Goes on with this step, which is nearly always the one that the wrapper got.
    pub fn run<'s>(self, step: &'s TaskSequenceStep) -> impl Future<Output = Outcome> + Send + 's
    where
        'a: 's,
    {
        self.call(step).0
    }

    fn call<'s>(self, step: &'s TaskSequenceStep) -> Call<'s>
    where
        'a: 's,
    {
        match (self.inside, self.handler) {
            ([outermost, inside @ ..], handler) => outermost.get().around(step, Next { inside, handler }),
            ([], Innermost::Handler(handler)) => Call(handler.call_boxed(step)),
            ([], Innermost::Function(function)) => function(step),
        }
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Next({} wrappers)", self.inside.len())
    }
}

/// What can stand around handlers: an async function from a step and what comes [`Next`] to an [`Outcome`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand around a handler",
    label = "not an async function of this form",
    note = "write `async fn name(step: &TaskSequenceStep, next: Next<'_>) -> Outcome`, which goes on with `next.run(step).await`"
)]
pub trait Around: Send + Sync + 'static {
    /// Calls what comes next, or does not.
    #[doc(hidden)]
    fn around<'a>(&'a self, step: &'a TaskSequenceStep, next: Next<'a>) -> Call<'a>;
}

#[diagnostic::do_not_recommend]
impl<F> Around for F
where
    F: for<'a> AroundWithin<'a> + Send + Sync + 'static,
{
    fn around<'a>(&'a self, step: &'a TaskSequenceStep, next: Next<'a>) -> Call<'a> {
        Call::of(self.calling(step, next))
    }
}

/// The same for one lifetime, since the type of the future depends on it.
#[doc(hidden)]
pub trait AroundWithin<'a> {
    type Calling: Future<Output = Outcome> + Send + 'a;

    fn calling(&self, step: &'a TaskSequenceStep, next: Next<'a>) -> Self::Calling;
}

#[diagnostic::do_not_recommend]
impl<'a, F, C> AroundWithin<'a> for F
where
    F: Fn(&'a TaskSequenceStep, Next<'a>) -> C,
    C: Future<Output = Outcome> + Send + 'a,
{
    type Calling = C;

    fn calling(&self, step: &'a TaskSequenceStep, next: Next<'a>) -> C {
        self(step, next)
    }
}

/// A wrapper of a handler or of a program.
#[doc(hidden)]
#[derive(Clone)]
pub struct Wrapper(Kind);

#[derive(Clone)]
enum Kind {
    Written(&'static dyn Around),
    Given(Arc<dyn Around>),
}

impl Wrapper {
    /// One that an attribute names.
    #[must_use]
    pub const fn written<A: Around>(around: &'static A) -> Self {
        Self(Kind::Written(around))
    }

    /// One that the program gives.
    pub(crate) fn given(around: impl Around) -> Self {
        Self(Kind::Given(Arc::new(around)))
    }

    fn get(&self) -> &dyn Around {
        match &self.0 {
            Kind::Written(around) => *around,
            Kind::Given(around) => &**around,
        }
    }
}

impl fmt::Debug for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapper")
    }
}

/// Calls a function within the wrappers of its attribute.
#[doc(hidden)]
pub fn within<'a>(
    wrappers: &'static [Wrapper],
    step: &'a TaskSequenceStep,
    function: fn(&TaskSequenceStep) -> Call<'_>,
) -> Call<'a> {
    Next { inside: wrappers, handler: Innermost::Function(function) }.call(step)
}

/// A handler within the wrappers of the program.
pub(crate) struct Wrapped {
    pub handler: Arc<dyn StepHandler>,
    pub wrappers: Arc<[Wrapper]>,
}

impl StepHandler for Wrapped {
    fn name(&self) -> &str {
        self.handler.name()
    }

    async fn call(&self, step: &TaskSequenceStep) -> Outcome {
        self.boxed(step).0.await
    }

    fn boxed<'a>(&'a self, step: &'a TaskSequenceStep) -> Call<'a> {
        Next { inside: &self.wrappers, handler: Innermost::Handler(&*self.handler) }.call(step)
    }

    fn spec(&self) -> super::HandlerSpec {
        self.handler.spec()
    }
}
