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
//! section: `#[api(config = "payments")]` reads `[api.payments]`. Both together are fine; the section goes
//! first.
//!
//! - Every request but GET carries `Idempotency-Key: {task}:{step}`, the same for every attempt of the
//!   step, and every request carries `traceparent`, whose trace is the task's correlation id.
//! - 2xx is a result. 429, 5xx, a broken connection and a time-out are failures worth another attempt,
//!   after `Retry-After` where the server sends it. Everything else fails the step. The codes:
//!
//! | code | what happened | again? |
//! |---|---|---|
//! | `HTTP_RATE_LIMITED` | 429 | yes |
//! | `HTTP_SERVER_ERROR` | 5xx | yes |
//! | `HTTP_TIMEOUT` | no whole answer in time | yes |
//! | `HTTP_UNREACHABLE` | no connection: name, network or certificate | yes |
//! | `HTTP_BROKEN` | the connection broke before the answer was whole | yes |
//! | `HTTP_NOT_JSON` | a 2xx whose body is no JSON, usually from a proxy on the way | yes |
//! | `HTTP_UNAVAILABLE` | this process cannot make an HTTP client | yes |
//! | `HTTP_UNAUTHORIZED` | 401 or 403 | no |
//! | `HTTP_NOT_FOUND` | 404 or 410 | no |
//! | `HTTP_CLIENT_ERROR` | any other 4xx | no |
//! | `HTTP_REDIRECT` | a redirect that is not followed | no |
//! | `HTTP_UNEXPECTED_BODY` | JSON of another shape than the handler reads | no |
//! | `HTTP_TOO_LARGE` | more than the limit of the response | no |
//! | `HTTP_ADDRESS_REFUSED` | an address that is not public and not allowed | no |
//! | `HTTP_INVALID_REQUEST` | a path, header or body that cannot be sent | no |
//! | `HTTP_MISCONFIGURED` | a section or variable is missing or wrong; found at the start | no |
//!
//! - Redirects are followed, at most five, on the same host and port, or from `http` to `https` of the same
//!   host; never from POST to GET but after 303.
//! - Addresses that are not public are refused unless `allowed_networks` of `[api]` holds them. What was
//!   checked is what is connected to.

mod address;
mod call;
mod capable;
mod client;
mod request;
mod secrets;
mod send;
mod status;
mod target;

pub use call::Api;
pub use capable::ApiCapable;
pub use client::ApiClient;
pub use request::{Request, Response};
pub use status::{StatusClass, status_of};
