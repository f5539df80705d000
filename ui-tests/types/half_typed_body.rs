use tasker_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Order {
    total: u64,
}

#[step_handler]
async fn validate(order: Order) -> u64 {
    let half = order.;
    7
}

#[step_handler]
async fn charge(#[depends_on(validate)] total: u64) -> u64 {
    total
}

fn main() {}
