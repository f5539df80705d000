//! What came back: the body, read up to a limit, and what is said about one that is not as it should be.

use reqwest::{
    Method, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use super::{
    secrets::Secrets,
    text::{cut, printable, start_of},
};
use crate::model::StepError;

/// How much of the body of a failure is kept, in bytes.
pub(super) const EXCERPT: usize = 2_000;
/// How much of a body is quoted in a message, in bytes.
const QUOTED: usize = 200;

/// Method and URL of a request, as they may be shown.
#[derive(Clone)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) url: String,
}

impl RequestLine {
    /// The failure, with what was asked for and what came back as its data. A delay that was set stays.
    pub(super) fn failed(&self, error: StepError, status: Option<u16>, body: Option<Value>) -> StepError {
        let mut context = json!({ "method": self.method.as_str(), "url": self.url });
        if let Some(status) = status {
            context["status"] = status.into();
        }
        if let Some(body) = body {
            context["body"] = body;
        }
        error.with_context(context)
    }
}

impl std::fmt::Display for RequestLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// A success, its body not yet read as anything.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) line: RequestLine,
    /// What must not be shown.
    pub(super) secrets: Secrets,
}

impl Answer {
    /// The body as a `T`. No body is read as `null`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, StepError> {
        // Some servers put a byte order mark before their JSON, which readers may pass over.
        let body = self.body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.body);
        let blank = body.iter().all(u8::is_ascii_whitespace);
        let text: &[u8] = if blank { b"null" } else { body };
        serde_json::from_slice(text).map_err(|error| {
            // Of a broken document the part before the break may already have another shape.
            let error = match serde_json::from_slice::<IgnoredAny>(text) {
                Ok(_) => self.unexpected(&self.shown(&error)),
                Err(broken) => self.not_json(&self.shown(&broken)),
            };
            self.line.failed(error, Some(self.status), None)
        })
    }

    /// An error of the reader, which may quote the body.
    fn shown(&self, error: &serde_json::Error) -> String {
        cut(printable(&self.secrets.hidden_in(error.to_string())), EXCERPT)
    }

    fn unexpected(&self, error: &str) -> StepError {
        let message = format!("{}: the answer has another shape than the handler reads: {error}", self.line);
        StepError::permanent("HTTP_UNEXPECTED_BODY", message)
    }

    fn not_json(&self, error: &str) -> StepError {
        let Self { line, status, .. } = self;
        let kind = match (self.header(CONTENT_TYPE), self.header(CONTENT_ENCODING)) {
            (kind, Some(encoding)) => {
                let kind = kind.unwrap_or_else(|| "unknown".to_owned());
                format!("content type {kind}, encoded as {encoding}, which was not asked for")
            }
            (Some(kind), None) => format!("content type {kind}"),
            (None, None) => "no content type".to_owned(),
        };
        let start = start_of(&self.secrets.hidden_start(&self.body, QUOTED), QUOTED);
        let message = format!(
            "{line}: status {status} with a body that is not JSON ({kind}): {error}; it starts with: {start}"
        );
        StepError::retryable("HTTP_NOT_JSON", message)
    }

    fn header(&self, name: HeaderName) -> Option<String> {
        let text = String::from_utf8_lossy(self.headers.get(name)?.as_bytes()).into_owned();
        Some(format!("`{}`", start_of(&self.secrets.hidden_in(text), QUOTED)))
    }
}

/// What is shown of the beginning of a body: JSON where it is short, and without our secrets if the server
/// repeats them.
pub(super) fn excerpt(body: &[u8], secrets: &Secrets) -> Option<Value> {
    if body.len() <= EXCERPT
        && let Ok(value) = serde_json::from_slice(body)
    {
        return Some(secrets.hidden_in_value(value));
    }
    let text = cut(secrets.hidden_in(String::from_utf8_lossy(body).into_owned()), EXCERPT);
    (!text.trim().is_empty()).then(|| text.into())
}

/// Why a body was not read.
pub(super) enum Unread {
    TooLarge,
    Broken(reqwest::Error),
}

/// The body, unpacked, of `limit` bytes at most. No more than that is ever held.
pub(super) async fn read(response: &mut Response, limit: u64) -> Result<Vec<u8>, Unread> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(Unread::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Unread::Broken)? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
