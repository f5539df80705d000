//! Problem documents: how the service says that it did not do what was asked (RFC 9457).

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Makes the codes, with the status and the title of each, and whether the same request may succeed later.
macro_rules! codes {
    ($($name:ident = $status:literal $code:literal $title:literal $($retryable:ident)?;)+) => {
        /// The reason in a word, which stays the same: programs may compare it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code { $($name),+ }

        impl Code {
            /// All of them.
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),+];

            const fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            const fn is_retryable(self) -> bool {
                match self { $(Self::$name => false $(|| stringify!($retryable).len() > 0)?),+ }
            }
        }
    };
}

codes! {
    BadJson = 400 "bad_json" "The body is not JSON";
    TooDeep = 400 "too_deep" "The body is nested too deeply";
    BadQuery = 400 "bad_query" "The query has mistakes";
    BadCursor = 400 "bad_cursor" "The cursor is not one";
    CursorMismatch = 400 "cursor_mismatch" "The cursor belongs to another list";
    BadId = 400 "bad_id" "The id is not one";
    BadHeader = 400 "bad_header" "A header has a value it cannot have";
    NoCredentials = 401 "no_credentials" "Nobody is served who does not say who they are";
    BadCredentials = 401 "bad_credentials" "The credential is not good";
    ExpiredCredentials = 401 "expired_credentials" "The credential has expired";
    NotPermitted = 403 "not_permitted" "This is not permitted";
    HostNotAllowed = 403 "host_not_allowed" "The host is not allowed";
    NoSuchPath = 404 "no_such_path" "There is no such path";
    NoSuchTask = 404 "no_such_task" "There is no such task";
    NoSuchStep = 404 "no_such_step" "There is no such step";
    NoSuchTemplate = 404 "no_such_template" "There is no such template";
    NoSuchSchedule = 404 "no_such_schedule" "There is no such schedule";
    NoSuchKey = 404 "no_such_key" "There is no such key";
    MethodNotAllowed = 405 "method_not_allowed" "The path does not have this method";
    TooSlowUpload = 408 "too_slow_upload" "The body came too slowly" retryable;
    TaskOver = 409 "task_over" "The task is over";
    WrongStepState = 409 "wrong_step_state" "The step is in another state";
    RollingBack = 409 "rolling_back" "The task is being rolled back";
    NothingFailed = 409 "nothing_failed" "Nothing has failed";
    BatchOver = 409 "batch_over" "The batch is over";
    NotBlocked = 409 "not_blocked" "The task is not blocked";
    NotPaused = 409 "not_paused" "The task is not paused";
    RefusedByHolder = 409 "refused_by_holder" "The process that runs the task refused";
    MailboxFull = 409 "mailbox_full" "Too many signals wait already";
    Skipped = 409 "skipped" "A limit lets no further task run" retryable;
    ScheduleOfTemplate = 409 "schedule_of_template" "The schedule is part of a template";
    BodyTooLarge = 413 "body_too_large" "The body is too large";
    PathTooLong = 414 "path_too_long" "The path is too long";
    UnsupportedMediaType = 415 "unsupported_media_type" "The body has to be JSON";
    FieldsInvalid = 422 "fields_invalid" "The body has mistakes";
    ContextInvalid = 422 "context_invalid" "The context does not fit the template";
    ResultInvalid = 422 "result_invalid" "The result does not fit the step";
    PayloadInvalid = 422 "payload_invalid" "The payload does not fit the signal";
    NoSuchSignal = 422 "no_such_signal" "The task has no such signal";
    NotForkable = 422 "not_forkable" "The task cannot be forked so";
    IdempotencyKeyReused = 422 "idempotency_key_reused" "The idempotency key was used for something else";
    TemplateUnsupported = 422 "template_unsupported" "The template cannot run";
    ScheduleInvalid = 422 "schedule_invalid" "The schedule cannot be read";
    TooManyFailures = 429 "too_many_failures" "Too many credentials were not good" retryable;
    TooManyStreams = 429 "too_many_streams" "Too many streams are open" retryable;
    TooManyHeaders = 431 "headers_too_large" "The headers are too large";
    Internal = 500 "internal" "The service failed";
    StoreUnavailable = 503 "store_unavailable" "The database does not answer" retryable;
    Overloaded = 503 "overloaded" "The service is busy" retryable;
    AuthUnavailable = 503 "auth_unavailable" "Credentials cannot be checked" retryable;
    QueryTooSlow = 503 "query_too_slow" "The answer took too long" retryable;
}

