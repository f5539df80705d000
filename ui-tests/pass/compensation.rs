//! Compensations in all their forms.

use serde::{Deserialize, Serialize};
use tasker_runtime::handler::Compensating;
use tasker_runtime::{prelude::*, testing};

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

/// What is undone, among other parameters.
#[derive(FromStep)]
struct Reserved {
    #[depends_on(self::reserve)]
    pieces: u64,
    _key: IdempotencyKey,
}

#[step_handler]
#[compensates(reserve)]
async fn put_back(reserved: Reserved) -> u64 {
    reserved.pieces
}

workflow!(letters = [cut, send], on_failure = "compensate");

workflow!(checkout = [reserve, Pay], on_failure = "compensate");

fn compensates<T: Compensating>() {}

fn main() {
    compensates::<refund>();
    compensates::<release>();
    compensates::<call_back>();
    compensates::<put_back>();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let back = runtime.block_on(async { testing::run_step::<put_back>().result_of::<reserve>(&7).await });
    assert_eq!(back.result::<u64>().ok(), Some(7));
    let _ = letters;
    let _ = (checkout, charge(1), release);
}
