use tasker_runtime::prelude::*;

#[step_handler]
async fn approve() {}

#[step_handler]
#[decision]
async fn without_routes() -> Decision {
    Decision::skip("no")
}

#[step_handler]
#[decision(routes = [])]
async fn empty() -> Decision {
    Decision::skip("no")
}

#[step_handler]
#[decision(routes = [approve, approve])]
async fn twice() -> Decision {
    Decision::route([approve])
}

#[step_handler]
#[decision(routes = [approve, itself])]
async fn itself() -> Decision {
    Decision::route([approve])
}

#[step_handler]
async fn without_attribute() -> Decision {
    Decision::skip("no")
}

#[step_handler]
async fn without_attribute_either() -> Result<Decision, StepError> {
    Ok(Decision::skip("no"))
}

fn main() {}
