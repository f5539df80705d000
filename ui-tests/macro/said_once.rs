//! Mistakes of a signature that the compiler would say again.

use std::borrow::Cow;

use tasker_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Order {
    cents: u64,
}

#[step_handler]
async fn taxes(Json(order): Json<Order>) -> u64 {
    order.cents
}

#[step_handler]
async fn greets<'a>(name: Cow<'a, str>) -> String {
    name.to_string()
}

#[step_handler]
async fn prüfe(amount: u64) -> u64 {
    amount
}

workflow!(amt = [taxes, greets, prüfe]);

fn main() {}
