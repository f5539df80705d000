//! The step `new_handler`, which calls an HTTP API.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// What it takes from the context of the task.
#[derive(Serialize, Deserialize)]
pub struct Input {
    pub id: String,
}

/// What the API answers, and a step after it reads with `#[depends_on(new_handler)]`.
#[derive(Serialize, Deserialize)]
pub struct Output {
    pub status: String,
}

/// Answers that promise better times, and silence, are tried again; the key of the step goes along, so that
/// the API can tell a second attempt from a second order.
#[step_handler(retry(max_attempts = 5, backoff = "exponential", base = "1s"), timeout = "1m")]
#[api(base_url = "https://api.example.com")]
pub async fn new_handler(input: Input, api: Api) -> Result<Output, StepError> {
    api.post("/orders", &input).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tasker_runtime::testing;

    #[test]
    fn silence_is_worth_another_attempt() {
        // Nobody listens there.
        let api = Api::for_test("http://127.0.0.1:9").expect("a URL");
        let error = testing::block_on(new_handler(Input { id: "7".to_owned() }, api)).err();
        assert!(error.is_some_and(|error| error.is_retryable()));
    }
}
