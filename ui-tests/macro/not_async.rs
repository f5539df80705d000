use tasker_runtime::prelude::*;

#[step_handler]
fn charge(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn ship(#[depends_on(charge)] amount: u64) -> u64 {
    amount
}

fn main() {}
