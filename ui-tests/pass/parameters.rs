//! Structs of parameters in every form.
#![deny(warnings, missing_docs, unused, missing_debug_implementations, clippy::pedantic)]

use serde::{Deserialize, Serialize};
use tasker_runtime::{prelude::*, registry::Workflow, testing};

/// What is baked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dough {
    grams: u64,
}

/// Where it is baked.
#[derive(Debug)]
pub struct Oven(u64);

/// Reads the context.
#[step_handler]
pub async fn knead(dough: Dough) -> Dough {
    dough
}

/// A batch worker's analyzer.
#[step_handler]
#[batch_analyzer(worker = bake)]
pub async fn cut(#[depends_on(knead)] dough: Dough) -> BatchPlan {
    BatchPlan::of_size(dough.grams, 50)
}

/// Without names.
#[derive(Debug, FromStep)]
pub struct Baking(#[depends_on(knead)] Dough, Cursor<u64>, pub State<Oven>);

/// Takes its batch within a struct.
#[step_handler]
#[batch_worker]
pub async fn bake(Baking(dough, loaf, oven): Baking) -> u64 {
    dough.grams + loaf.start + oven.0.0
}

const GUESTS: u64 = 2;

/// With names, raw ones too.
#[derive(Debug, FromStep)]
pub struct Table {
    #[depends_on(bake)]
    loaves: Vec<u64>,
    /// By name, which may not be there.
    #[depends_on("knead")]
    r#type: Option<Dough>,
    #[input("guests.count", default = GUESTS + 1)]
    guests: u64,
    #[input("name", default = "nobody")]
    name: std::borrow::Cow<'static, str>,
    #[input("note")]
    note: Option<String>,
    #[input("seats", default)]
    seats: Vec<u64>,
    /// Perhaps.
    oven: Option<State<Oven>>,
}

/// One inside of another.
#[derive(Debug, FromStep)]
pub struct Meal {
    table: Table,
    attempt: Attempt,
}

/// Nothing is needed.
#[derive(Debug, FromStep)]
pub struct Nothing;

/// Takes structs beside the context.
#[step_handler]
pub async fn eat(meal: Meal, _nothing: Nothing, dough: Dough) -> String {
    let Meal { table: Table { loaves, r#type, guests, name, note, seats, oven }, attempt } = meal;
    let kneaded = r#type.is_some();
    let rest = (note, seats.len(), oven.is_some(), kneaded, dough.grams, attempt.number);
    format!("{} loaves for {guests} and {name}, {rest:?}", loaves.len())
}

workflow!(
    /// From dough to table.
    pub baking = [knead, cut, bake, eat]
);

fn main() -> Result<(), StepError> {
    let edges = |workflow: &Workflow| {
        let template = workflow.template().expect("checked by the compiler");
        template.steps().iter().map(|step| step.depends_on.join(",")).collect::<Vec<_>>()
    };
    assert_eq!(edges(&baking), ["", "knead", "knead,cut", "bake,knead"]);

    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let baked = testing::run_step::<bake>().result_of::<knead>(&Dough { grams: 7 }).cursor(50, 100);
    let baked = runtime.block_on(async { baked.state(Oven(200)).await });
    assert_eq!(baked.result::<u64>()?, 257);

    let eaten = testing::run_step::<eat>().context(&Dough { grams: 9 }).result_of_step("bake", &[1, 2]);
    let eaten = runtime.block_on(async { eaten.await });
    assert_eq!(eaten.result::<String>()?, "2 loaves for 3 and nobody, (None, 0, false, false, 9, 1)");
    Ok(())
}
