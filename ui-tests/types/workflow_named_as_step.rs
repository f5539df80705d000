use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(amount: u64) -> u64 {
    amount
}

workflow!(charge = [charge]);

fn main() {}
