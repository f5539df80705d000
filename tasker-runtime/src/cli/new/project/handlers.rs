//! The steps of `config/tasks/checkout.yaml`.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// What a task is submitted with.
#[derive(Serialize, Deserialize)]
pub struct Order {
    pub item: String,
    pub cents: u64,
}

/// What was paid.
#[derive(Serialize, Deserialize)]
pub struct Charge {
    pub id: String,
    pub cents: u64,
}

#[step_handler]
pub async fn validate(order: Order) -> Result<Order, StepError> {
    if order.cents == 0 {
        return Err(StepError::permanent("NOTHING_TO_PAY", format!("{} costs nothing", order.item)));
    }
    Ok(order)
}

// The key is the same for every attempt: a payment provider that gets it charges once.
#[step_handler(retry(max_attempts = 5, backoff = "exponential", base = "200ms"), timeout = "30s")]
pub async fn charge(
    #[depends_on(validate)] order: Order,
    key: IdempotencyKey,
) -> Result<Charge, StepError> {
    Ok(Charge { id: key.to_string(), cents: order.cents })
}

#[step_handler]
pub async fn ship(#[depends_on(validate)] order: Order, #[depends_on(charge)] charge: Charge) -> String {
    format!("{} shipped for {} cents", order.item, charge.cents)
}
