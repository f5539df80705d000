//! When a failed attempt is tried again, as far as the template says.

use std::time::Duration;

use serde::Serialize;

use crate::duration;
use crate::words::words;

words! {
    /// How the delay grows from attempt to attempt: `base` times a factor, never above the cap.
    #[derive(Default)]
    pub enum Backoff {
        /// The same delay each time: factor 1.
        None = "none",
        /// Factor n after attempt n.
        Linear = "linear",
        /// Factor 2^(n−1) after attempt n.
        #[default]
        Exponential = "exponential",
        /// The n-th Fibonacci number (1, 1, 2, 3, 5, …) after attempt n.
        Fibonacci = "fibonacci",
    }
}

/// What a template says about retries. An absent key leaves the decision to the handler's own
/// attribute, and then to the default of the engine.
///
/// ```
/// use std::time::Duration;
/// use tasker_template::RetryOptions;
///
/// let own = RetryOptions { max_attempts: Some(5), ..RetryOptions::default() };
/// let attribute = RetryOptions {
///     max_attempts: Some(3),
///     base: Some(Duration::from_secs(1)),
///     ..RetryOptions::default()
/// };
/// let both = own.or(&attribute);
/// assert_eq!((both.max_attempts, both.base), (Some(5), Some(Duration::from_secs(1))));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RetryOptions {
    /// `Some(false)`: there is no second attempt, whatever the other keys say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// How often the step is called in all, first attempt included, 1 to 1,000. A 0 in a file
    /// becomes 1, since every step runs at least once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// How the delay grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// The delay after the first attempt, in whole milliseconds, 0 to 30 days.
    #[serde(rename = "backoff_base_ms", skip_serializing_if = "Option::is_none", with = "duration::millis")]
    pub base: Option<Duration>,
    /// The longest delay, in whole milliseconds, 0 to 30 days.
    #[serde(rename = "max_backoff_ms", skip_serializing_if = "Option::is_none", with = "duration::millis")]
    pub max: Option<Duration>,
}

impl RetryOptions {
    /// These options, with the keys that are absent taken from `other`.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            retryable: self.retryable.or(other.retryable),
            max_attempts: self.max_attempts.or(other.max_attempts),
            backoff: self.backoff.or(other.backoff),
            base: self.base.or(other.base),
            max: self.max.or(other.max),
        }
    }

    /// Whether no key is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
