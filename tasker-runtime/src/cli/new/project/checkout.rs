//! The workflow `checkout`: what it is started with, its steps, and what they give to each other.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

workflow!(
    /// Validates an order, charges for it and ships it.
    ///
    /// In a program of your own, such as a web server, this runs it, and the compiler knows both types:
    ///
    /// `let shipped: String = checkout.run(&tasker, &order).await?;`
    pub checkout = [validate, charge, ship],
    version = "1.0.0",
);

/// What a task is started with.
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
