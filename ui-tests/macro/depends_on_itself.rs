use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(#[depends_on(charge)] amount: u64) -> u64 {
    amount
}

#[step_handler(name = "send")]
async fn ship(#[depends_on("send")] amount: u64) -> u64 {
    amount
}

fn main() {}
