use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(amount: u64) -> u64
where
    u64: Copy,
{
    amount
}

fn main() {}
