//! An order whose steps others want to hear of: validate, charge, take from stock, notify. The template says which events
//! they publish: what is `durable` is in the log when, and only when, the outcome is recorded, what is `fast` is for
//! those who listen in this process.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

use crate::{money::Money, reference::reference};

/// The context.
#[derive(Debug, Clone, Deserialize)]
pub struct EventfulOrder {
    order_id: String,
    customer_id: String,
    amount: Money,
    /// Has the payment declined, to see what becomes of it.
    #[serde(default)]
    simulate_failure: bool,
}

/// What `domain_events_validate` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValidatedOrder {
    order_id: String,
    customer_id: String,
    amount: Money,
    validated: bool,
}

/// What `domain_events_process_payment` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessedPayment {
    transaction_id: String,
    amount: Money,
}

/// What `domain_events_update_inventory` returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdatedInventory {
    order_id: String,
    success: bool,
}

/// What `domain_events_send_notification` returns: the result of the workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SentNotification {
    notification_id: String,
    recipient: String,
    channel: String,
}

/// Checks the order.
///
/// # Errors
///
/// Permanent: `MISSING_ORDER_ID`, `INVALID_AMOUNT`.
#[step_handler]
pub async fn domain_events_validate(order: EventfulOrder) -> Result<ValidatedOrder, StepError> {
    if order.order_id.is_empty() {
        return Err(StepError::permanent("MISSING_ORDER_ID", "the order has no number"));
    }
    if order.amount <= Money::whole(0) {
        let message = format!("an order over {} is none", order.amount);
        return Err(StepError::permanent("INVALID_AMOUNT", message));
    }
    let EventfulOrder { order_id, customer_id, amount, .. } = order;
    Ok(ValidatedOrder { order_id, customer_id, amount, validated: true })
}

/// Charges the customer.
///
/// # Errors
///
/// Retryable: `PAYMENT_DECLINED`, where the context asks for it.
#[step_handler]
pub async fn domain_events_process_payment(
    #[depends_on(domain_events_validate)] order: ValidatedOrder,
    context: EventfulOrder,
    key: IdempotencyKey,
) -> Result<ProcessedPayment, StepError> {
    if context.simulate_failure {
        let message = format!("the payment for order {} was declined", order.order_id);
        return Err(StepError::retryable("PAYMENT_DECLINED", message));
    }
    Ok(ProcessedPayment { transaction_id: reference("TXN", &key), amount: order.amount })
}

/// Takes what was paid for from stock.
#[step_handler]
pub async fn domain_events_update_inventory(
    #[depends_on(domain_events_process_payment)] _payment: ProcessedPayment,
    #[depends_on(domain_events_validate)] order: ValidatedOrder,
) -> UpdatedInventory {
    UpdatedInventory { order_id: order.order_id, success: true }
}

/// Tells the customer.
#[step_handler]
pub async fn domain_events_send_notification(
    #[depends_on(domain_events_update_inventory)] _inventory: UpdatedInventory,
    #[depends_on(domain_events_validate)] order: ValidatedOrder,
    key: IdempotencyKey,
) -> SentNotification {
    SentNotification {
        notification_id: reference("NTF", &key),
        recipient: order.customer_id,
        channel: "email".to_owned(),
    }
}
