use tasker_runtime::prelude::*;

#[api(base_ulr = "https://example.org")]
#[step_handler]
async fn misspelt(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(colour = "red", config = "payments")]
#[step_handler]
async fn unknown(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api]
#[step_handler]
async fn nowhere(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(timeout = "10s")]
#[step_handler]
async fn nowhere_in_time(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(config = "payments", timeout = "10")]
#[step_handler]
async fn no_unit(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(config = "payments", timeout = "0s", max_response_bytes = 0)]
#[step_handler]
async fn nothing(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(config = "pay ments")]
#[step_handler]
async fn bad_section(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[step_handler]
#[api(config = "payments")]
#[api(config = "rates")]
async fn twice(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

fn main() {}
