//! What a subscriber takes: the event, and what goes with it.

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{Attempt, Cancelled, Need, State, States, TypeFacts, calls::Shareable};
use crate::model::{EventOutcome, Json, StepError, Timestamp};

/// A domain event as a subscriber takes it: where it comes from, and what it says as a `T`.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[event_subscriber("order.paid")]
/// async fn thank(event: Event<u64>) {
///     println!("task {}, event {}: {} cents", event.task, event.id, event.data);
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// thank(Event::of("order.paid", 7)).await;
/// # });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event<T> {
    /// The same event always has the same: whoever must not do a thing twice keeps what he has seen.
    pub id: Uuid,
    /// Its name.
    pub name: Arc<str>,
    /// Namespace of the template of its task.
    pub namespace: Arc<str>,
    /// Name of the template of its task.
    pub template: Arc<str>,
    /// Version of the template of its task.
    pub version: Arc<str>,
    /// The task.
    pub task: Uuid,
    /// What ties the task to those of other systems.
    pub correlation_id: Uuid,
    /// The step, `undo charge` for a compensation, `charge_003` for a batch.
    pub step: Arc<str>,
    /// Which batch of the step, from 1.
    pub batch: Option<u32>,
    /// The attempt at the step, from 1; 0: an operator gave the result of the step.
    pub attempt: u32,
    /// When the attempt ended.
    pub at: Timestamp,
    /// What the attempt came to.
    pub outcome: EventOutcome,
    /// Its number among the events of its task, from 1, without gaps; `None` for a fast subscriber.
    pub sequence: Option<u32>,
    /// Its place in the log; `None` for a fast subscriber.
    pub position: Option<i64>,
    /// Whether it was delivered before, in vain, or an operator asked for it.
    pub redelivered: bool,
    /// What it says.
    pub data: T,
}

impl<T> Event<T> {
    /// An event for a test, of no task in particular.
    pub fn of(name: &str, data: T) -> Self {
        let nothing: Arc<str> = "".into();
        Self {
            id: Uuid::nil(),
            name: name.into(),
            namespace: nothing.clone(),
            template: nothing.clone(),
            version: nothing.clone(),
            task: Uuid::nil(),
            correlation_id: Uuid::nil(),
            step: nothing,
            batch: None,
            attempt: 1,
            at: Timestamp::default(),
            outcome: EventOutcome::Success,
            sequence: None,
            position: None,
            redelivered: false,
            data,
        }
    }

    /// The same event that says something else.
    pub fn saying<U>(self, data: impl FnOnce(T) -> U) -> Event<U> {
        Event {
            id: self.id,
            name: self.name,
            namespace: self.namespace,
            template: self.template,
            version: self.version,
            task: self.task,
            correlation_id: self.correlation_id,
            step: self.step,
            batch: self.batch,
            attempt: self.attempt,
            at: self.at,
            outcome: self.outcome,
            sequence: self.sequence,
            position: self.position,
            redelivered: self.redelivered,
            data: data(self.data),
        }
    }
}

/// A delivery, out of which the parameters of a subscriber are taken.
#[derive(Clone)]
pub struct Heard {
    pub(crate) event: Event<Json>,
    pub(crate) attempt: Attempt,
    pub(crate) states: Arc<States>,
    pub(crate) cancel: CancellationToken,
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}, attempt {}", self.event.name, self.event.task, self.attempt.number)
    }
}

/// A parameter of a subscriber: [`Event`], [`State`], [`Attempt`] and [`Cancelled`].
#[diagnostic::on_unimplemented(
    message = "a subscriber cannot take `{Self}`: it takes `Event<T>`, `State<T>`, `Attempt` and `Cancelled`",
    label = "not a parameter of a subscriber",
    note = "what the event says is its `data`: take `Event<T>`, where `T` implements `serde::Deserialize`"
)]
pub trait FromEvent: Sized {
    /// What must be there.
    const NEEDS: &'static [Need] = &[];

    /// Takes the value.
    ///
    /// # Errors
    /// Why the delivery does not have it.
    fn from_event(heard: &Heard) -> Result<Self, StepError>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> FromEvent for Event<T> {
    fn from_event(heard: &Heard) -> Result<Self, StepError> {
        let data = heard.event.data.parse().map_err(|error| {
            let message = format!("what the event `{}` says is not what is taken: {error}", heard.event.name);
            StepError::permanent("INVALID_EVENT_DATA", message)
        })?;
        Ok(heard.event.clone().saying(|_| data))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Shareable> FromEvent for State<T> {
    const NEEDS: &'static [Need] = &[Need::State(TypeFacts::of::<T>())];

    fn from_event(heard: &Heard) -> Result<Self, StepError> {
        heard.states.get().map(Self).ok_or_else(|| {
            let name = std::any::type_name::<T>();
            let message = format!("the program has no state `{name}`: give it with `.state(value)`");
            StepError::permanent("MISSING_STATE", message)
        })
    }
}

impl FromEvent for Attempt {
    fn from_event(heard: &Heard) -> Result<Self, StepError> {
        Ok(heard.attempt)
    }
}

impl FromEvent for Cancelled {
    fn from_event(heard: &Heard) -> Result<Self, StepError> {
        Ok(Self::new(heard.cancel.clone()))
    }
}
