//! The traits a user may implement by hand.

use std::sync::Arc;

use super::annotated::{Call, Calling};
use super::{HandlerSpec, Need, Outcome, TaskSequenceStep};
use crate::model::StepError;

/// Something that does the work of a step.
///
/// `#[step_handler]` implements it. By hand it looks like this, and [`crate::register_handler!`] puts
/// it into the registry:
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// struct Greet;
///
/// impl StepHandler for Greet {
///     fn name(&self) -> &str {
///         "greet"
///     }
///
///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
///         let name: String = step.context()?;
///         step.output(&format!("hello {name}"))
///     }
/// }
///
/// register_handler!(Greet);
/// ```
///
/// `fn call(&self, step: &TaskSequenceStep) -> impl Future<Output = Outcome> + Send` means the same. The attribute
/// `#[async_trait]` of the prelude may stand above and changes nothing; that of the crate `async-trait` has to be
/// taken away, since it gives functions other lifetimes (E0195).
///
/// Handlers of several types go into a list as `Arc<dyn StepHandler>`, which is a handler itself. Behind any other
/// pointer one is called with [`call_boxed`](DynHandler::call_boxed).
///
/// ```
/// # use std::sync::Arc;
/// # use tasker_runtime::{prelude::*, testing};
/// # struct Greet;
/// # impl StepHandler for Greet {
/// #     fn name(&self) -> &str {
/// #         "greet"
/// #     }
/// #     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
/// #         step.output("hello")
/// #     }
/// # }
/// #[step_handler]
/// async fn first_greeting(step: &TaskSequenceStep, greeters: State<Vec<Arc<dyn StepHandler>>>) -> Result<String, StepError> {
///     Ok(greeters[0].call(step).await?.as_str().to_owned())
/// }
///
/// let greeters: Vec<Arc<dyn StepHandler>> = vec![Arc::new(Greet)];
/// let greeting = testing::block_on(testing::run_step::<first_greeting>().state(greeters));
/// assert_eq!(greeting.result::<String>()?, "\"hello\"");
/// # Ok::<(), StepError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step handler",
    label = "neither an async fn with `#[step_handler]` nor a type that implements `StepHandler`",
    note = "`#[step_handler]` on an async fn registers it as well: where it has that, take this away; a type implements `StepHandler`"
)]
pub trait StepHandler: DynHandler + Send + Sync + 'static {
    /// What templates call it by, unique in its namespace.
    fn name(&self) -> &str;

    /// Makes one attempt. The result is the JSON text that the journal keeps.
    ///
    /// It may be called again for the same step, after a failure or a crash; see
    /// [`crate::handler::IdempotencyKey`].
    ///
    /// # Errors
    /// The failure of this attempt, which says itself whether another one makes sense.
    fn call(&self, step: &TaskSequenceStep) -> impl Future<Output = Outcome> + Send
    where
        Self: Sized;

    /// What the registry should know before the first call; it asks once. Nothing by default.
    fn spec(&self) -> HandlerSpec {
        HandlerSpec::new()
    }

    /// As [`call`](Self::call), for a handler that has its future in a box already.
    #[doc(hidden)]
    fn boxed<'a>(&'a self, step: &'a TaskSequenceStep) -> Call<'a>
    where
        Self: Sized,
    {
        Call::of(self.call(step))
    }
}

/// How a handler is called whose type is not known. Every [`StepHandler`] has it.
pub trait DynHandler {
    /// Makes one attempt, as [`StepHandler::call`] does.
    ///
    /// # Errors
    /// The failure of this attempt.
    fn call_boxed<'a>(&'a self, step: &'a TaskSequenceStep) -> Calling<'a>;
}

#[diagnostic::do_not_recommend]
impl<H: StepHandler> DynHandler for H {
    fn call_boxed<'a>(&'a self, step: &'a TaskSequenceStep) -> Calling<'a> {
        self.boxed(step).0
    }
}

/// A handler of whatever type is one as well.
impl StepHandler for Arc<dyn StepHandler> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn call(&self, step: &TaskSequenceStep) -> Outcome {
        (**self).call_boxed(step).await
    }

    fn spec(&self) -> HandlerSpec {
        (**self).spec()
    }

    fn boxed<'a>(&'a self, step: &'a TaskSequenceStep) -> Call<'a> {
        Call((**self).call_boxed(step))
    }
}

/// A parameter that is taken from the step at hand.
///
/// Implement it for a type of your own and write that type as a parameter of a handler:
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// struct Tenant(String);
///
/// impl FromStep for Tenant {
///     fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
///         #[derive(serde::Deserialize)]
///         struct View {
///             tenant: String,
///         }
///         Ok(Self(step.context::<View>()?.tenant))
///     }
/// }
///
/// #[step_handler]
/// async fn bill(tenant: Tenant) -> String {
///     format!("bill for {}", tenant.0)
/// }
/// ```
///
/// A type that implements both this and `Deserialize` is taken as an extractor.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from a step",
    note = "implement `FromStep` for `{Self}`"
)]
pub trait FromStep: Sized {
    /// What must be there for this to succeed, checked when the program starts. An extractor that
    /// is made of others repeats theirs.
    const NEEDS: &'static [Need] = &[];

    /// What must be there for an `Option` of it: the same, unless it may be missing.
    const OPTIONAL_NEEDS: &'static [Need] = Self::NEEDS;

    /// Takes the value.
    ///
    /// # Errors
    /// Why it could not be taken; the attempt fails with it and the handler is not called.
    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError>;

    /// Takes the value for a parameter that is an `Option`; `None` where it may be missing and is.
    ///
    /// # Errors
    /// As [`from_step`](Self::from_step).
    fn from_step_if_there(step: &TaskSequenceStep) -> Result<Option<Self>, StepError> {
        Self::from_step(step).map(Some)
    }
}

impl<T: FromStep> FromStep for Option<T> {
    const NEEDS: &'static [Need] = T::OPTIONAL_NEEDS;

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        T::from_step_if_there(step)
    }
}
