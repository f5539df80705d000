use tasker_runtime::prelude::*;

async fn validate(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn charge(#[depends_on(validate)] amount: u64) -> u64 {
    amount
}

fn main() {}
