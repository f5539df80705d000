use tasker_runtime::prelude::*;

#[step_handler(retry = 0)]
async fn none(amount: u64) -> u64 {
    amount
}

#[step_handler(retry = 1001)]
async fn too_many(amount: u64) -> u64 {
    amount
}

#[step_handler(retry = "3")]
async fn text(amount: u64) -> u64 {
    amount
}

#[step_handler(retry(backoff = "exponentially"))]
async fn backoff(amount: u64) -> u64 {
    amount
}

fn main() {}
