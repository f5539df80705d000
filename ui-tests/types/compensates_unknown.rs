use tasker_runtime::prelude::*;

#[step_handler]
async fn process_payment(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[compensates(proces_payment)]
async fn refund(#[depends_on(process_payment)] charged: u64) -> u64 {
    charged
}

fn main() {
    let _ = (process_payment(1), refund(1));
}
