//! The parameter `Api`.

use std::{fmt, sync::Arc};

use reqwest::Method;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{ApiClient, Request, target::Target};
use crate::{
    handler::{Endpoint, FromStep, IdempotencyKey, Need, TaskSequenceStep},
    model::StepError,
};

/// Calls the API that `#[api(…)]` names. Cheap to clone.
///
/// A path starts with `/` and is appended to the base URL; it may have a query, behind `?`. One that would not
/// arrive below the base URL as it is written is refused, with `..`, a line break or a `\` in it for example.
/// Values from outside are best added with [`Request::segment`] and [`Request::query`]. Each method gives a
/// [`Request`], to be awaited for its body, read from JSON.
///
/// A test makes one by hand, and any address may be called:
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[api(config = "rates")]
/// #[step_handler]
/// async fn rate(currency: String, api: Api) -> Result<f64, StepError> {
///     api.get("/latest").query("currency", currency).await
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// // Nobody listens there.
/// let api = Api::for_test("http://127.0.0.1:9")?;
/// let error = rate("EUR".to_owned(), api).await.unwrap_err();
/// assert_eq!(error.code(), "HTTP_UNREACHABLE");
/// assert!(error.is_retryable());
/// # Ok::<(), StepError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Api(Arc<Inner>);

pub(super) struct Inner {
    pub(super) client: ApiClient,
    pub(super) target: Arc<Target>,
    pub(super) idempotency_key: String,
    pub(super) traceparent: String,
}

impl Api {
    /// Calls `endpoint` for this step, for a handler that is written by hand.
    ///
    /// # Errors
    /// A permanent one, where the endpoint's section or one of its variables is missing or wrong. The start of
    /// the program finds this as well, for handlers whose [description](crate::handler::HandlerSpec::api) say what they
    /// call.
    pub fn of(step: &TaskSequenceStep, endpoint: &'static Endpoint) -> Result<Self, StepError> {
        let client = ApiClient::of(&step.parts().states);
        let target = client.target(endpoint)?;
        let key = IdempotencyKey::from_step(step)?;
        let traceparent = traceparent(step);
        Ok(Self(Arc::new(Inner { client, target, idempotency_key: key.into(), traceparent })))
    }

    /// Calls the API at this URL, at a private address as well; the idempotency key is `test:step`.
    ///
    /// # Errors
    /// Where it is not a valid base URL.
    pub fn for_test(base_url: &str) -> Result<Self, StepError> {
        Self::for_test_with(ApiClient::default().allow("0.0.0.0/0, ::/0").unwrap_or_default(), base_url)
    }

    /// As [`for_test`](Self::for_test), with the networks and limits of a client.
    ///
    /// # Errors
    /// Where it is not a valid base URL, or has an address that the client refuses.
    pub fn for_test_with(client: ApiClient, base_url: &str) -> Result<Self, StepError> {
        let target = Arc::new(Target::of_url(base_url, &client)?);
        let traceparent = format!("00-{:032x}-{:016x}-01", 1, 1);
        Ok(Self(Arc::new(Inner { client, target, idempotency_key: "test:step".to_owned(), traceparent })))
    }

    /// Reads what is at this path.
    pub fn get<T>(&self, path: impl Into<String>) -> Request<T> {
        self.request(Method::GET, path.into())
    }

    /// Sends `body` as JSON, to start or create something.
    pub fn post<T>(&self, path: impl Into<String>, body: &(impl Serialize + ?Sized)) -> Request<T> {
        self.request(Method::POST, path.into()).with_body(body)
    }

    /// Sends `body` as JSON, to replace what is at this path.
    pub fn put<T>(&self, path: impl Into<String>, body: &(impl Serialize + ?Sized)) -> Request<T> {
        self.request(Method::PUT, path.into()).with_body(body)
    }

    /// Sends `body` as JSON, to change a part of what is at this path.
    pub fn patch<T>(&self, path: impl Into<String>, body: &(impl Serialize + ?Sized)) -> Request<T> {
        self.request(Method::PATCH, path.into()).with_body(body)
    }

    /// Removes what is at this path. An answer without a body is read as `()`.
    pub fn delete<T>(&self, path: impl Into<String>) -> Request<T> {
        self.request(Method::DELETE, path.into())
    }

    fn request<T>(&self, method: Method, path: String) -> Request<T> {
        Request::new(self.clone(), method, path)
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.0.target.shown(&self.0.target.base))
    }
}

impl FromStep for Api {
    const NEEDS: &'static [Need] = &[Need::Api];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        match step.endpoint() {
            Some(endpoint) => Self::of(step, endpoint),
            None => {
                let message = "the handler does not say what it calls: add `#[api(…)]`, or use `Api::of`";
                Err(StepError::permanent("HTTP_MISCONFIGURED", message))
            }
        }
    }
}

/// The W3C trace context: the trace is the correlation id, the parent this attempt of this step.
fn traceparent(step: &TaskSequenceStep) -> String {
    // All zeros would mean no trace.
    let id = Some(step.correlation_id()).filter(|id| !id.is_nil()).unwrap_or_else(|| step.task_id());
    let mut hash = Sha256::new();
    hash.update(step.task_id().as_bytes());
    hash.update(step.attempt().to_be_bytes());
    hash.update(step.name().as_bytes());
    let parent = hash.finalize().iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("00-{}-{:016x}-01", id.simple(), parent.max(1))
}
