use tasker_runtime::prelude::*;

#[api(config = "payments", headers = { "Authorization" = "Bearer 1234" })]
#[step_handler]
async fn secret(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(config = "payments", headers = { "X-Shop" = "${SHOP" })]
#[step_handler]
async fn open(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(config = "payments", headers = { "X Shop" = "1", "Host" = "x", "A" = "1", "a" = "2" })]
#[step_handler]
async fn names(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(config = "payments", headers = "X-Shop: 1")]
#[step_handler]
async fn form(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

fn main() {}
