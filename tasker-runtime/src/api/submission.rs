//! What a caller says about a task to be added.

use std::time::Duration;

use serde::Serialize;

use super::SubmitError;
use crate::model::Json;

/// A task to be added: its template, its context and how it is to run.
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::api::Submission;
///
/// let later = Submission::to("shop/checkout").context(&["book"])?.priority(5).delay(Duration::from_secs(60));
/// # let _ = later;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Submission {
    pub(super) template: String,
    pub(super) context: Json,
    pub(super) priority: i16,
    pub(super) delay: Duration,
    pub(super) correlation_id: Option<uuid::Uuid>,
    pub(super) idempotency_key: Option<String>,
}

impl Submission {
    /// The longest delay: 100 years of 365 days.
    pub const MAX_DELAY: Duration = Duration::from_secs(36_500 * 86_400);

    /// The most characters an idempotency key may have.
    pub const MAX_KEY: usize = 255;

    /// Refuses what no store could keep.
    pub(super) fn check(&self) -> Result<(), SubmitError> {
        let characters = self.idempotency_key.as_ref().map_or(0, |key| key.chars().count());
        if characters > Self::MAX_KEY {
            return Err(SubmitError::KeyTooLong { characters });
        }
        if self.delay > Self::MAX_DELAY {
            return Err(SubmitError::DelayTooLong { delay: self.delay });
        }
        Ok(())
    }

    /// A task of the template `namespace/name`, or of `name` alone where only one namespace has it. Its
    /// context is `{}` until [`context`](Self::context) gives another.
    #[must_use]
    pub fn to(template: impl Into<String>) -> Self {
        Self {
            template: template.into(),
            context: Json::stored("{}"),
            priority: 0,
            delay: Duration::ZERO,
            correlation_id: None,
            idempotency_key: None,
        }
    }

    /// The context all its steps see.
    ///
    /// # Errors
    /// When `context` does not serialize.
    pub fn context<T: Serialize + ?Sized>(mut self, context: &T) -> serde_json::Result<Self> {
        self.context = Json::of(context)?;
        Ok(self)
    }

    /// The context as JSON text.
    #[must_use]
    pub fn json(mut self, context: Json) -> Self {
        self.context = context;
        self
    }

    /// Among the tasks of a queue that are due, those with a higher priority go first. 0 without this.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Not before this much time has passed. Processes that heard of the submission, or have looked at the queue
    /// since, start it at that time; the others see it at their next poll. At most
    /// [`MAX_DELAY`](Self::MAX_DELAY).
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// A key that makes the submission idempotent: the same key with the same context gives the task that
    /// is there already, with another context it is refused. The order of fields, white space and the way texts
    /// are escaped make no other context. Keys belong to their template and have 1 to 255 characters.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// An id under which the caller's other systems know what the task belongs to. A new one without this.
    #[must_use]
    pub fn correlation_id(mut self, id: uuid::Uuid) -> Self {
        self.correlation_id = Some(id);
        self
    }
}
