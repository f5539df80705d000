//! Sends a request: redirects, limits, and what each thing that goes wrong means.

use std::{
    error::Error as _,
    time::{Duration, SystemTime},
};

use reqwest::{
    Method, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Request, StatusClass,
    address::{self, Refused},
    call::Inner,
    secrets::Secrets,
    status,
    target::{SECRET, forbidden, literal},
};
use crate::model::{StepError, chain};

/// How many redirects are followed.
const REDIRECTS: usize = 5;
/// How much of the body of a failure is kept, in bytes.
const EXCERPT: usize = 2_000;
/// How long the body of a failure is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// A body that is passed over is still read up to here, so that its connection can be used again.
const PASSED_OVER: u64 = 16_384;

/// A success, its body not yet read as anything.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
    /// What was asked for, as it may be shown.
    what: Asked,
    /// What may not.
    secrets: Secrets,
}

/// Method and URL of a request, as they may be shown.
#[derive(Clone)]
struct Asked {
    method: Method,
    url: String,
}

impl Asked {
    fn failed(&self, error: StepError, status: Option<u16>, body: Option<Value>) -> StepError {
        let mut context = json!({ "method": self.method.as_str(), "url": self.url });
        if let Some(status) = status {
            context["status"] = status.into();
        }
        if let Some(body) = body {
            context["body"] = body;
        }
        // A delay that was set stays.
        error.with_context(context)
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

impl Answer {
    /// The body as a `T`. No body is read as `null`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, StepError> {
        // Some servers put a byte order mark before their JSON, which readers may pass over.
        let body = self.body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.body);
        let blank = body.iter().all(u8::is_ascii_whitespace);
        let text: &[u8] = if blank { b"null" } else { body };
        serde_json::from_slice(text).map_err(|error| {
            let what = &self.what;
            // Of a broken document the part before the break may already have another shape.
            let whole = serde_json::from_slice::<IgnoredAny>(text).is_ok();
            // It quotes the body.
            let error = cut(self.secrets.hidden_in(error.to_string()));
            let error = if whole {
                let message = format!("{what}: the answer has another shape than the handler reads: {error}");
                StepError::permanent("HTTP_UNEXPECTED_BODY", message)
            } else {
                let message = format!("{what}: status {} with a body that is no JSON: {error}", self.status);
                StepError::retryable("HTTP_NOT_JSON", message)
            };
            what.failed(error, Some(self.status), None)
        })
    }
}

/// Sends, within the time there is.
pub(super) async fn send<T>(request: &Request<T>) -> Result<Answer, StepError> {
    let inner = request.api.inner();
    let (url, headers) = prepare(request)?;
    let asked = Asked { method: request.method.clone(), url: inner.target.shown(&url) };
    let limit = request.timeout.unwrap_or(inner.target.timeout);
    let secrets = inner.target.secrets.with(credentials(&request.headers));
    let until = Instant::now().checked_add(limit);
    let call = Call { inner, headers, asked, body: request.body.as_deref(), secrets, until };
    match tokio::time::timeout(limit, call.follow(url)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let message = format!(
                "{}: no whole answer within {limit:?}; if that is not long enough, raise the timeout of `#[api]`, \
                 below the one of the step",
                call.asked
            );
            Err(call.asked.failed(StepError::retryable("HTTP_TIMEOUT", message), None, None))
        }
    }
}

/// What a handler gave along to be known by: the whole header, and the part after its scheme.
fn credentials(headers: &HeaderMap) -> Vec<String> {
    let given = SECRET.iter().flat_map(|name| headers.get_all(*name)).filter_map(|value| value.to_str().ok());
    let parts = given.flat_map(|value| [Some(value), value.split_once(' ').map(|(_, secret)| secret)]);
    parts.flatten().map(|secret| secret.trim().to_owned()).collect()
}

