//! What stands in for handlers in a test: failures in place of attempts, values and functions in place of theirs.

use std::{marker::PhantomData, pin::Pin, sync::Arc};

use serde::Serialize;

use crate::{
    handler::{
        BatchPlan, Batches, Capability, Decision, HandlerSpec, Need, StepFn, StepHandler, inputs::Takes,
    },
    model::{HandlerKey, Json, StepError},
    prelude::TaskSequenceStep,
    registry::{Registration, Registry},
    template::Template,
};

/// What stands in, at most one for each handler.
#[derive(Clone, Default)]
pub(super) struct StandIns(Vec<StandIn>);

/// What is done in place of the handler.
#[derive(Clone)]
struct StandIn {
    /// The handler it stands in for.
    original: Registration,
    /// So many attempts of each step fail at first, with this.
    fault: Option<(u32, StepError)>,
    /// `None`: what the handler does.
    act: Option<Arc<dyn Act>>,
}

type Calling<'a> = Pin<Box<dyn Future<Output = Result<Json, StepError>> + Send + 'a>>;

trait Act: Send + Sync {
    fn act<'a>(&'a self, step: &'a TaskSequenceStep) -> Calling<'a>;
}

impl StandIns {
    fn of<S: StepFn>(&mut self) -> &mut StandIn {
        let original = S::ENTRY.registration();
        let known = self.0.iter().position(|known| known.original.key() == original.key());
        let at = known.unwrap_or_else(|| {
            self.0.push(StandIn { original, fault: None, act: None });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// Lets the first attempts at every step of the handler `S` fail.
    pub(super) fn fail<S: StepFn>(&mut self, attempts: u32, error: StepError) {
        self.of::<S>().fault = Some((attempts, error));
    }

    /// Gives this in place of what the handler `S` returns.
    pub(super) fn give<S: StepFn>(&mut self, value: impl StandsFor<S>) {
        self.of::<S>().act = Some(Arc::new(Fixed(value, PhantomData::<fn() -> S>)));
    }

    /// Calls this in place of the handler `S`.
    pub(super) fn call<S: StepFn>(&mut self, function: impl ReplacementOf<S>) {
        self.of::<S>().act = Some(Arc::new(Function(function, PhantomData::<fn() -> S>)));
    }

    /// A handler that something stands in for and that no step of the template calls, nor the undoing of one.
    pub(super) fn unused(&self, template: &Template, registry: &Registry) -> Option<HandlerKey> {
        let called = |key: &HandlerKey| {
            template.steps().iter().any(|step| {
                let handler = registry.find(template.namespace(), &step.handler.callable).ok();
                let undone = || handler.and_then(|handler| registry.compensation_of(handler));
                handler.is_some_and(|handler| handler.key() == key)
                    || undone().is_some_and(|handler| handler.key() == key)
            })
        };
        self.0.iter().map(|stand_in| stand_in.original.key()).find(|key| !called(key)).cloned()
    }

    /// The handlers, to be registered before those they stand in for.
    pub(super) fn registrations(self) -> impl Iterator<Item = Registration> {
        self.0.into_iter().map(|stand_in| {
            let original = stand_in.original.clone();
            original.replaced(Arc::new(stand_in))
        })
    }
}

impl std::fmt::Debug for StandIns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|stand_in| &stand_in.original)).finish()
    }
}

impl StepHandler for StandIn {
    fn name(&self) -> &str {
        self.original.handler().name()
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        match (&self.fault, &self.act) {
            (Some((attempts, error)), _) if step.attempt() <= *attempts => Err(error.clone()),
            (_, Some(act)) => act.act(step).await,
            (_, None) => self.original.handler().call_boxed(step).await,
        }
    }

    /// What is given or called takes nothing that the program would have to have.
    fn spec(&self) -> HandlerSpec {
        let mut spec = self.original.spec().clone();
        if self.act.is_some() {
            spec.needs.retain(|need| !matches!(need, Need::State(_) | Need::Config(_) | Need::Api));
            spec.api = None;
        }
        spec
    }
}

struct Fixed<T, S>(T, PhantomData<fn() -> S>);

impl<S: StepFn, T: StandsFor<S>> Act for Fixed<T, S> {
    fn act<'a>(&'a self, step: &'a TaskSequenceStep) -> Calling<'a> {
        Box::pin(std::future::ready(self.0.write(step)))
    }
}

struct Function<F, S>(F, PhantomData<fn() -> S>);

