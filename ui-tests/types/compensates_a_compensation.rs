use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[compensates(charge)]
async fn refund(#[depends_on(charge)] charged: u64) -> u64 {
    charged
}

#[step_handler]
#[compensates(refund)]
async fn charge_again() {}

fn main() {}
