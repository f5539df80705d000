use tasker_runtime::prelude::*;

#[step_handler]
async fn approve(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[decision(route = [approve])]
async fn misspelt(_amount: u64) -> Decision {
    Decision::route([approve])
}

#[step_handler]
#[decision(approve)]
async fn without_key(_amount: u64) -> Decision {
    Decision::route([approve])
}

fn main() {}
