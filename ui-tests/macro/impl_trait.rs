use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(amount: impl Into<u64>) -> u64 {
    amount.into()
}

#[step_handler]
async fn ship(amount: Vec<u64>) -> Result<impl Copy, StepError> {
    Ok(amount.len())
}

fn main() {}
