//! Methods as handlers.
#![deny(warnings, missing_docs, unused, missing_debug_implementations, clippy::pedantic)]
#![allow(clippy::missing_errors_doc)]

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tasker_runtime::{Tasker, prelude::*};

/// What is ordered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    cents: u64,
}

/// What the handlers share.
#[derive(Debug, Default)]
pub struct Shop {
    charged: AtomicU64,
}

/// Where a decision leads.
#[derive(Debug, Routes)]
pub enum Path {
    /// To one.
    #[route(cheap)]
    Cheap(u64),
    /// To another.
    #[route(dear)]
    Dear,
}

#[step_handlers]
#[allow(clippy::result_large_err)]
impl Shop {
    /// What is dear.
    pub const DEAR: u64 = 1_000;

    /// Reads the context.
    #[step_handler(retry = 2)]
    pub async fn validate(&self, order: Order) -> Result<Order, StepError> {
        self.check(&order)?;
        Ok(order)
    }

    /// Every form of a parameter.
    #[step_handler(name = "take_money", timeout = "3s")]
    async fn charge(
        &self,
        #[depends_on(validate)] Order { cents }: Order,
        #[input("note", default = "none")] mut note: String,
        key: IdempotencyKey,
        step: &TaskSequenceStep,
    ) -> u64 {
        note.push_str(key.as_str());
        assert_eq!(step.name(), "take_money");
        self.charged.fetch_add(cents, Ordering::Relaxed);
        cents
    }

    /// A decision.
    #[decision]
    #[step_handler]
    async fn choose(&self, #[depends_on(charge)] cents: u64) -> Path {
        if cents < Self::DEAR { Path::Cheap(cents) } else { Path::Dear }
    }

    /// With routes in its body.
    #[step_handler]
    #[decision(routes = [cheap, dear])]
    pub async fn choose_by_hand(&self) -> Decision {
        if self.charged.load(Ordering::Relaxed) == 0 { Decision::route([cheap]) } else { Decision::route([dear]) }
    }

    /// Without the value.
    #[step_handler]
    async fn cheap(#[depends_on(choose)] cents: u64) -> u64 {
        cents
    }

    /// With the value alone.
    #[step_handler]
    async fn dear(&self) -> u64 {
        self.charged.load(Ordering::Relaxed)
    }

    /// Under a condition that does not hold.
    #[cfg(any())]
    #[step_handler]
    async fn missing(&self, missing: Missing) -> u64 {
        7
    }

    fn check(&self, order: &Order) -> Result<(), StepError> {
        if order.cents == 0 && self.charged.load(Ordering::Relaxed) == 0 {
            return Err(StepError::permanent("NOTHING", "nothing to pay"));
        }
        Ok(())
    }
}

/// In another module, with `Self` in a signature.
pub mod inner {
    use tasker_runtime::prelude::*;

    /// Shared as well.
    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
    pub struct Ledger(pub u64);

    #[step_handlers]
    impl Ledger {
        /// Returns what it is.
        #[step_handler]
        pub async fn copy(&self, #[depends_on(super::validate)] order: super::Order) -> Result<Self, StepError> {
            Ok(Self(self.0 + order.cents))
        }
    }
}

workflow!(
    /// All of them.
    pub checkout = [validate, charge, choose, cheap, dear]
);
workflow!(copying = [validate, inner::copy]);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shop = Shop::default();
    assert_eq!(shop.choose_by_hand().await.routes(), ["cheap"]);
    let builder = Tasker::builder().database("sqlite::memory:").state(shop).state(inner::Ledger(7));
    let tasker = builder.start().await?;
    let ends: Ends = tasker.run(checkout, &Order { cents: 5 }).await?;
    assert_eq!(ends.cheap, Some(5));
    let copied = tasker.run(copying, &Order { cents: 5 }).await?;
    assert_eq!(copied.0, 12);
    Ok(())
}

/// The result of a workflow that ends in one of two.
#[derive(Debug, Deserialize)]
struct Ends {
    cheap: Option<u64>,
}
