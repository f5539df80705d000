//! Compensations in all their forms.

use serde::{Deserialize, Serialize};
use tasker_runtime::handler::Compensating;
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    amount: u64,
}

#[derive(Serialize, Deserialize)]
struct Charge {
    id: String,
}

#[step_handler]
async fn reserve(order: Order) -> u64 {
    order.amount
}

#[step_handler(name = "pay", namespace = "shop", marker = Pay)]
async fn charge(#[depends_on(reserve)] _pieces: u64) -> Result<Charge, StepError> {
    Ok(Charge { id: "ch_1".to_owned() })
}

#[compensates(Pay)]
#[step_handler(retry(max_attempts = 10, base = "1s", max = "1m"), timeout = "5s")]
async fn refund(
    #[depends_on(Pay)] charge: Charge,
    #[depends_on(reserve)] _pieces: u64,
    _order: Order,
    _key: IdempotencyKey,
) -> Result<String, StepError> {
    Ok(charge.id)
}

#[step_handler]
#[compensates("reserve")]
async fn release(#[depends_on("reserve")] pieces: u64, step: &TaskSequenceStep) -> String {
    format!("{pieces} for {}", step.name())
}

#[step_handler]
#[batch_analyzer(worker = send)]
async fn cut(count: u64) -> BatchPlan {
    BatchPlan::of_size(count, 100)
}

#[step_handler]
#[batch_worker]
async fn send(_letters: Cursor<u64>) -> Charge {
    Charge { id: "sent".to_owned() }
}

/// Called for each batch, with the result of that one.
#[step_handler]
#[compensates(send)]
async fn call_back(#[depends_on(self::send)] sent: Charge) -> String {
    sent.id
}

workflow!(letters = [cut, send], on_failure = "compensate");

workflow!(checkout = [reserve, Pay], on_failure = "compensate");

fn compensates<T: Compensating>() {}

fn main() {
    compensates::<refund>();
    compensates::<release>();
    compensates::<call_back>();
    let _ = letters;
    let _ = (checkout, charge(1), release);
}
