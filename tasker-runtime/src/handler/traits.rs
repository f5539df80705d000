//! The traits a user may implement by hand.

use async_trait::async_trait;

use super::{HandlerSpec, Need, TaskSequenceStep};
use crate::model::{Json, StepError};

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
/// #[async_trait]
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step handler",
    label = "neither an async fn with `#[step_handler]` nor a type that implements `StepHandler`",
    note = "add `#[step_handler]` to the async fn, or write `impl StepHandler for {Self}`"
)]
#[async_trait]
pub trait StepHandler: Send + Sync + 'static {
    /// What templates call it by, unique in its namespace.
    fn name(&self) -> &str;

    /// Makes one attempt. The result is the JSON text that the journal keeps.
    ///
    /// It may be called again for the same step, after a failure or a crash; see
    /// [`crate::handler::IdempotencyKey`].
    ///
    /// # Errors
    /// The failure of this attempt, which says itself whether another one makes sense.
    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError>;

    /// What the registry should know before the first call; it asks once. Nothing by default.
    fn spec(&self) -> HandlerSpec {
        HandlerSpec::new()
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
