use tasker_runtime::prelude::*;

#[api(base_url = "payments.example.org")]
#[step_handler]
async fn no_scheme(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(base_url = "https://me:secret@payments.example.org")]
#[step_handler]
async fn credentials(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(base_url = "https://payments.example.org?key=1")]
#[step_handler]
async fn query(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(base_url = "https://${HOST}/")]
#[step_handler]
async fn variable(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

#[api(base_url = 7)]
#[step_handler]
async fn no_text(api: Api) -> Result<(), StepError> {
    api.get("/").await
}

fn main() {}
