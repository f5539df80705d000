use tasker_runtime::prelude::*;

#[step_handler(retries = 3)]
async fn charge(amount: u64) -> u64 {
    amount
}

#[step_handler(colour = "red")]
async fn ship(amount: u64) -> u64 {
    amount
}

#[step_handler(retry(max_attempt = 3, jitter = true))]
async fn bill(amount: u64) -> u64 {
    amount
}

fn main() {}
