//! Why an attempt at a step failed, as data.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The code of an error that was converted from some other error type.
const CONVERTED: &str = "HANDLER_ERROR";

/// Why an attempt at a step failed: whether another attempt makes sense, a stable code, a text for
/// people and, if there is more to say, data.
///
/// A retryable failure is tried again for as long as the step has attempts left; a permanent one fails
/// the step at once. `?` on any [`std::error::Error`] gives a retryable failure, because the world may
/// recover; an error type that derives `StepError` decides for itself.
///
/// ```
/// use std::time::Duration;
/// use tasker_model::StepError;
///
/// let declined = StepError::permanent("CARD_DECLINED", "the bank said no");
/// assert!(!declined.is_retryable());
///
/// let down = StepError::retryable("GATEWAY_DOWN", "no answer").after(Duration::from_secs(30));
/// assert_eq!(down.retry_after(), Some(Duration::from_secs(30)));
/// assert_eq!(down.to_string(), "GATEWAY_DOWN: no answer");
///
/// fn read() -> Result<u8, StepError> {
///     Ok("300".parse()?)
/// }
/// assert!(read().is_err_and(|error| error.is_retryable()));
/// ```
///
/// It does not implement [`std::error::Error`] itself: that would rule out `?` on foreign errors.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepError(Box<Fields>);

// Boxed, so that the `Result` of a call stays small.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Fields {
    retryable: bool,
    code: Cow<'static, str>,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<Value>,
    #[serde(default, rename = "retry_after_ms", skip_serializing_if = "Option::is_none", with = "millis")]
    retry_after: Option<Duration>,
    // Decided about where the failure happens, so it is never stored.
    #[serde(skip)]
    suggested: bool,
}

impl StepError {
    /// A failure that no further attempt can mend. `code` is for programs, `message` for people.
    pub fn permanent(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(false, code.into(), message.into())
    }

    /// A failure that may be gone at the next attempt. `code` is for programs, `message` for people.
    pub fn retryable(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(true, code.into(), message.into())
    }

    fn new(retryable: bool, code: Cow<'static, str>, message: String) -> Self {
        Self(Box::new(Fields {
            retryable,
            code,
            message,
            context: None,
            retry_after: None,
            suggested: false,
        }))
    }

    /// The same failure, to be tried again no sooner than `delay` from now, in place of the delay that
    /// the step's retry options give. Counted in milliseconds. Whoever knows when to come back says
    /// that there is something to come back for: the failure becomes retryable.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.0.retryable = true;
        self.0.retry_after = Some(delay);
        self.0.suggested = false;
        self
    }

    /// As [`after`](Self::after), for a delay that comes from outside, such as a server's `Retry-After`. The step
    /// waits no longer than its retry options allow: their longest delay where they say one, else an hour.
    #[must_use]
    pub fn suggested_after(self, delay: Duration) -> Self {
        let mut error = self.after(delay);
        error.0.suggested = true;
        error
    }

    /// The same failure with data for whoever looks into it: anything that serializes to JSON.
    ///
    /// What does not serialize is replaced by the reason.
    #[must_use]
    pub fn with_context(mut self, context: impl Serialize) -> Self {
        // A tree has `null` for a float that is not a number, so the text is asked first.
        let value = super::Json::of(&context).and_then(|_| serde_json::to_value(&context));
        self.0.context = Some(value.unwrap_or_else(|error| Value::String(error.to_string())));
        self
    }

    /// The code of a step whose task was submitted without a field that it reads.
    pub const MISSING_CONTEXT_FIELD: &str = "MISSING_CONTEXT_FIELD";

    /// The code of a step whose task was submitted with a context of another shape than it reads.
    pub const INVALID_CONTEXT: &str = "INVALID_CONTEXT";

    /// Whether the step failed because of what its task was submitted with: it does so each time.
    #[must_use]
    pub fn is_about_context(&self) -> bool {
        [Self::MISSING_CONTEXT_FIELD, Self::INVALID_CONTEXT].contains(&self.code())
    }

    /// Whether another attempt makes sense.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The stable code, `CARD_DECLINED`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The text for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The data that came with it.
    #[must_use]
    pub fn context(&self) -> Option<&Value> {
        self.0.context.as_ref()
    }

    /// How long to wait before the next attempt, if the failure says so itself.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The delay that is waited under a policy that allows `most` to what is suggested from outside.
    pub(crate) fn delay_within(&self, most: Duration) -> Option<Duration> {
        self.0.retry_after.map(|delay| if self.0.suggested { delay.min(most) } else { delay })
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.0.retryable { "Retryable" } else { "Permanent" };
        let mut out = f.debug_struct(kind);
        out.field("code", &self.0.code).field("message", &self.0.message);
        if let Some(context) = &self.0.context {
            out.field("context", context);
        }
        if let Some(delay) = &self.0.retry_after {
            out.field("retry_after", delay);
        }
        out.finish()
    }
}

