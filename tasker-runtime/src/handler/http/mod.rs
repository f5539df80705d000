//! Calling HTTP APIs.
//!
//! `#[api(…)]` beside `#[step_handler]` says what a handler calls, and a parameter [`Api`] calls it:
//!
//! ```
//! use tasker_runtime::prelude::*;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Charge {
//!     id: String,
//!     cents: u64,
//! }
//!
//! #[api(
//!     base_url = "https://payments.example.org/v1",
//!     timeout = "10s",
//!     headers = { "Authorization" = "Bearer ${PAYMENTS_TOKEN}" }
//! )]
//! #[step_handler(retry = 5)]
//! async fn charge(#[input("cents")] cents: u64, api: Api) -> Result<Charge, StepError> {
//!     api.post("/charges", &serde_json::json!({ "cents": cents })).await
//! }
//! ```
//!
//! What changes from deployment to deployment stands in `config/tasker.toml`, and the attribute names the
//! section: `#[api(config = "payments")]` reads `[api.payments]`. An attribute may have both; the section
//! takes precedence.
//!
//! - Every request but GET carries `Idempotency-Key: {task}:{step}`, the same for every attempt of the
//!   step, and every request carries `traceparent`, whose trace is the task's correlation id.
//! - A path arrives below the base URL as it is written, or the request is not sent: no `..`, line break, tab or
//!   `\\` in a value leads it elsewhere. [`Request::segment`] adds any value as one segment.
//! - 2xx is a result. 408, 425, 429, 5xx, any 4xx with `Retry-After`, a broken connection and a time-out are
//!   failures worth another attempt. It comes after `Retry-After` where the server sends it, in seconds or as a
//!   date, but no later than the `max` of the step's retry options (in a template `max_backoff_ms`), or an hour
//!   where they say none. Everything else fails the step. The codes:
//!
//! | code | what happened | again? |
//! |---|---|---|
//! | `HTTP_RATE_LIMITED` | 429 | yes |
//! | `HTTP_SERVER_ERROR` | 5xx | yes |
//! | `HTTP_TIMEOUT` | no whole answer in time | yes |
//! | `HTTP_UNREACHABLE` | no connection: name, network or certificate | yes |
//! | `HTTP_BROKEN` | the connection broke before the answer was whole, or the answer is malformed | yes |
//! | `HTTP_NOT_JSON` | a 2xx whose body is not JSON, usually from a proxy on the way | yes |
//! | `HTTP_UNAVAILABLE` | this process cannot make an HTTP client | yes |
//! | `HTTP_UNAUTHORIZED` | 401 or 403 | with `Retry-After` |
//! | `HTTP_NOT_FOUND` | 404 or 410 | with `Retry-After` |
//! | `HTTP_CLIENT_ERROR` | any other 4xx | 408, 425, and with `Retry-After` |
//! | `HTTP_REDIRECT` | a redirect that is not followed, or another 3xx | no |
//! | `HTTP_UNEXPECTED_BODY` | JSON of another shape than the handler reads | no |
//! | `HTTP_TOO_LARGE` | more than the limit of the response | no |
//! | `HTTP_ADDRESS_REFUSED` | an address that is not globally reachable and not allowed | no |
//! | `HTTP_INVALID_REQUEST` | a path, header or body that cannot be sent | no |
//! | `HTTP_MISCONFIGURED` | a section or variable is missing or wrong; found at the start | no |
//!
//! - Redirects are followed, at most five, where scheme, host and port stay the same; never from POST to GET but
//!   after 303.
//! - Answers may come packed with gzip; the limit of the response counts unpacked bytes.
//! - Addresses that are not globally reachable, by the registries of IANA, are refused unless
//!   `allowed_networks` of `[api]` holds them. What was checked is what is connected to.

mod address;
mod answer;
mod call;
mod capable;
mod client;
mod path;
mod redirect;
mod request;
mod secrets;
mod send;
mod special;
mod status;
mod target;
mod text;

pub use call::Api;
pub use capable::ApiCapable;
pub use client::ApiClient;
pub use request::{Request, Response};
pub use status::{StatusClass, status_of};
