use tasker_runtime::prelude::*;

#[step_handler(name = "", namespace = "Shop", version = "1", queue = 7, concurrency = 0)]
async fn charge(amount: u64) -> u64 {
    amount
}

#[step_handler(name = "two words", retry, timeout, marker = "Ship", crate = "x")]
async fn ship(amount: u64) -> u64 {
    amount
}

fn main() {}
