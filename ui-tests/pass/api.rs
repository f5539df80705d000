//! Everything that calling an API may look like.

use tasker_runtime::handler::{Need, TaskSequenceStep};
use tasker_runtime::prelude::*;

#[api(
    base_url = "https://payments.example.org/v1",
    config = "payments",
    timeout = "10s",
    headers = { "Accept-Language" = "en", "Authorization" = "Bearer ${PAYMENTS_TOKEN}" },
    max_response_bytes = 1_048_576,
)]
#[step_handler]
async fn charge(cents: u64, api: Api) -> Result<u64, StepError> {
    api.post("/charges", &cents).await
}

#[step_handler]
#[tasker_runtime::api(config = "shipping")]
async fn ship(#[depends_on(charge)] charged: u64, api: Api) -> Result<String, StepError> {
    let answer = api.put("/shipments", &charged).query("fast", true).response().await?;
    Ok(answer.body)
}

/// A client of the user's own around ours.
struct Mailer(Api);

impl FromStep for Mailer {
    const NEEDS: &'static [Need] = &[Need::All(Api::NEEDS)];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        Api::from_step(step).map(Self)
    }
}

#[api(config = "mail")]
#[step_handler]
async fn mail(mailer: Mailer) -> Result<(), StepError> {
    mailer.0.delete("/drafts/7").await
}

mod own {
    /// A type that happens to be called so is read like any other.
    #[derive(serde::Deserialize)]
    pub(crate) struct Api {
        pub(crate) name: String,
    }
}

#[step_handler]
async fn other(api: own::Api) -> String {
    api.name
}

fn main() {}
