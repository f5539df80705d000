//! One request, and what came back.

use std::{fmt, future::IntoFuture, marker::PhantomData, pin::Pin, time::Duration};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Api, send};
use crate::model::StepError;

/// A request that is sent when it is awaited. What comes back is read as a `T`.
///
/// ```no_run
/// # use tasker_runtime::prelude::*;
/// # async fn example(api: Api) -> Result<(), StepError> {
/// #[derive(serde::Deserialize)]
/// struct Page {
///     total: u32,
/// }
///
/// let page: Page = api.get("/orders").query("limit", 50).header("Accept-Language", "de").await?;
///
/// let answer = api.post::<Page>("/orders/search", &["open"]).response().await?;
/// println!("{} of {}: {:?}", page.total, answer.status(), answer.header("x-request-id"));
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until it is awaited"]
pub struct Request<T> {
    pub(super) api: Api,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) part: Option<String>,
    /// Why it cannot be sent; the first reason counts.
    pub(super) mistake: Option<String>,
    read: PhantomData<fn() -> T>,
}

impl<T> Request<T> {
    pub(super) fn new(api: Api, method: Method, path: String) -> Self {
        Self {
            api,
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            timeout: None,
            part: None,
            mistake: None,
            read: PhantomData,
        }
    }

    /// Adds `name=value` to the query, with what needs it escaped.
    pub fn query(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Sets a header, in place of one of the same name that every call has.
    pub fn header(mut self, name: &str, value: impl fmt::Display) -> Self {
        let parsed =
            HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value.to_string()).ok());
        match parsed {
            Some((name, value)) => {
                self.headers.insert(name, value);
            }
            None => self.wrong(format!("header `{name}` has characters that no header may have")),
        }
        self
    }

    /// Sets how long this call may take, in place of the time that all have.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Tells this request from the others that the same step makes: its idempotency key is
    /// `{task}:{step}:{part}`.
    ///
    /// A server that knows the key answers as it did before, whatever is asked. So all but one of a step's
    /// requests that change something need a part, each a different one and the same at every attempt.
    pub fn part(mut self, part: impl Into<String>) -> Self {
        self.part = Some(part.into());
        self
    }

    pub(super) fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body = Some(body),
            Err(error) => self.wrong(format!("the body cannot be written as JSON: {error}")),
        }
        self
    }

    fn wrong(&mut self, mistake: String) {
        self.mistake.get_or_insert(mistake);
    }
}

impl<T: DeserializeOwned> Request<T> {
    /// Sends it; the body with its status and its headers.
    ///
    /// # Errors
    /// As the [module](super) says.
    pub async fn response(self) -> Result<Response<T>, StepError> {
        let answer = send::send(&self).await?;
        let body = answer.read()?;
        Ok(Response { status: answer.status, headers: answer.headers, body })
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Request<T> {
    type Output = Result<T, StepError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { send::send(&self).await?.read() })
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {:?}", self.method, self.path.split('?').next().unwrap_or_default(), self.api)
    }
}

/// What a server answered with success.
pub struct Response<T> {
    status: u16,
    headers: HeaderMap,
    /// What was read from the body.
    pub body: T,
}

impl<T> Response<T> {
    /// The status, from 200 to 299.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header, where it is there and is text; the name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("body", &self.body).finish()
    }
}
