//! The parameters that are known by their type.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::Value;
use tasker_template::Template;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use uuid::Uuid;

use super::calls::Shareable;
use super::{FromStep, Need, Readable, TaskSequenceStep, TypeFacts, input_error};
use crate::model::StepError;

/// What the program gave to all its handlers, shared.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// struct Prices(u64);
///
/// #[step_handler]
/// async fn total(count: u64, prices: State<Prices>) -> u64 {
///     count * prices.0.0
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(total(2, State::new(Prices(21))).await, 42);
/// # });
/// ```
///
/// A handler whose state is missing stops the start of the program; as `Option<State<T>>` it may be missing.
#[derive(Debug)]
pub struct State<T>(pub Arc<T>);

impl<T> State<T> {
    /// The state for a test.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Shareable> FromStep for State<T> {
    const NEEDS: &'static [Need] = &[Need::State(TypeFacts::of::<T>())];
    const OPTIONAL_NEEDS: &'static [Need] = &[];

    fn from_step_if_there(step: &TaskSequenceStep) -> Result<Option<Self>, StepError> {
        Ok(step.parts().states.get().map(Self))
    }

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        step.parts().states.get().map(Self).ok_or_else(|| {
            let name = std::any::type_name::<T>();
            let message = format!("the program has no state `{name}`: give it with `.state(value)`");
            StepError::permanent("MISSING_STATE", message)
        })
    }
}

/// The step's `handler.initialization` from the template, as a `T`.
///
/// Whether every step that calls the handler has a configuration of this shape is checked when the
/// program starts. In a test it is made by hand: `Config(Limits { most: 3 })`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config<T>(pub T);

impl<T> Deref for Config<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Readable> Config<T> {
    fn read(config: &Value) -> Result<T, StepError> {
        T::read_value(config).map_err(|error| input_error::config(&error))
    }
}

impl<T: Readable> FromStep for Config<T> {
    const NEEDS: &'static [Need] = &[Need::Config(|config| Self::read(config).map(|_| ()))];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        Self::read(step.config()).map(Self)
    }
}

/// Which attempt this is, of how many.
///
/// ```
/// use tasker_runtime::handler::Attempt;
///
/// assert!(Attempt { number: 3, max: 3 }.is_last());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// How many there are at most, from 1.
    pub max: u32,
}

impl Attempt {
    /// Whether a retryable failure now fails the step for good.
    #[must_use]
    pub fn is_last(self) -> bool {
        self.number >= self.max
    }
}

impl FromStep for Attempt {
    const NEEDS: &'static [Need] = &[Need::Nothing];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        Ok(Self { number: step.attempt(), max: step.max_attempts() })
    }
}

/// Who is called: the task, its workflow, the step and the attempt.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// The id of the task.
    pub task_id: Uuid,
    /// What ties the task to others.
    pub correlation_id: Uuid,
    /// The workflow, with its name, namespace and version.
    pub template: Arc<Template>,
    /// The name of the step; of one instance, where a step has several.
    pub step: Arc<str>,
    /// Which attempt this is.
    pub attempt: Attempt,
}

impl FromStep for StepInfo {
    const NEEDS: &'static [Need] = &[Need::Nothing];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        Ok(Self {
            task_id: step.task_id(),
            correlation_id: step.correlation_id(),
            template: Arc::clone(step.template()),
            step: Arc::clone(&step.parts().name),
            attempt: Attempt::from_step(step)?,
        })
    }
}

/// The same text for every attempt of a step, or of a round of one, and for no other: hand it to whoever must not do a
/// thing twice, such as a payment provider.
///
/// ```
/// use tasker_runtime::handler::IdempotencyKey;
///
/// let key = IdempotencyKey::new("test:charge");
/// assert_eq!(key.as_str(), "test:charge");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// A key for a test.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The text: the id of the task and the name of the step, with a colon between; from the second round of a step
    /// that goes round on, after another colon the number of the round.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for IdempotencyKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0
    }
}

impl FromStep for IdempotencyKey {
    const NEEDS: &'static [Need] = &[Need::Nothing];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        let (task, name) = (step.task_id(), step.name());
        Ok(Self(match step.round() {
            Ok(round) if round > 1 => format!("{task}:{name}:{round}"),
            _ => format!("{task}:{name}"),
        }))
    }
}

/// A future that is ready when the handler should stop: the task was cancelled, its lease was lost or
/// the program ends.
///
/// What the handler returns after the first two is dropped. A program that ends still records it, as long
/// as the handler returns within `worker.drain_seconds`; one that does not is dropped, and called again
/// elsewhere.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn wait(mut cancelled: Cancelled) -> Result<(), StepError> {
///     tokio::select! {
///         () = &mut cancelled => Err(StepError::retryable("STOPPED", "told to stop")),
///         () = std::future::ready(()) => Ok(()),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert!(wait(Cancelled::never()).await.is_ok());
/// # });
/// ```
pub struct Cancelled {
    token: CancellationToken,
    future: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cancelled {
    /// Ready when `token` is cancelled.
    #[must_use]
    pub fn new(token: CancellationToken) -> Self {
        Self { future: Box::pin(token.clone().cancelled_owned()), token }
    }

    /// Never ready, for tests.
    #[must_use]
    pub fn never() -> Self {
        Self::new(CancellationToken::new())
    }

    /// Whether it is ready.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancelled({})", self.is_cancelled())
    }
}

impl FromStep for Cancelled {
    const NEEDS: &'static [Need] = &[Need::Nothing];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        Ok(Self::new(step.parts().cancel.clone()))
    }
}
