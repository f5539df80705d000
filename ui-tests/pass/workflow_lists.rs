//! Lists with conditions, other names and other workflows.
#![deny(warnings, missing_docs, unused, missing_debug_implementations, clippy::pedantic)]
#![allow(unexpected_cfgs)]

use serde::{Deserialize, Serialize};
use tasker_runtime::{Tasker, prelude::*, registry::Workflow};

/// What is ordered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    cents: u64,
}

/// Reads the context.
#[step_handler]
pub async fn validate(order: Order) -> u64 {
    order.cents
}

#[cfg(no_such_condition)]
#[step_handler]
async fn missing(#[depends_on(validate)] cents: u64) -> u64 {
    cents
}

/// Steps of another team, which nobody else can name.
pub mod payments {
    use super::Order;
    use tasker_runtime::prelude::*;

    #[step_handler(name = "collect")]
    async fn charge(order: Order) -> u64 {
        order.cents
    }

    #[step_handler]
    async fn book(#[depends_on(charge)] cents: u64) -> u64 {
        cents + 1
    }

    workflow!(
        /// Takes the money.
        pub paying = [charge, book]
    );
}

/// Reads a step of the other workflow by its name.
#[step_handler]
pub async fn ship(#[depends_on("book")] booked: u64, #[depends_on(validate)] cents: u64) -> u64 {
    booked + cents
}

/// Reads one of two steps of one handler.
#[step_handler]
pub async fn report(#[depends_on(ship)] first: u64, #[depends_on("ship_again")] second: u64) -> (u64, u64) {
    (first, second)
}

/// Reads the only step of its handler, whatever its name.
#[step_handler]
pub async fn thank(#[depends_on(validate)] cents: u64) -> u64 {
    cents
}

workflow!(
    /// Everything at once.
    pub checkout = [
        validate,
        ..payments::paying,
        #[cfg(no_such_condition)]
        missing,
        #[cfg(not(no_such_condition))]
        #[cfg(all())]
        ship,
        ship as ship_again(after(ship)),
        report(after(ship_again, payments_done)),
        thank as payments_done(after(ship),),
    ],
    version = "2.0.0",
);

workflow!(pub renamed = [validate as r#type, thank]);

// A condition of the list itself.
workflow!(
    #[cfg(all())]
    pub conditional = [#[cfg(no_such_condition)] missing, validate]
);

/// Two workflows in one, with one around them.
mod all {
    use tasker_runtime::prelude::*;

    workflow!(pub(super) outer = [..super::checkout, ..super::cleaning::sweeping]);
}

mod cleaning {
    use tasker_runtime::prelude::*;

    #[step_handler]
    async fn sweep() {}

    workflow!(pub(crate) sweeping = [sweep]);
}

fn edges(workflow: &Workflow) -> Vec<(String, String, String)> {
    let template = workflow.template().expect("checked by the compiler");
    let steps = template.steps().iter();
    steps
        .map(|step| (step.name.to_string(), step.handler.callable.clone(), step.depends_on.join(",")))
        .collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let step = |name: &str, handler: &str, after: &str| (name.to_owned(), handler.to_owned(), after.to_owned());
    let all = [
        step("validate", "validate", ""),
        step("collect", "collect", ""),
        step("book", "book", "collect"),
        step("ship", "ship", "book,validate"),
        step("ship_again", "ship", "book,validate,ship"),
        step("report", "report", "ship,ship_again,payments_done"),
        step("payments_done", "thank", "validate,ship"),
    ];
    assert_eq!(edges(&checkout), all);
    assert_eq!(edges(&renamed), [step("type", "validate", ""), step("thank", "thank", "type")]);
    assert_eq!(edges(&conditional), [step("validate", "validate", "")]);
    let outer = edges(&all::outer);
    assert_eq!((&outer[..7], &outer[7..]), (&all[..], &[step("sweep", "sweep", "")][..]));

    // The types are those of the steps in its own list.
    let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
    let reported: (u64, u64) = tasker.run(checkout, &Order { cents: 5 }).await?;
    assert_eq!(reported, (11, 11));
    let thanked: u64 = renamed.run(&tasker, &Order { cents: 7 }).await?;
    assert_eq!(thanked, 7);
    Ok(())
}
