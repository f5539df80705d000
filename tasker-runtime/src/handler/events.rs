//! What a handler says about the events of its step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tasker_template::{DeliveryMode, EventCondition, PublishedEvent};

use super::{FromStep, TaskSequenceStep};
use crate::model::{Json, Said, StepError, Word};

/// An event that an annotated handler publishes, as a constant.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Publish {
    name: &'static str,
    on: EventCondition,
    delivery: DeliveryMode,
}

impl Publish {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, on: EventCondition, delivery: DeliveryMode) -> Self {
        Self { name, on, delivery }
    }
}

impl From<&Publish> for PublishedEvent {
    fn from(publish: &Publish) -> Self {
        let Publish { name, on: condition, delivery: delivery_mode } = *publish;
        Self { condition, delivery_mode, ..Self::new(name) }
    }
}

/// What the events of a step say, where it is not the default: the result of the step, or what failed.
///
/// A handler with `#[publishes]` takes it as a parameter. What was said counts only for events that the outcome of the
/// attempt publishes; of an attempt that is not recorded nothing is published. A name that the handler does not publish
/// fails the step for good, as `UNDECLARED_EVENT`.
///
/// ```
/// use tasker_runtime::{handler::Events, prelude::*};
///
/// #[step_handler]
/// #[publishes("payment.processed")]
/// #[publishes("invoice.line_added", delivery = "broadcast")]
/// async fn charge(lines: Vec<u64>, events: Events) -> u64 {
///     for line in &lines {
///         events.emit("invoice.line_added", line);
///     }
///     let sum = lines.iter().sum();
///     if sum == 0 {
///         events.skip("payment.processed");
///     }
///     sum
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let events = Events::of(["payment.processed", "invoice.line_added"]);
/// assert_eq!(charge(vec![3, 4], events.clone()).await, 7);
/// assert_eq!(events.said().len(), 2);
/// assert!(events.problem().is_none());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The names that may be said.
    names: Vec<Arc<str>>,
    spoken: Mutex<Spoken>,
}

#[derive(Debug, Default)]
struct Spoken {
    said: Vec<Said>,
    problem: Option<StepError>,
}

impl Events {
    /// Events of these names: for tests, the engine knows those of a step.
    pub fn of<N: Into<Arc<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self(Arc::new(Inner { names, spoken: Mutex::default() }))
    }

    /// Replaces the payload of the event `name`.
    pub fn payload<T: Serialize + ?Sized>(&self, name: &str, payload: &T) {
        self.say(name, || Json::of(payload).map(Word::Payload));
    }

    /// Publishes one event `name` more, with this payload, in place of the one with the default payload.
    pub fn emit<T: Serialize + ?Sized>(&self, name: &str, payload: &T) {
        self.say(name, || Json::of(payload).map(Word::Emit));
    }

    /// Publishes no event `name`, whatever else is said of it.
    pub fn skip(&self, name: &str) {
        self.say(name, || Ok(Word::Skip));
    }

    /// What was said so far.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.spoken().said.clone()
    }

    /// Why the step fails for good because of what was said: a name that it does not publish, `UNDECLARED_EVENT`, or a
    /// payload that is no JSON, `INVALID_EVENT`.
    #[must_use]
    pub fn problem(&self) -> Option<StepError> {
        self.spoken().problem.clone()
    }

    fn say(&self, name: &str, word: impl FnOnce() -> serde_json::Result<Word>) {
        let problem = match self.0.names.iter().find(|known| ***known == *name) {
            Some(name) => match word() {
                Ok(word) => return self.spoken().said.push(Said { name: name.clone(), word }),
                Err(error) => {
                    let message = format!("the payload of the event `{name}` is not JSON: {error}");
                    StepError::permanent("INVALID_EVENT", message)
                }
            },
            None => {
                let names: Vec<String> = self.0.names.iter().map(|known| format!("`{known}`")).collect();
                let message =
                    format!("the step does not publish an event `{name}`; it publishes {}", names.join(", "));
                StepError::permanent("UNDECLARED_EVENT", message)
            }
        };
        self.spoken().problem.get_or_insert(problem);
    }

    fn spoken(&self) -> MutexGuard<'_, Spoken> {
        // What a handler that panicked has said stays said.
        self.0.spoken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromStep for Events {
    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        let none = || Self::of::<Arc<str>>([]);
        Ok(step.parts().events.clone().unwrap_or_else(none))
    }
}
