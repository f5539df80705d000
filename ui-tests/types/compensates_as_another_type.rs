use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[compensates(charge)]
async fn refund(#[depends_on(charge)] charged: String) -> String {
    charged
}

fn main() {}
