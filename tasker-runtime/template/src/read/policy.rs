//! Retries, timeouts and the limits of a task.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::report::Code;
use crate::retry::RetryOptions;
use crate::template::Lifecycle;
use crate::tree::NodeId;

use super::Reader;
use super::fields::{Field, Fields, Key, alias, idle, key};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The longest delay and the longest timeout.
const LONGEST_MS: u64 = 30 * DAY_MS;

/// The limits of a task, from a thousandth of a minute to a year.
const LIFE_MS: RangeInclusive<u64> = 60..=366 * DAY_MS;

const MOST_ATTEMPTS: i64 = 1_000;

const RETRY_KEYS: &[Key] = &[
    key("retryable"),
    key("max_attempts"),
    alias("limit", "max_attempts"),
    alias("max_retries", "max_attempts"),
    key("backoff"),
    key("backoff_base_ms"),
    alias("initial_delay", "backoff_base_ms"),
    key("max_backoff_ms"),
    alias("max_delay", "max_backoff_ms"),
];

const LIFECYCLE_KEYS: &[Key] = &[
    key("max_duration_minutes"),
    key("max_waiting_for_dependencies_minutes"),
    key("max_waiting_for_retry_minutes"),
    key("max_steps_in_process_minutes"),
    key("staleness_action"),
    idle("auto_fail_on_timeout", "`staleness_action: error` does this"),
    idle("auto_dlq_on_timeout", "`staleness_action: dlq` does this"),
];

impl Reader<'_> {
    /// `timeout_seconds` of a step.
    pub(crate) fn timeout(&mut self, fields: &Fields) -> Option<Duration> {
        fields.get("timeout_seconds").and_then(|field| self.duration(field, 1_000, 1..=LONGEST_MS))
    }

    /// `retry`, and the keys of older files that stand beside it on the step itself.
    pub(crate) fn retry(&mut self, fields: &Fields) -> RetryOptions {
        let mut retry = fields.value("retry").map_or_else(RetryOptions::default, |at| self.retry_map(at));
        if let Some(field) = fields.get("older_retryable") {
            self.only_once(field, retry.retryable.is_some());
            retry.retryable = retry.retryable.or(self.bool(field));
        }
        if let Some(field) = fields.get("older_retries") {
            self.only_once(field, retry.max_attempts.is_some());
            retry.max_attempts = retry.max_attempts.or(self.attempts(field));
        }
        retry
    }

    fn retry_map(&mut self, at: NodeId) -> RetryOptions {
        let Some(fields) = self.fields(at, "`retry`", RETRY_KEYS) else { return RetryOptions::default() };
        RetryOptions {
            retryable: fields.get("retryable").and_then(|field| self.bool(field)),
            max_attempts: fields.get("max_attempts").and_then(|field| self.attempts(field)),
            backoff: fields.get("backoff").and_then(|field| self.word(field)),
            base: fields.get("backoff_base_ms").and_then(|field| self.delay(field)),
            max: fields.get("max_backoff_ms").and_then(|field| self.delay(field)),
        }
    }

    /// The number of all attempts, whichever way it is written; both 0 and 1 run once.
    fn attempts(&mut self, field: Field) -> Option<u32> {
        let all = if field.written == "max_retries" {
            self.whole(field, 0..=MOST_ATTEMPTS - 1)? + 1
        } else {
            self.whole(field, 0..=MOST_ATTEMPTS)?
        };
        u32::try_from(all.max(1)).ok()
    }

    /// A delay: milliseconds in the canonical form, seconds in the other one.
    fn delay(&mut self, field: Field) -> Option<Duration> {
        let unit_ms = if field.written.ends_with("_ms") { 1 } else { 1_000 };
        self.duration(field, unit_ms, 0..=LONGEST_MS)
    }

    fn only_once(&mut self, field: Field, given: bool) {
        if given {
            let message = format!("`{}` says again what `retry` says", field.written);
            self.mistake(field.key, Code::ConflictingKeys, message, Some("keep one of the two".to_owned()));
        }
    }

    /// `lifecycle` of the template.
    pub(crate) fn lifecycle(&mut self, at: NodeId) -> Lifecycle {
        let Some(fields) = self.fields(at, "`lifecycle`", LIFECYCLE_KEYS) else {
            return Lifecycle::default();
        };
        let mut limit = |key| fields.get(key).and_then(|field| self.duration(field, 60_000, LIFE_MS));
        Lifecycle {
            max_duration: limit("max_duration_minutes"),
            max_waiting_for_dependencies: limit("max_waiting_for_dependencies_minutes"),
            max_waiting_for_retry: limit("max_waiting_for_retry_minutes"),
            max_steps_in_process: limit("max_steps_in_process_minutes"),
            staleness_action: fields
                .get("staleness_action")
                .and_then(|field| self.word(field))
                .unwrap_or_default(),
        }
    }
}
