use tasker_runtime::prelude::*;

#[step_handler]
async fn validate(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn charge(#[depends_on(validat)] amount: u64) -> u64 {
    amount
}

fn main() {}
