//! What an answer means: which failures are worth another attempt, and when.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::model::StepError;

/// The longest delay that is read, 30 days. What of it is waited is for the step's retry policy to say.
const LONGEST_DELAY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What the status of an answer means for the attempt.
///
/// ```
/// use tasker_runtime::handler::http::StatusClass;
///
/// assert_eq!(StatusClass::of(201), StatusClass::Success);
/// assert_eq!(StatusClass::of(429), StatusClass::Retryable);
/// assert_eq!(StatusClass::of(503), StatusClass::Retryable);
/// assert_eq!(StatusClass::of(408), StatusClass::Retryable);
/// assert_eq!(StatusClass::of(404), StatusClass::Permanent);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusClass {
    /// 2xx: done.
    Success,
    /// 408, 425, 429 and 5xx: another attempt may succeed.
    Retryable,
    /// Everything else: the same request would get the same answer.
    Permanent,
}

impl StatusClass {
    /// The class of an HTTP status.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            408 | 425 | 429 | 500..=599 => Self::Retryable,
            _ => Self::Permanent,
        }
    }
}

/// The stable code of a status that is not a success, and what to do about it.
const fn explained(status: u16) -> (&'static str, &'static str) {
    match status {
        300 => {
            ("HTTP_REDIRECT", "the server offers several answers: ask for one, by its path or with `Accept`")
        }
        304 => (
            "HTTP_REDIRECT",
            "nothing has changed since what the request names, in `If-None-Match` for example; a handler that \
             sends such a header reads this with `status_of`",
        ),
        301 | 302 | 303 | 307 | 308 => ("HTTP_REDIRECT", "set the base URL to where the API is now"),
        305 | 306 | 309..=399 => ("HTTP_REDIRECT", "no client follows a redirect of this kind"),
        401 | 403 => {
            ("HTTP_UNAUTHORIZED", "check the credentials in the headers of its `[api]` section or `#[api]`")
        }
        404 | 410 => ("HTTP_NOT_FOUND", "check the base URL and the path"),
        408 | 425 => ("HTTP_CLIENT_ERROR", "the server asks for the same request again"),
        429 => ("HTTP_RATE_LIMITED", "the server wants fewer calls; limit the handler with `concurrency`"),
        400..=499 => ("HTTP_CLIENT_ERROR", "the server refuses this request; the context holds its answer"),
        500..=599 => ("HTTP_SERVER_ERROR", "the server failed; look there"),
        _ => ("HTTP_CLIENT_ERROR", "HTTP has no such answer to a request; check the base URL"),
    }
}

/// The failure that a status of this class stands for; `what` is what was asked for or what went wrong.
pub(super) fn failure(class: StatusClass, status: u16, what: &str) -> StepError {
    let (code, advice) = explained(status);
    let message = format!("{what}: status {status}: {advice}");
    match class {
        StatusClass::Retryable => StepError::retryable(code, message),
        StatusClass::Permanent | StatusClass::Success => StepError::permanent(code, message),
    }
}

/// The failure that an answer with this status stands for. A server that says when to come back, with a 4xx as
/// well, says that there is something to come back for.
pub(super) fn refusal(status: u16, delay: Option<Duration>, what: &str) -> StepError {
    let class = StatusClass::of(status);
    match (class, delay) {
        (StatusClass::Retryable, Some(delay)) => failure(class, status, what).suggested_after(delay),
        (StatusClass::Permanent, Some(delay)) if matches!(status, 400..=499) => {
            let message = format!("{what}: status {status}: the server asks for another attempt later");
            StepError::retryable(explained(status).0, message).suggested_after(delay)
        }
        _ => failure(class, status, what),
    }
}

/// The HTTP status that a failure of [`Api`](super::Api) or of
/// [`api_failure`](super::ApiCapable::api_failure) comes from; `None` for all others.
///
/// ```
/// use tasker_runtime::{handler::http::{Api, status_of}, prelude::*};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Customer {
///     name: String,
/// }
///
/// #[api(config = "customers")]
/// #[step_handler]
/// async fn find_customer(id: u64, api: Api) -> Result<Option<Customer>, StepError> {
///     match api.get(format!("/customers/{id}")).await {
///         Err(error) if status_of(&error) == Some(404) => Ok(None),
///         found => found.map(Some),
///     }
/// }
/// ```
#[must_use]
pub fn status_of(error: &StepError) -> Option<u16> {
    let status = error.context()?.get("status")?.as_u64()?;
    error.code().starts_with("HTTP_").then_some(status).and_then(|status| u16::try_from(status).ok())
}

/// How long the server asks to wait, by its own clock where it shows it and else by this machine's.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST_DELAY));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let shown = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    // A time that has passed means now.
    Some(until.duration_since(shown.unwrap_or(now)).unwrap_or_default().min(LONGEST_DELAY))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn after(value: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        let now = httpdate::parse_http_date("Fri, 02 Jan 2026 10:00:00 GMT").unwrap();
        retry_after(&headers, now).map(|delay| delay.as_secs())
    }

    #[test]
    fn delay_is_read_as_seconds_and_as_a_date() {
        assert_eq!(after("120", None), Some(120));
        assert_eq!(after("0", None), Some(0));
        assert_eq!(after("Fri, 02 Jan 2026 10:01:30 GMT", None), Some(90));
        assert_eq!(after("Friday, 02-Jan-26 10:01:30 GMT", None), Some(90));
        assert_eq!(after("Fri Jan  2 10:01:30 2026", None), Some(90));
    }

    #[test]
    fn clock_of_the_server_counts_where_it_is_shown() {
        let date = Some("Sun, 01 Feb 2026 00:00:00 GMT");
        assert_eq!(after("Sun, 01 Feb 2026 00:00:07 GMT", date), Some(7));
        assert_eq!(after("Sun, 01 Feb 2026 00:00:07 GMT", Some("yesterday")), Some(29 * 86_400 + 50_407));
    }

    #[test]
    fn past_is_now_and_nonsense_is_nothing() {
        assert_eq!(after("Thu, 01 Jan 2026 00:00:00 GMT", None), Some(0));
        for nonsense in ["soon", "", "-5", "1.5", "12 s"] {
            assert_eq!(after(nonsense, None), None, "{nonsense}");
        }
    }

    #[test]
    fn nobody_can_ask_for_more_than_a_month() {
        let month = LONGEST_DELAY.as_secs();
        assert_eq!(after("99999999999999999999999", None), Some(month));
        assert_eq!(after("Fri, 31 Dec 9999 23:59:59 GMT", None), Some(month));
    }

    #[test]
    fn every_status_has_its_class_and_code() {
        for (status, retryable, code) in [
            (400, false, "HTTP_CLIENT_ERROR"),
            (401, false, "HTTP_UNAUTHORIZED"),
            (404, false, "HTTP_NOT_FOUND"),
            (408, true, "HTTP_CLIENT_ERROR"),
            (425, true, "HTTP_CLIENT_ERROR"),
            (429, true, "HTTP_RATE_LIMITED"),
            (500, true, "HTTP_SERVER_ERROR"),
            (503, true, "HTTP_SERVER_ERROR"),
            (301, false, "HTTP_REDIRECT"),
        ] {
            let error = failure(StatusClass::of(status), status, "GET https://x.test/");
            assert_eq!((error.is_retryable(), error.code()), (retryable, code), "{status}");
        }
    }
}
