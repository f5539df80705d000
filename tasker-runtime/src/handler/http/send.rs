//! Sends a request: redirects, limits, and what each thing that goes wrong means.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use reqwest::{
    Method, Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use tokio::time::{Instant, timeout};

use tasker_template::headers::SECRET;

use super::{
    Request, StatusClass,
    address::{self, Refused},
    answer::{Answer, EXCERPT, RequestLine, Unread, excerpt, read},
    call::Inner,
    path, redirect,
    secrets::Secrets,
    status,
    target::{forbidden, literal},
    text::{printable, start_of},
};
use crate::model::{StepError, chain};

/// How long the body of a failure is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much of the body of a redirect is read, in bytes, and for how long, so that its connection can be used
/// again. A redirect is followed whether its body comes or not.
const PASSED_OVER: (u64, Duration) = (16_384, Duration::from_millis(10));
/// How much of a path that is refused is shown, in bytes.
const SHOWN_PATH: usize = 200;

/// Sends, within the time there is.
pub(super) async fn send<T>(request: &Request<T>) -> Result<Answer, StepError> {
    let inner = request.api.inner();
    let secrets = inner.target.secrets.with(credentials(&request.headers));
    let (url, headers) = prepare(request, &secrets)?;
    let line = RequestLine { method: request.method.clone(), url: inner.target.shown(&url) };
    let limit = request.timeout.unwrap_or(inner.target.timeout);
    let until = Instant::now().checked_add(limit);
    let call = Call { inner, headers, line, body: request.body.as_deref(), secrets, until };
    match timeout(limit, call.follow(url)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let message = format!(
                "{}: no whole answer within {limit:?}; if that is too short, raise the timeout of `#[api]`, but \
                 keep it below the one of the step",
                call.line
            );
            Err(call.failed(StepError::retryable("HTTP_TIMEOUT", message), None))
        }
    }
}

/// What a handler identifies itself with: the whole header, and the part after its scheme.
fn credentials(headers: &HeaderMap) -> Vec<String> {
    let given = SECRET.iter().flat_map(|name| headers.get_all(*name)).filter_map(|value| value.to_str().ok());
    let parts = given.flat_map(|value| [Some(value), value.split_once(' ').map(|(_, secret)| secret)]);
    parts.flatten().map(|secret| secret.trim().to_owned()).collect()
}

/// Where it goes and with which headers.
fn prepare<T>(request: &Request<T>, secrets: &Secrets) -> Result<(Url, HeaderMap), StepError> {
    let inner = request.api.inner();
    let wrong = |what: String| {
        let message = printable(&format!("{} below {:?}: {what}", request.method, request.api));
        StepError::permanent("HTTP_INVALID_REQUEST", message)
    };
    if let Some(mistake) = &request.mistake {
        return Err(wrong(mistake.clone()));
    }
    let mut url = path::below(&inner.target.base, &request.path).map_err(|why| {
        let path = request.path.split('?').next().unwrap_or_default();
        let shown = start_of(&secrets.hidden_in(path.to_owned()), SHOWN_PATH);
        wrong(format!(
            "a path starts with `/` and stays below the base URL as it is written: {why}: `{shown}`"
        ))
    })?;
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
    line: RequestLine,
    body: Option<&'r [u8]>,
    secrets: Secrets,
    /// When there is no time left; `None`: never.
    until: Option<Instant>,
}

impl Call<'_> {
    /// Sends, and again to where it is sent on.
    async fn follow(&self, mut url: Url) -> Result<Answer, StepError> {
        let (mut method, mut body) = (self.line.method.clone(), self.body);
        for _ in 0..=redirect::MAX {
            let mut response = self.once(method.clone(), &url, body).await?;
            let status = response.status();
            if !redirect::is_redirect(status) {
                return self.finish(response).await;
            }
            let next = redirect::target(&method, status, response.headers(), &url);
            url = next.map_err(|why| self.not_followed(Some(status.as_u16()), &why))?;
            if status == StatusCode::SEE_OTHER {
                (method, body) = (Method::GET, None);
            }
            let (bytes, time) = PASSED_OVER;
            let _ = timeout(time, read(&mut response, bytes)).await;
        }
        Err(self.not_followed(None, &format!("more than {} redirects", redirect::MAX)))
    }

    fn not_followed(&self, status: Option<u16>, why: &str) -> StepError {
        let status_text = status.map(|status| format!("status {status}: ")).unwrap_or_default();
        let message = format!("{}: {status_text}{}", self.line, self.secrets.hidden_in(why.to_owned()));
        self.failed(StepError::permanent("HTTP_REDIRECT", message), status)
    }

    async fn once(&self, method: Method, url: &Url, body: Option<&[u8]>) -> Result<Response, StepError> {
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

    async fn finish(&self, mut response: Response) -> Result<Answer, StepError> {
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
                    self.line
                );
                return Err(self.failed(StepError::permanent("HTTP_TOO_LARGE", message), Some(status)));
            }
            Err(Unread::Broken(error)) => return Err(self.transport(response.url(), error)),
        };
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status, headers, body, line: self.line.clone(), secrets: self.secrets.clone() })
    }

    /// The failure that a status stands for, with what the server says about it.
    async fn refused(&self, mut response: Response) -> StepError {
        let status = response.status().as_u16();
        let delay = status::retry_after(response.headers(), SystemTime::now());
        let body = self.beginning(&mut response).await;
        let error = status::refusal(status, delay, &self.line.to_string());
        self.line.failed(error, Some(status), excerpt(&body, &self.secrets))
    }

    /// The beginning of the body of a failure. The status has said what matters, so one that breaks or does
    /// not come is cut there, while there is still time to say it.
    async fn beginning(&self, response: &mut Response) -> Vec<u8> {
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
        let _ = timeout(left.min(PATIENCE), reading).await;
        body.truncate(most);
        body
    }

    /// What a failure below HTTP means, or of the answer's form.
    fn transport(&self, url: &Url, error: reqwest::Error) -> StepError {
        if let Some(refused) = cause::<Refused>(&error) {
            return self.failed(forbidden(url, refused), None);
        }
        let error = error.without_url();
        let why = printable(&self.secrets.hidden_in(chain(&error)));
        let line = &self.line;
        let http = cause::<hyper::Error>(&error);
        let broken = |what: &str| StepError::retryable("HTTP_BROKEN", format!("{line}: {what}: {why}"));
        let error = if error.is_builder() {
            StepError::permanent("HTTP_INVALID_REQUEST", format!("{line}: cannot be sent: {why}"))
        } else if error.is_connect() {
            StepError::retryable("HTTP_UNREACHABLE", format!("{line}: no connection: {why}"))
        } else if http.is_some_and(hyper::Error::is_parse) {
            broken(
                "the head of the answer is not valid HTTP; if that does not pass, check scheme and port of the base URL",
            )
        } else if error.is_decode() && http.is_none() {
            broken("the body of the answer is not what its `Content-Encoding` says")
        } else if error.is_decode() {
            broken("the body of the answer broke off or is malformed")
        } else {
            broken("the connection broke before the answer was whole")
        };
        self.failed(error, None)
    }

    fn failed(&self, error: StepError, status: Option<u16>) -> StepError {
        self.line.failed(error, status, None)
    }
}

/// The error of this type behind an error of the client, where there is one.
pub(super) fn cause<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
