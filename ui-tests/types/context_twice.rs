use tasker_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Order;

#[derive(serde::Deserialize)]
struct Valid;

#[step_handler]
async fn charge(order: Order, attempt: Attempt, valid: Valid) -> u32 {
    let _ = (order, valid);
    attempt.number
}

fn main() {}
