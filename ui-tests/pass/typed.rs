//! Workflows whose types the compiler knows, and errors of every kind.
#![deny(warnings, missing_docs, unused, missing_debug_implementations, clippy::pedantic)]
#![allow(clippy::missing_errors_doc)]

use std::error::Error;

use serde::{Deserialize, Serialize};
use tasker_runtime::{Tasker, model::TaskState, prelude::*, testing};

/// What is ordered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    cents: u64,
}

/// As `anyhow::Error`: no error, but it becomes one.
#[derive(Debug)]
pub struct Anything(Box<dyn Error + Send + Sync>);

impl<E: Error + Send + Sync + 'static> From<E> for Anything {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl From<Anything> for Box<dyn Error + Send + Sync> {
    fn from(error: Anything) -> Self {
        error.0
    }
}

/// An alias as many have one.
type Outcome<T> = Result<T, Anything>;

/// Reads the context.
#[step_handler]
pub async fn validate(order: Order) -> Outcome<Order> {
    let _: u8 = "7".parse()?;
    Ok(order)
}

/// Any error, with a code.
#[step_handler(errors = "permanent")]
pub async fn charge(#[depends_on(validate)] order: Order) -> Result<u128, StepError> {
    let _: u8 = "7".parse().permanent("BAD_DIGIT")?;
    let most = Some(u128::MAX).or_permanent("NO_LIMIT")?;
    if order.cents == 0 { Err("x".parse::<u8>().map(u128::from).unwrap_err())? } else { Ok(most) }
}

/// One that is local to its thread no more than others.
#[step_handler]
pub async fn announce(order: Order) -> Result<(), Box<dyn Error + Send>> {
    if order.cents == 1 { Err(Box::new(std::fmt::Error)) } else { Ok(()) }
}

workflow!(
    /// One end.
    pub checkout = [validate, charge]
);
workflow!(pub two_ends = [validate, charge, announce], input = Order);

/// A module of the name of a workflow.
pub mod shipping {
    use tasker_runtime::prelude::*;

    /// Reads text.
    #[step_handler]
    pub async fn label(name: String) -> String {
        name
    }
}

workflow!(pub shipping = [shipping::label], marker = ShippingWorkflow);

/// What came of both ends.
#[derive(Deserialize)]
struct Ends {
    charge: u128,
    announce: Option<()>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
    let order = Order { cents: 5 };
    let most: u128 = checkout.run(&tasker, &order).await?;
    assert_eq!(most, u128::MAX);
    let inferred = tasker.run(checkout, &order).await?;
    assert_eq!(inferred, most);
    let task = checkout.submit(&tasker, &order).await?;
    assert_eq!(checkout.wait(&tasker, task).await?, most);
    let tasks = tasker.submit_all([checkout.task(&order)?, checkout.task(&order)?.priority(3)]).await?;
    assert_eq!(tasks.len(), 2);
    assert_eq!(tasker.run(shipping, "ada").await?, "ada");
    let by_name: u128 = tasker.run("checkout", &order).await?;
    assert_eq!(by_name, most);

    let nothing = testing::run(checkout, &Order { cents: 0 }).await?;
    assert_eq!(nothing.state, TaskState::BlockedByFailures);
    assert_eq!(nothing.attempts("charge"), 1);
    let both = testing::run(two_ends, &order).await?;
    let ends: Ends = both.result()?;
    assert_eq!((ends.charge, ends.announce), (u128::MAX, None));
    Ok(())
}
