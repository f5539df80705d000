use tasker_runtime::prelude::*;

#[derive(Debug)]
struct Declined;

#[step_handler]
async fn charge(amount: u64) -> Result<u64, Declined> {
    Ok(amount)
}

fn main() {}
