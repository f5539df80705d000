use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Valid;

#[derive(Serialize, Deserialize)]
struct Charge;

#[step_handler]
async fn validate(amount: u64) -> Result<Valid, StepError> {
    let _ = amount;
    Ok(Valid)
}

#[step_handler]
async fn charge(#[depends_on(validate)] charge: Charge) -> Charge {
    charge
}

#[step_handler]
async fn ship(#[depends_on(validate)] charge: Option<Charge>) -> Option<Charge> {
    charge
}

#[step_handler]
async fn bill(#[depends_on(validate)] all: Vec<Valid>) -> usize {
    all.len()
}

fn main() {}
