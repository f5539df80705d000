//! What a caller says about a task to be added, and the task that is made of it.

use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::submit::{Key, NewTask, Request};
use super::turns::{self, NoKey};
use crate::{
    model::{Json, Timestamp},
    registry::{
        Catalog, UnknownTemplate,
        catalog::{Known, unsupported},
    },
};

/// A task to be added: its template, its context and how it is to run.
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::api::Submission;
///
/// let later = Submission::to("shop/checkout")
///     .context(&["book"])?
///     .priority(5)
///     .delay(Duration::from_secs(60))
///     .idempotency_key("order-17");
/// # let _ = later;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Submission {
    template: String,
    context: Json,
    priority: i16,
    delay: Duration,
    correlation_id: Option<Uuid>,
    idempotency_key: Option<String>,
}

impl Submission {
    /// The longest delay: 100 years of 365 days.
    pub const MAX_DELAY: Duration = Duration::from_secs(36_500 * 86_400);

    /// The most characters an idempotency key may have.
    pub const MAX_KEY: usize = 255;

    /// Refuses what no store could keep.
    fn check(&self) -> Result<(), Refused> {
        let characters = self.idempotency_key.as_ref().map_or(0, |key| key.chars().count());
        if characters > Self::MAX_KEY {
            return Err(Refused::KeyTooLong { characters });
        }
        if self.idempotency_key.as_deref().is_some_and(str::is_empty) {
            return Err(Refused::EmptyKey);
        }
        if self.delay > Self::MAX_DELAY {
            return Err(Refused::DelayTooLong { delay: self.delay });
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

    /// Not before this much time has passed. Processes that heard of the submission, or have looked at the
    /// queue since, start it at that time; the others see it at their next poll. At most
    /// [`MAX_DELAY`](Self::MAX_DELAY).
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// A key that makes the submission idempotent: the same key with the same context gives the task that
    /// is there already, with another context it is refused. The order of fields, white space and the way
    /// texts are escaped make no other context. Keys belong to their template and have 1 to 255 characters.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The idempotency key it has so far.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// An id under which the caller's other systems know what the task belongs to. A new one without this.
    #[must_use]
    pub fn correlation_id(mut self, id: Uuid) -> Self {
        self.correlation_id = Some(id);
        self
    }
}

/// Why no task can be made of a submission.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    UnknownTemplate(UnknownTemplate),
    #[error("an idempotency key must have at least one character")]
    EmptyKey,
    #[error(
        "an idempotency key may have at most {} characters, and this one has {characters}",
        Submission::MAX_KEY
    )]
    KeyTooLong { characters: usize },
    #[error("a delay may be at most {} days, and this one is {} s", Submission::MAX_DELAY.as_secs() / 86_400, delay.as_secs())]
    DelayTooLong { delay: Duration },
    /// The template asks for something this version does not do.
    #[error("{template} cannot run yet: {reason}")]
    Unsupported { template: String, reason: String },
    /// The context has no key for a limit of the template.
    #[error("the input does not fit {template}: {problem}")]
    NoKey { template: String, problem: NoKey },
    /// The context does not fit the template's schema.
    #[error("the input does not fit {template}:\n{}", problems.join("\n"))]
    Context { template: String, problems: Vec<String> },
}

/// The task `uuid` that `submission` asks for at `now`, of the templates in `catalog`, and what is known of its
/// template.
///
/// # Errors
/// When the submission does not fit. Nothing was written.
pub(crate) fn request(
    catalog: &Catalog,
    uuid: Uuid,
    submission: Submission,
    now: Timestamp,
) -> Result<(Request, &Known), Refused> {
    submission.check()?;
    let Submission { template, context, priority, delay, correlation_id, idempotency_key } = submission;
    let known = catalog.known(&template).map_err(Refused::UnknownTemplate)?;
    if let Some(reason) = unsupported(&known.template) {
        return Err(Refused::Unsupported { template: known.full_name(), reason });
    }
    let problems = known.problems(&context);
    if !problems.is_empty() {
        return Err(Refused::Context { template: known.full_name(), problems });
    }
    let no_key = |problem| Refused::NoKey { template: known.full_name(), problem };
    let turns = turns::of(&known.template, &context).map_err(no_key)?;
    let key = idempotency_key.map(|key| Key::new(&known.template, key, &context));
    let task = NewTask {
        uuid,
        correlation_id: correlation_id.unwrap_or_else(Uuid::now_v7),
        template: known.number,
        context,
        tags: None,
        created_at: now,
        run_at: now + delay,
        priority,
        queue: known.template.namespace().to_owned(),
        turns,
    };
    Ok((Request { task, key }, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_delay_that_no_store_could_keep_are_refused() {
        let plain = || Submission::to("t");
        let day = Duration::from_secs(86_400);
        assert!(plain().idempotency_key("日".repeat(255)).delay(Submission::MAX_DELAY).check().is_ok());
        let key = plain().idempotency_key("日".repeat(256)).check();
        assert!(matches!(key, Err(Refused::KeyTooLong { characters: 256 })));
        for delay in [Submission::MAX_DELAY + day, Duration::MAX] {
            let refused = plain().delay(delay).check();
            assert!(matches!(refused, Err(Refused::DelayTooLong { .. })));
        }
    }
}
