use tasker_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Order {
    total: u64,
}

#[step_handler]
async fn charge(order: Order) -> u64 {
    let text: u32 = "a";
    order.totl
}

fn main() {}
