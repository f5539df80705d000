//! A workflow in code, with every option.
#![deny(warnings, missing_docs, unused, clippy::pedantic)]

use tasker_runtime::prelude::*;
use tasker_runtime::registry::{Registry, Workflow};

mod steps {
    use tasker_runtime::prelude::*;

    #[step_handler]
    pub async fn validate(amount: u64) -> u64 {
        amount
    }

    #[step_handler(namespace = "shop", name = "collect")]
    pub async fn charge(#[depends_on(validate)] amount: u64, #[depends_on("validate")] again: u64) -> u64 {
        amount + again
    }

    #[step_handler]
    pub async fn ship(#[depends_on(charge)] amount: u64, #[depends_on(validate)] valid: u64) -> u64 {
        amount + valid
    }
}

workflow!(plain = [steps::validate]);

workflow!(
    /// From order to parcel.
    pub checkout = [steps::validate, steps::charge, steps::ship],
    namespace = "shop",
    version = "1.2.0-rc.1",
    description = "from order to parcel",
    on_failure = "fail",
);

fn main() {
    let template = checkout.template().unwrap();
    assert_eq!((template.namespace(), template.name()), ("shop", "checkout"));
    assert_eq!(template.version().to_string(), "1.2.0-rc.1");
    assert_eq!(template.on_failure().as_str(), "fail");
    let edges: Vec<_> = template.steps().iter().map(|step| (&*step.name, step.depends_on.join(","))).collect();
    assert_eq!(
        edges,
        [("validate", String::new()), ("collect", "validate".into()), ("ship", "collect,validate".into())]
    );
    assert_eq!(template.steps()[1].handler.callable, "shop.collect");

    let names: Vec<_> = Workflow::discover().iter().map(Workflow::name).collect();
    assert_eq!(names, ["checkout", "plain"]);
    let keys: Vec<_> = Registry::discover().handlers().iter().map(|handler| handler.key().to_string()).collect();
    assert_eq!(keys, ["ship", "shop.collect", "validate"]);
}
