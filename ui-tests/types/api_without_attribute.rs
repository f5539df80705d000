use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(cents: u64, api: Api) -> Result<u64, StepError> {
    api.post("/charges", &cents).await
}

fn main() {}