impl<E: std::error::Error + 'static> From<E> for StepError {
    fn from(error: E) -> Self {
        let derived =
            inventory::iter::<Derived>.into_iter().find(|derived| (derived.id)() == TypeId::of::<E>());
        if let Some(error) = derived.and_then(|derived| (derived.convert)(&error)) {
            return error;
        }
        Self::retryable(CONVERTED, chain(&error))
    }
}

/// The text of an error and of all that caused it.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Many errors repeat their cause in their own text.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// An error type that derives `StepError`.
pub trait Classified: Any {
    /// The failure that a value stands for.
    fn classify(&self) -> StepError;
}

/// An error type that derives `StepError`, collected at link time.
///
/// The blanket conversion above leaves no room for a `From` of the user's own, so it looks here.
#[derive(Debug)]
pub struct Derived {
    id: fn() -> TypeId,
    convert: fn(&dyn Any) -> Option<StepError>,
}

impl Derived {
    /// The type `E`.
    #[must_use]
    pub const fn of<E: Classified>() -> Self {
        Self { id: TypeId::of::<E>, convert: |error| error.downcast_ref().map(E::classify) }
    }
}

/// What can derive `StepError`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot derive `StepError`: it does not implement `std::error::Error`",
    label = "no `std::error::Error`",
    note = "the text for people comes from there: derive it with `thiserror`, or write `impl std::fmt::Display` and `impl std::error::Error`"
)]
pub trait Explained {
    /// The text of the error and of all that caused it.
    fn explain(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<E: std::error::Error + 'static> Explained for E {
    fn explain(&self) -> String {
        chain(self)
    }
}

/// The failure that the attributes of an error say; `after` is a delay in milliseconds, 0 for none.
pub fn classified<E: Explained>(error: &E, retryable: bool, code: &'static str, after: u64) -> StepError {
    let failure = StepError::new(retryable, Cow::Borrowed(code), error.explain());
    if after == 0 { failure } else { failure.after(Duration::from_millis(after)) }
}

inventory::collect!(Derived);

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(delay: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stored_form_holds_what_the_failure_says_and_nothing_else() {
        let short = StepError::permanent("CARD_DECLINED", "no");
        let stored = serde_json::to_value(&short).unwrap();
        assert_eq!(stored, json!({"retryable": false, "code": "CARD_DECLINED", "message": "no"}));
        assert_eq!(serde_json::from_value::<StepError>(stored).unwrap(), short);

        let long = StepError::retryable("DOWN", "later")
            .after(Duration::from_millis(1_500))
            .with_context(json!([1]));
        let stored = serde_json::to_value(&long).unwrap();
        assert_eq!(
            stored,
            json!({"retryable": true, "code": "DOWN", "message": "later", "context": [1], "retry_after_ms": 1500})
        );
        assert_eq!(serde_json::from_value::<StepError>(stored).unwrap(), long);
    }

    #[test]
    fn delay_makes_a_failure_retryable() {
        let error = StepError::permanent("BUSY", "come back").after(Duration::from_secs(1));
        assert!(error.is_retryable());
    }

    #[test]
    fn foreign_error_is_retryable_and_names_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("the shop is closed")]
        struct Closed(#[source] std::num::ParseIntError);

        let error = StepError::from(Closed("x".parse::<u8>().unwrap_err()));
        assert!(error.is_retryable());
        assert_eq!(error.message(), "the shop is closed: invalid digit found in string");
    }

    #[test]
    fn context_that_does_not_serialize_is_replaced_by_the_reason() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = StepError::permanent("X", "y").with_context(map);
        assert_eq!(error.context(), Some(&json!("key must be a string")));
    }
}