/// What is wrong with one part of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// Where: a JSON Pointer into the body, or the name of a query parameter.
    pub pointer: String,
    /// What, in a word that stays the same.
    pub code: &'static str,
    /// What, for people.
    pub detail: String,
}

/// Why the service did not do what was asked.
#[derive(Clone, Debug)]
pub(super) struct Problem(Box<Document>);

/// Why the service did not do what was asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document {
    /// Names the kind of problem; its last part is the code.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong with this request, for people.
    detail: String,
    /// The id of the request, as in the header `x-request-id` and in the log.
    #[schema(value_type = String)]
    instance: Uuid,
    /// The kind of problem in a word, which stays the same.
    code: &'static str,
    /// The same request may succeed later.
    retryable: bool,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The task that the problem is about, where the request did not name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    task_id: Option<Uuid>,
    /// Each mistake, at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// So many mistakes are told of one request.
const MAX_ERRORS: usize = 50;

pub(super) type Answer<T = Response> = Result<T, Problem>;

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Document {
            kind: format!("urn:tasker:problem:{}", code.as_str()),
            title: code.title(),
            status: code.status(),
            detail: detail.into(),
            instance: Uuid::nil(),
            code: code.as_str(),
            retryable: code.is_retryable(),
            hint: None,
            task_id: None,
            errors: Vec::new(),
            retry_after: None,
        }))
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(super) fn of_task(mut self, task: Uuid) -> Self {
        self.0.task_id = Some(task);
        self
    }

    pub(super) fn errors(mut self, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MAX_ERRORS);
        self.0.errors = errors;
        self
    }

    /// Says when to come back.
    pub(super) fn after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// What was lacking, where the same request may be fine once it is there.
    pub(super) fn lack(&self) -> Option<&'static str> {
        (self.0.status == 503).then_some(self.0.code)
    }

    /// Why nobody was let in, if that is the problem.
    pub(super) fn denial(&self) -> Option<&'static str> {
        let denies = self.0.status == 401 || self.0.code == Code::TooManyFailures.as_str();
        denies.then_some(self.0.code)
    }

    /// The document as it is sent, but for the id of its request.
    #[cfg(test)]
    pub(super) fn document(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }

    /// The document, which carries the id of its request.
    pub(super) fn written(mut self, request: Uuid) -> Body {
        self.0.instance = request;
        // A struct of texts and numbers serializes.
        Body::from(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

impl IntoResponse for Problem {
    /// The answer without its document, which the guard writes: it knows the id of the request.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.0.status == 401 {
            let challenge = match self.0.code {
                "no_credentials" => "Bearer realm=\"tasker\"",
                _ => "Bearer realm=\"tasker\", error=\"invalid_token\"",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if matches!(self.0.status, 408 | 413) {
            // What is left of the body is not read.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The header with the id of a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_word_of_its_own_with_a_status_of_errors() {
        let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
        assert!(Code::ALL.iter().all(|code| (400..600).contains(&code.status())));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
    }

    #[test]
    fn documentation_has_every_code_with_its_status() {
        let text = include_str!("../../../docs/service.md");
        let (_, table) = text.split_once("| status | codes |").unwrap_or_default();
        let (table, _) = table.split_once("\n\n").unwrap_or_default();
        let mut told = Vec::new();
        for row in table.lines().skip(2) {
            let mut cells = row.split('|').skip(1).map(str::trim);
            let (statuses, codes) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            let codes = codes.split('`').skip(1).step_by(2).filter(|code| *code != "Allow");
            told.extend(codes.map(|code| (statuses, code)));
        }
        for code in Code::ALL {
            let mut found = told.iter().filter(|(_, told)| *told == code.as_str());
            let status = code.status().to_string();
            assert!(found.any(|(statuses, _)| statuses.contains(&status)), "{code:?} with {status}");
        }
        assert_eq!(told.len(), Code::ALL.len(), "{told:?}");
    }

    #[test]
    fn only_what_may_pass_is_retryable() {
        let retryable: Vec<&str> =
            Code::ALL.iter().filter(|code| code.is_retryable()).map(|code| code.as_str()).collect();
        let passing = [
            "too_slow_upload",
            "skipped",
            "too_many_failures",
            "too_many_streams",
            "store_unavailable",
            "overloaded",
            "auth_unavailable",
            "query_too_slow",
        ];
        assert_eq!(retryable, passing);
    }
}