impl<S: StepFn, F: ReplacementOf<S>> Act for Function<F, S> {
    fn act<'a>(&'a self, step: &'a TaskSequenceStep) -> Calling<'a> {
        self.0.calling(step)
    }
}

/// What can be given in place of what the handler `S` returns: a value of that type; of a batch worker, what one batch
/// returns.
pub trait StandsFor<S>: Send + Sync + 'static {
    /// The result of a step.
    ///
    /// # Errors
    /// Where it has none.
    #[doc(hidden)]
    fn write(&self, step: &TaskSequenceStep) -> Result<Json, StepError>;
}

impl<S: StepFn, T: Send + Sync + 'static> StandsFor<S> for T
where
    S::Output: GivenAs<T>,
{
    fn write(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        <S::Output as GivenAs<T>>::write(self, step)
    }
}

/// What a handler returns, in the place of which a `T` can be given.
///
/// Asked of the type that is returned, so that nothing is said of `T` where nobody says which handler is meant.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot stand for what the handler returns, which is `{Self}`",
    label = "expected `{Self}`",
    note = "give the value alone, without `Ok`; a call that fails is `.replace::<handler>(..)` with a closure that returns `Err`, or `.fail_first::<handler>(1)`"
)]
pub trait GivenAs<T> {
    /// The result of a step.
    ///
    /// # Errors
    /// Where it has none.
    fn write(value: &T, step: &TaskSequenceStep) -> Result<Json, StepError>;
}

#[diagnostic::do_not_recommend]
impl<T: Written> GivenAs<T> for T {
    fn write(value: &T, step: &TaskSequenceStep) -> Result<Json, StepError> {
        Written::write(value, step)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> GivenAs<T> for Batches<T> {
    fn write(value: &T, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.output(value)
    }
}

/// What a handler can return: what serializes, a decision, or a plan.
#[doc(hidden)]
pub trait Written {
    /// The result of a step.
    ///
    /// # Errors
    /// Where it has none.
    fn write(&self, step: &TaskSequenceStep) -> Result<Json, StepError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Written for T {
    fn write(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.output(self)
    }
}

impl Written for Decision {
    fn write(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        Decision::write(self, step)
    }
}

impl<C> Written for BatchPlan<C> {
    fn write(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        BatchPlan::write(self, step)
    }
}

/// An async function that can be called in place of the handler `S`: it takes what the handler takes, in the same
/// order, apart from an `Api`, and returns a `Result` of what the handler returns.
pub trait ReplacementOf<S>: Send + Sync + 'static {
    /// Makes one attempt.
    #[doc(hidden)]
    fn calling<'a>(&'a self, step: &'a TaskSequenceStep) -> Calling<'a>;
}

impl<S: ReplacedBy<F>, F: Send + Sync + 'static> ReplacementOf<S> for F {
    fn calling<'a>(&'a self, step: &'a TaskSequenceStep) -> Calling<'a> {
        S::calling(self, step)
    }
}

/// A handler in place of which an `F` can be called.
///
/// Asked of the handler, so that nothing is said of `F` where nobody says which one is meant.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this function cannot stand in for `{Self}`",
    label = "does not take what `{Self}` takes, or does not return a `Result` of what it returns",
    note = "write a closure with the parameters of the handler, without an `Api`: `|order: Order| async move {{ Ok(..) }}`; `&TaskSequenceStep` is taken as `TaskSequenceStep`, and the error is `StepError`"
)]
pub trait ReplacedBy<F> {
    /// Makes one attempt.
    fn calling<'a>(function: &'a F, step: &'a TaskSequenceStep) -> Calling<'a>;
}

#[diagnostic::do_not_recommend]
impl<S, F, C, T> ReplacedBy<F> for S
where
    S: StepFn,
    F: Takes<S::Inputs, Calling = C> + Send + Sync + 'static,
    C: Future<Output = Result<T, StepError>> + Send + 'static,
    S::Output: GivenAs<T>,
{
    fn calling<'a>(function: &'a F, step: &'a TaskSequenceStep) -> Calling<'a> {
        match function.start(step, S::NEEDS) {
            Ok(calling) => Box::pin(async move { <S::Output as GivenAs<T>>::write(&calling.await?, step) }),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// Why a value cannot stand for what a handler returns, though it has the type.
pub(super) fn misfit<S: StepFn, T>(_: &T) -> Option<String> {
    let whole = std::any::type_name::<T>() == std::any::type_name::<S::Output>();
    (whole && matches!(S::FACTS.capability, Capability::BatchWorker)).then(|| {
        format!("`{}` is a batch worker: give what one batch returns, which all of them return then", S::NAME)
    })
}
