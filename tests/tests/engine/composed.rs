//! Workflows made of others, with steps under other names and steps that only come after others.

use std::sync::{Arc, Mutex};

use serde_json::json;
use support::world::worlds;
use tasker_runtime::{prelude::*, registry::Registry};

mod baking {
    use tasker_runtime::prelude::*;

    #[step_handler]
    pub(super) async fn preheat(degrees: u64) -> u64 {
        degrees
    }

    #[step_handler]
    pub(super) async fn bake_loaf(#[depends_on(preheat)] degrees: u64) -> String {
        format!("a loaf at {degrees}")
    }

    workflow!(pub(super) bread = [preheat, bake_loaf]);
}

/// The names of steps in the order in which they are called.
#[derive(Clone, Default)]
struct Called(Arc<Mutex<Vec<String>>>);

#[step_handler]
async fn cool_down(step: &TaskSequenceStep, called: State<Called>) -> Vec<String> {
    called.0.0.lock().unwrap().push(step.name().to_owned());
    step.direct_ancestors().map(str::to_owned).collect()
}

#[step_handler]
async fn slice(
    #[depends_on(baking::bake_loaf)] loaf: String,
    step: &TaskSequenceStep,
    called: State<Called>,
) -> String {
    called.0.0.lock().unwrap().push(step.name().to_owned());
    format!("{}: {loaf}", step.name())
}

#[step_handler]
async fn serve_all(
    #[depends_on("thick")] thick: String,
    #[depends_on("thin")] thin: String,
    #[depends_on(cool_down)] cooled_after: Vec<String>,
) -> (String, String, Vec<String>) {
    (thick, thin, cooled_after)
}

workflow!(
    breakfast = [
        ..baking::bread,
        slice as thick(after(cool_down)),
        slice as thin(after(thick)),
        cool_down(after(baking::bake_loaf)),
        #[cfg(any())]
        never_written,
        serve_all,
    ]
);

#[tokio::test]
async fn composed_workflow_runs_in_the_order_it_says() {
    for world in worlds().await {
        let handlers = handlers![baking::preheat, baking::bake_loaf, cool_down, slice, serve_all];
        let called = Called::default();
        let builder = world.builder(&[]).registry(Registry::of(handlers)).state(called.clone());
        let tasker = builder.template(breakfast.template().unwrap()).start().await.unwrap();
        let (thick, thin, cooled_after) = breakfast.run(&tasker, &json!(220)).await.unwrap();
        assert_eq!(thick, "thick: a loaf at 220", "{}", world.database);
        assert_eq!(thin, "thin: a loaf at 220", "{}", world.database);
        assert_eq!(cooled_after, ["bake_loaf"], "{}", world.database);
        // What comes after something waits for it.
        assert_eq!(*called.0.lock().unwrap(), ["cool_down", "thick", "thin"], "{}", world.database);
    }
}
