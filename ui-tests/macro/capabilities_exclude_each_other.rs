use tasker_runtime::prelude::*;

#[step_handler]
#[decision]
#[batch_worker]
async fn charge(amount: u64) -> u64 {
    amount
}

fn main() {}
