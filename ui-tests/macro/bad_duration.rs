use tasker_runtime::prelude::*;

#[step_handler(timeout = "30")]
async fn no_unit(amount: u64) -> u64 {
    amount
}

#[step_handler(timeout = 30)]
async fn no_text(amount: u64) -> u64 {
    amount
}

#[step_handler(timeout = "0s")]
async fn nothing(amount: u64) -> u64 {
    amount
}

#[step_handler(retry(base = "31d", max = "half an hour"))]
async fn delays(amount: u64) -> u64 {
    amount
}

#[step_handler(retry(base = "1m", max = "1s"))]
async fn base_above_max(amount: u64) -> u64 {
    amount
}

fn main() {}
