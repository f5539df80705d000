use tasker_runtime::prelude::*;

#[step_handler]
async fn approve() {}

#[step_handler]
async fn reject() {}

async fn plain() {}

type Choice = Decision;

#[step_handler]
#[decision(routes = [approve])]
async fn unlisted() -> Decision {
    Decision::route([reject])
}

#[step_handler]
#[decision(routes = [aprove])]
async fn unknown() -> Decision {
    Decision::skip("no")
}

#[step_handler]
#[decision(routes = [approve])]
async fn no_decision() -> u64 {
    7
}

#[step_handler]
async fn alias_without_attribute() -> Choice {
    Decision::skip("no")
}

fn main() {
    let _ = plain;
}
