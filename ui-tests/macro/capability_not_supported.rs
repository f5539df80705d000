use tasker_runtime::prelude::*;

#[publishes("payment.processed", on = "success")]
#[step_handler]
async fn above(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[publishes("payment.processed", on = "success")]
async fn below(amount: u64) -> u64 {
    amount
}

fn main() {}
