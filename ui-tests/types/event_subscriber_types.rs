//! What a subscriber takes and returns.

use tasker_runtime::prelude::*;

struct Payment;

#[event_subscriber("payment.*")]
async fn takes_data(payment: Payment) {
    drop(payment);
}

#[event_subscriber("payment.*")]
async fn returns_data(_: Event<Json>) -> u64 {
    7
}

fn main() {}
