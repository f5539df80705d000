use tasker_runtime::prelude::*;

struct Charge;

#[step_handler]
async fn fallible(amount: u64) -> Result<Charge, StepError> {
    let _ = amount;
    Ok(Charge)
}

#[step_handler]
async fn plain(amount: u64) -> Charge {
    let _ = amount;
    Charge
}

fn main() {}
