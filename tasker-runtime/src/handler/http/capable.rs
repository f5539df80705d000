//! What handlers that call an API have in common.

use serde::Serialize;

use super::{Api, StatusClass, status};
use crate::{
    handler::{Endpoint, TaskSequenceStep},
    model::{Json, StepError},
};

/// A handler that calls an HTTP API. `#[api(…)]` implements it.
///
/// Implemented by hand it goes together with whatever else the handler does. This one calls an API, reads the
/// result of an earlier step and the configuration of its own, and treats one status in its own way:
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::{
///     handler::{Endpoint, HandlerSpec, http::{ApiCapable, StatusClass, status_of}},
///     prelude::*,
/// };
///
/// static RATES: Endpoint = Endpoint::at("https://rates.example.org").timeout(Duration::from_secs(5));
///
/// struct Convert;
///
/// impl ApiCapable for Convert {
///     fn endpoint(&self) -> &'static Endpoint {
///         &RATES
///     }
///
///     // This server answers 404 while it loads its table.
///     fn classify_status_code(&self, status: u16) -> StatusClass {
///         if status == 404 { StatusClass::Retryable } else { StatusClass::of(status) }
///     }
/// }
///
/// impl StepHandler for Convert {
///     fn name(&self) -> &str {
///         "convert"
///     }
///
///     // With this the start of the program checks that the endpoint can be called.
///     fn spec(&self) -> HandlerSpec {
///         HandlerSpec::new().api(&RATES)
///     }
///
///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
///         let cents: u64 = step.result("charge")?;
///         let currency = step.config().get("currency").and_then(|value| value.as_str()).unwrap_or("EUR");
///         let rate: Result<u64, StepError> = self.api(step)?.get("/rate").query("of", currency).await;
///         match rate {
///             Ok(rate) => self.api_success(&(cents * rate)),
///             Err(error) => Err(match status_of(&error) {
///                 Some(404) => self.api_failure(404, "the rates are not there yet"),
///                 _ => error,
///             }),
///         }
///     }
/// }
///
/// register_handler!(Convert);
/// assert!(Convert.api_failure(404, "the rates are not there yet").is_retryable());
/// ```
///
/// Together with another trait it makes, for example, a handler that asks a server and then decides:
///
/// ```
/// use tasker_runtime::handler::{DecisionCapable, Endpoint, HandlerSpec, http::ApiCapable};
/// use tasker_runtime::prelude::*;
///
/// static CREDIT: Endpoint = Endpoint::at("https://credit.example.org");
/// const ROUTES: &[&str] = &["pay_later", "pay_now"];
///
/// struct CheckCredit;
///
/// impl ApiCapable for CheckCredit {
///     fn endpoint(&self) -> &'static Endpoint {
///         &CREDIT
///     }
/// }
///
/// impl DecisionCapable for CheckCredit {
///     fn routes(&self) -> &'static [&'static str] {
///         ROUTES
///     }
/// }
///
/// impl StepHandler for CheckCredit {
///     fn name(&self) -> &str {
///         "check_credit"
///     }
///
///     fn spec(&self) -> HandlerSpec {
///         HandlerSpec::new().api(&CREDIT).decision(ROUTES)
///     }
///
///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
///         let customer: String = step.context()?;
///         let score: u32 = self.api(step)?.get("/score").query("customer", customer).await?;
///         match score {
///             0 => self.skip_branches("nobody sells to this customer"),
///             1..600 => self.decision_success(["pay_now"], None),
///             _ => self.decision_success(["pay_later"], Some(serde_json::json!({ "score": score }))),
///         }
///     }
/// }
///
/// register_handler!(CheckCredit);
/// ```
///
/// With attributes it is `#[decision(routes = [pay_later, pay_now])]` and `#[api(…)]` on one function.
pub trait ApiCapable: Send + Sync {
    /// What it calls.
    fn endpoint(&self) -> &'static Endpoint;

    /// The client, for this step.
    ///
    /// # Errors
    /// As [`Api::of`].
    fn api(&self, step: &TaskSequenceStep) -> Result<Api, StepError> {
        Api::of(step, self.endpoint())
    }

    /// The result of a step whose calls succeeded: `value` as JSON.
    ///
    /// # Errors
    /// A permanent one, where `value` does not serialize.
    fn api_success<V: Serialize + ?Sized>(&self, value: &V) -> Result<Json, StepError>
    where
        Self: Sized,
    {
        Json::of(value).map_err(|error| super::super::input_error::output(&error))
    }

    /// The failure that a status stands for, as this handler [classifies](Self::classify_status_code) it;
    /// `message` says what was asked for or what the server said.
    fn api_failure(&self, status: u16, message: &str) -> StepError {
        status::failure(self.classify_status_code(status), status, message)
            .with_context(serde_json::json!({ "status": status }))
    }

    /// What a status means: [`StatusClass::of`] unless the handler knows better.
    fn classify_status_code(&self, status: u16) -> StatusClass {
        StatusClass::of(status)
    }
}
