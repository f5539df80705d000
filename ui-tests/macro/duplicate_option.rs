use tasker_runtime::prelude::*;

#[step_handler(retry = 3, name = "charge", retry(max_attempts = 4))]
async fn charge(amount: u64) -> u64 {
    amount
}

fn main() {}
