//! A file bound to handlers, by module and by list.
#![deny(warnings, missing_docs, unused, clippy::pedantic)]

use tasker_runtime::prelude::*;
use tasker_runtime::registry::Workflow;

mod steps {
    use tasker_runtime::prelude::*;

    #[step_handler]
    pub async fn validate(amount: u64) -> u64 {
        amount
    }

    #[step_handler]
    pub async fn charge(#[depends_on(validate)] amount: u64) -> u64 {
        amount
    }

    #[step_handler(namespace = "shop")]
    pub async fn ship(#[depends_on(charge)] amount: u64, #[depends_on("first")] first: u64) -> u64 {
        amount + first
    }
}

template!(pub by_module = "bound.yaml", handlers = crate::steps);
template!(by_list = "bound.yaml", handlers = [steps::ship, steps::validate, steps::charge]);
template!("bound.yaml", handlers = steps);

fn main() {
    assert_eq!(by_module.template().unwrap().steps().len(), 3);
    assert_eq!(by_list.name(), "bound");
    assert_eq!(Workflow::discover().len(), 3);
}
