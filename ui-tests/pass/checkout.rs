//! Every form of parameter and of result.
#![deny(warnings, missing_docs, unused, clippy::pedantic)]
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// An order.
#[derive(Deserialize)]
pub struct Order {
    /// The amount.
    pub amount: u64,
}

/// What was checked.
#[derive(Serialize, Deserialize)]
pub struct Valid {
    /// The total.
    pub total: u64,
}

/// A view.
#[derive(Deserialize)]
pub struct View {
    total: u64,
}

/// Limits.
#[derive(Deserialize)]
pub struct Limits {
    most: u64,
}

/// State.
pub struct Db;

/// Alias.
pub type Outcome<T> = Result<T, StepError>;

/// Validates.
///
/// # Errors
/// Never.
#[step_handler]
pub async fn validate(order: Order) -> Result<Valid, StepError> {
    Ok(Valid { total: order.amount })
}

/// Charges.
///
/// # Errors
/// Never.
#[step_handler(
    name = "charge",
    namespace = "shop",
    version = "1.0.0",
    description = "charges",
    retry(max_attempts = 5, backoff = "exponential", base = "200ms", max = "30s"),
    timeout = "30s",
    queue = "slow",
    concurrency = 4,
    marker = ChargeStep
)]
pub async fn charge(#[depends_on(validate)] valid: Valid, limits: Config<Limits>, _db: State<Db>) -> Outcome<u64> {
    Ok(valid.total.min(limits.most))
}

#[step_handler(retry = 2)]
async fn ship(
    #[depends_on(ChargeStep)] charge: Option<u64>,
    #[depends_on("validate")] view: View,
    #[depends_on("validate")] maybe: Option<View>,
    #[input("items.0.sku")] _sku: String,
    _info: StepInfo,
    attempt: Attempt,
    _cancelled: Cancelled,
    _key: IdempotencyKey,
    step: &TaskSequenceStep,
) -> String {
    format!("{} {} {:?} {:?} {}", attempt.number, step.name(), charge, maybe.map(|view| view.total), view.total)
}

/// A module of the handler's own name is in the way of the type beside the function.
pub mod bill {
    use tasker_runtime::prelude::*;

    /// Bills.
    #[step_handler(marker = BillStep)]
    pub async fn bill(total: u64) -> u64 {
        total
    }
}
pub use bill::{BillStep, bill};

#[step_handler]
async fn nothing() {}

#[step_handler]
#[cfg(target_os = "none")]
async fn elsewhere(#[depends_on(nothing)] nothing: ()) -> u64 {
    nothing
}

#[step_handler]
async fn text_error() -> Result<(), String> {
    Err("no".to_owned())
}

#[step_handler]
async fn parse_error() -> Result<u8, std::num::ParseIntError> {
    "x".parse()
}

#[step_handler]
async fn boxed_error() -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    Ok("x".parse()?)
}

fn main() {
    let names = handlers![validate, ChargeStep, BillStep, ship, nothing, text_error, parse_error, boxed_error]
        .map(|entry| entry.key().to_string());
    assert_eq!(names, ["validate", "shop.charge", "bill", "ship", "nothing", "text_error", "parse_error", "boxed_error"]);
}
