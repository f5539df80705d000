use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Charge {
    id: u64,
}

#[step_handler]
async fn charge(id: u64) -> Charge {
    Charge { id }
}

#[step_handler]
#[compensates(charge)]
async fn refund(charge: Charge) -> u64 {
    charge.id
}

fn main() {}
