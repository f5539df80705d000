use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Voucher {
    id: u64,
}

declare_step!(pub redeem(cents: u64) -> Result<Voucher, StepError>, name = "till.redeem");

fn main() {}