/// Where it goes and with which headers.
fn prepare<T>(request: &Request<T>) -> Result<(Url, HeaderMap), StepError> {
    let inner = request.api.inner();
    let wrong = |what: String| {
        let message = format!("{} below {:?}: {what}", request.method, request.api);
        StepError::permanent("HTTP_INVALID_REQUEST", message)
    };
    if let Some(mistake) = &request.mistake {
        return Err(wrong(mistake.clone()));
    }
    let Some(mut url) = inner.target.url(&request.path) else {
        return Err(wrong("a path starts with `/` and has no `.` or `..` in it".to_owned()));
    };
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    let mut headers = inner.target.headers.clone();
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    if request.body.is_some() {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
    let mut own = |name: &'static str, value: &str| -> Result<(), StepError> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| wrong(format!("`{value}` cannot be sent as `{name}`")))?;
        headers.insert(name, value);
        Ok(())
    };
    own("traceparent", &inner.traceparent)?;
    if request.method != Method::GET {
        match &request.part {
            Some(part) => own("idempotency-key", &format!("{}:{part}", inner.idempotency_key))?,
            None => own("idempotency-key", &inner.idempotency_key)?,
        }
    }
    headers.extend(request.headers.clone());
    Ok((url, headers))
}

struct Call<'r> {
    inner: &'r Inner,
    headers: HeaderMap,
    asked: Asked,
    body: Option<&'r [u8]>,
    secrets: Secrets,
    /// When there is no time left; `None`: never.
    until: Option<Instant>,
}

