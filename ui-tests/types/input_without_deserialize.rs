use tasker_runtime::prelude::*;

struct Order;

#[step_handler]
async fn whole(order: Order) {
    let _ = order;
}

#[step_handler]
async fn field(#[input("order")] order: Order) {
    let _ = order;
}

#[step_handler]
async fn loose(#[depends_on("other")] order: Order) {
    let _ = order;
}

#[step_handler]
async fn many(orders: Vec<Order>) {
    let _ = orders;
}

fn main() {}
