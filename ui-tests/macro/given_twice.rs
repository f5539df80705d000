use tasker_runtime::prelude::*;

#[step_handler]
#[step_handler(retry = 3)]
async fn charge(amount: u64) -> u64 {
    amount
}

fn main() {
    let _ = charge(7);
}