impl Call<'_> {
    /// Sends, and again to where it is sent on.
    async fn follow(&self, mut url: Url) -> Result<Answer, StepError> {
        let (mut method, mut body) = (self.asked.method.clone(), self.body);
        for _ in 0..=REDIRECTS {
            let mut response = self.once(method.clone(), &url, body).await?;
            let status = response.status();
            let Some(next) = redirect(status, response.headers(), &url) else {
                return self.finish(response).await;
            };
            url = self.allowed(&method, status, &url, next)?;
            if status == StatusCode::SEE_OTHER {
                (method, body) = (Method::GET, None);
            }
            // What it says does not matter, nor whether it can be read.
            let _ = read(&mut response, PASSED_OVER).await;
        }
        let message = format!("{}: more than {REDIRECTS} redirects", self.asked);
        Err(self.failed(StepError::permanent("HTTP_REDIRECT", message), None))
    }

    async fn once(
        &self,
        method: Method,
        url: &Url,
        body: Option<&[u8]>,
    ) -> Result<reqwest::Response, StepError> {
        if let Some(address) = literal(url) {
            address::check(address, self.inner.client.allowed())
                .map_err(|refused| self.failed(forbidden(url, &refused), None))?;
        }
        let mut headers = self.headers.clone();
        if method == Method::GET {
            headers.remove("idempotency-key");
        }
        if body.is_none() {
            headers.remove(CONTENT_TYPE);
        }
        let mut builder = self.inner.client.http()?.request(method, url.clone()).headers(headers);
        if let Some(body) = body {
            builder = builder.body(body.to_vec());
        }
        builder.send().await.map_err(|error| self.transport(url, error))
    }

    /// Where a redirect leads, if it is to be followed.
    fn allowed(
        &self,
        method: &Method,
        status: StatusCode,
        from: &Url,
        to: Option<Url>,
    ) -> Result<Url, StepError> {
        let refuse = |why: String| {
            let message = format!("{}: status {}: {why}", self.asked, status.as_u16());
            self.failed(StepError::permanent("HTTP_REDIRECT", message), Some(status.as_u16()))
        };
        let Some(mut to) = to else {
            return Err(refuse("it says to go elsewhere and not where to".to_owned()));
        };
        to.set_fragment(None);
        let upgraded = from.scheme() == "http" && to.scheme() == "https";
        let same_place =
            from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
        if from.host_str() != to.host_str() || !(same_place || upgraded) {
            let origin = to.origin().ascii_serialization();
            let what = "credentials and data are not sent on to another server";
            return Err(refuse(format!(
                "it leads to {origin}, and {what}; if it is meant, make it the base URL"
            )));
        }
        if matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) && *method != Method::GET {
            let what = format!("a {method} is not repeated elsewhere after this status");
            return Err(refuse(format!("{what}; set the base URL to where the API is now")));
        }
        Ok(to)
    }

    async fn finish(&self, mut response: reqwest::Response) -> Result<Answer, StepError> {
        let status = response.status().as_u16();
        if StatusClass::of(status) != StatusClass::Success {
            return Err(self.refused(response).await);
        }
        let limit = self.inner.target.max_response_bytes;
        let body = match read(&mut response, limit).await {
            Ok(body) => body,
            Err(Unread::TooLarge) => {
                let message = format!(
                    "{}: the answer has more than {limit} bytes; ask for less, or raise `max_response_bytes`",
                    self.asked
                );
                return Err(self.failed(StepError::permanent("HTTP_TOO_LARGE", message), Some(status)));
            }
            Err(Unread::Broken(error)) => return Err(self.transport(response.url(), error)),
        };
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status, headers, body, what: self.asked.clone(), secrets: self.secrets.clone() })
    }

    /// The failure that a status stands for, with what the server says about it.
    async fn refused(&self, mut response: reqwest::Response) -> StepError {
        let status = response.status().as_u16();
        let delay = status::retry_after(response.headers(), SystemTime::now());
        let body = self.beginning(&mut response).await;
        let mut error = status::failure(StatusClass::of(status), status, &self.asked.to_string());
        if let Some(delay) = delay.filter(|_| error.is_retryable()) {
            error = error.after(delay);
        }
        self.asked.failed(error, Some(status), self.excerpt(&body))
    }

    /// The beginning of the body of a failure. The status has said what matters, so one that breaks or does
    /// not come is cut there, while there is still time to say it.
    async fn beginning(&self, response: &mut reqwest::Response) -> Vec<u8> {
        let left = self.until.map_or(PATIENCE, |until| until.saturating_duration_since(Instant::now()) / 2);
        let mut body = Vec::new();
        // A secret that begins in what is kept has its end behind it.
        let most = EXCERPT + self.secrets.longest();
        let reading = async {
            while body.len() < most {
                let Ok(Some(chunk)) = response.chunk().await else { break };
                body.extend_from_slice(&chunk);
            }
        };
        let _ = tokio::time::timeout(left.min(PATIENCE), reading).await;
        body.truncate(most);
        body
    }

    /// What is shown of the beginning of a body: JSON where it is short, and without our secrets if the
    /// server repeats them.
    fn excerpt(&self, body: &[u8]) -> Option<Value> {
        if body.len() <= EXCERPT
            && let Ok(value) = serde_json::from_slice(body)
        {
            return Some(self.secrets.hidden_in_value(value));
        }
        let text = cut(self.secrets.hidden_in(String::from_utf8_lossy(body).into_owned()));
        (!text.trim().is_empty()).then(|| text.into())
    }

    /// What a failure of the connection means.
    fn transport(&self, url: &Url, error: reqwest::Error) -> StepError {
        if let Some(refused) = refused(&error) {
            return self.failed(forbidden(url, refused), None);
        }
        let error = error.without_url();
        let why = self.secrets.hidden_in(chain(&error));
        let asked = &self.asked;
        let error = if error.is_builder() {
            StepError::permanent("HTTP_INVALID_REQUEST", format!("{asked}: cannot be sent: {why}"))
        } else if error.is_connect() {
            StepError::retryable("HTTP_UNREACHABLE", format!("{asked}: no connection: {why}"))
        } else {
            let message = format!("{asked}: the connection broke before the answer was whole: {why}");
            StepError::retryable("HTTP_BROKEN", message)
        };
        self.failed(error, None)
    }

    fn failed(&self, error: StepError, status: Option<u16>) -> StepError {
        self.asked.failed(error, status, None)
    }
}

/// The text, of as many bytes as are kept.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(EXCERPT));
    text
}

/// The refused address behind an error of the client, where that is its cause.
pub(super) fn refused(error: &reqwest::Error) -> Option<&Refused> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(refused) = cause.downcast_ref() {
            return Some(refused);
        }
        next = cause.source();
    }
    None
}

/// Where an answer leads: `None` where it is no redirect, `Some(None)` where it does not say.
fn redirect(status: StatusCode, headers: &HeaderMap, from: &Url) -> Option<Option<Url>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    Some(location.and_then(|location| from.join(location).ok()))
}

/// Why a body was not read.
enum Unread {
    TooLarge,
    Broken(reqwest::Error),
}

/// The body, of `limit` bytes at most. No more than that is ever held.
async fn read(response: &mut reqwest::Response, limit: u64) -> Result<Vec<u8>, Unread> {
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
