//! One request, and what came back.

use std::{fmt, future::IntoFuture, marker::PhantomData, pin::Pin, time::Duration};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Api, path, send, target};
use crate::model::StepError;

/// A request that is sent when it is awaited. The body of the answer is read as a `T`.
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
/// let (customer, order) = ("acme/7", 12);
/// let items: Vec<String> = api.get("/customers").segment(customer).segment("orders").segment(order).await?;
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

    /// Adds `/value` to the path, before its query if it has one, with all in it escaped that would end the
    /// segment or start another.
    ///
    /// This is how a value from outside becomes part of a path. One that no path can hold as a segment, such
    /// as an empty one or `..`, is refused when the request is sent.
    pub fn segment(mut self, value: impl fmt::Display) -> Self {
        let value = value.to_string();
        if value.is_empty() {
            self.wrong("a segment of the path is empty: is a value missing?".to_owned());
        }
        let (path, query) = self.path.split_at(self.path.find('?').unwrap_or(self.path.len()));
        let parent = path.strip_suffix('/').unwrap_or(path);
        self.path = format!("{parent}/{}{query}", path::segment(&value));
        self
    }

    /// Adds `name=value` to the query, with what needs it escaped.
    pub fn query(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Sets a header, in place of one of the same name that every call has.
    ///
    /// Headers that belong to the connection or to the step, such as `Host` and `Idempotency-Key`, are refused
    /// when the request is sent.
    pub fn header(mut self, name: &str, value: impl fmt::Display) -> Self {
        let value = HeaderValue::from_str(&value.to_string()).map_err(|_| target::BAD_VALUE.to_owned());
        match target::header_name(name).and_then(|name| Ok((name, value?))) {
            Ok((name, value)) => {
                self.headers.insert(name, value);
            }
            Err(why) => self.wrong(format!("header `{name}`: {why}")),
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
    /// A server that knows the key repeats its earlier answer, whatever is asked. So all but one of the requests
    /// with which a step changes something need a part: each its own, and the same at every attempt.
    pub fn part(mut self, part: impl Into<String>) -> Self {
        self.part = Some(part.into());
        self
    }

    pub(super) fn with_body(mut self, body: &(impl Serialize + ?Sized)) -> Self {
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
    /// Sends the request; the body with the status and headers of the answer.
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

/// A server's answer with a success.
pub struct Response<T> {
    status: u16,
    headers: HeaderMap,
    /// The body, as it was read.
    pub body: T,
}

impl<T> Response<T> {
    /// The status, from 200 to 299.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of a header, if it is there and is text. Upper and lower case of the name do not matter.
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
