use tasker_runtime::prelude::*;

#[step_handler(marker = steps::Charge, crate)]
async fn charge(amount: u64) -> u64 {
    amount
}

#[step_handler("charge")]
async fn ship(amount: u64) -> u64 {
    amount
}

#[step_handler(name)]
async fn bill(amount: u64) -> u64 {
    amount
}

fn main() {}
