//! The workflows that are measured: handlers that do nothing but return 50 bytes.

use async_trait::async_trait;

use crate::{
    api::{Builder, Submission, Tasker},
    handler::{BatchableCapable, Registration, StepHandler, TaskSequenceStep},
    model::{Json, StepError},
    registry::Registry,
    store::Store,
    template::{Step, StepKind, Template},
};

const CONTEXT: &str = r#"{"even_number": 6, "test_run_id": "bench"}"#;
const RESULT: &str = r#"{"processing_info":"done by step","result":1296}"#;

/// Returns the same small result each time.
struct Nothing;

#[async_trait]
impl StepHandler for Nothing {
    fn name(&self) -> &str {
        "bench_nothing"
    }

    async fn call(&self, _step: &TaskSequenceStep) -> Result<Json, StepError> {
        Ok(Json::stored(RESULT))
    }
}

/// Cuts as many batches of one item as the context says.
struct Cut;

#[async_trait]
impl StepHandler for Cut {
    fn name(&self) -> &str {
        "bench_cut"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        self.batch_analyzer_success(self.create_cursor_configs(step.context()?, u64::from(u16::MAX))?, None)
    }
}

impl BatchableCapable for Cut {}

/// One analyzer, its worker, and the step that waits for all batches.
fn batches() -> Option<Template> {
    Template::builder("batches")
        .namespace("bench")
        .step(Step::new("cut").kind(StepKind::Batchable).handler("bench_cut"))
        .step(Step::new("work").kind(StepKind::BatchWorker).after(["cut"]).handler("bench_nothing"))
        .step(
            Step::new("gather").kind(StepKind::DeferredConvergence).after(["work"]).handler("bench_nothing"),
        )
        .build()
        .ok()
}

fn template(name: &str, steps: impl IntoIterator<Item = Step>) -> Option<Template> {
    let template = Template::builder(name).namespace("bench");
    let steps = steps.into_iter().map(|step| step.handler("bench_nothing"));
    steps.fold(template, |template, step| template.step(step)).build().ok()
}

fn templates() -> impl Iterator<Item = Template> {
    let linear = [
        Step::new("one"),
        Step::new("two").after(["one"]),
        Step::new("three").after(["two"]),
        Step::new("four").after(["three"]),
    ];
    let diamond = [
        Step::new("start"),
        Step::new("left").after(["start"]),
        Step::new("right").after(["start"]),
        Step::new("end").after(["left", "right"]),
    ];
    let names: Vec<String> = (0..1000).map(|number| format!("part_{number}")).collect();
    let parts = names.iter().map(|name| Step::new(name.as_str()).after(["start"]));
    let fan_out: Vec<Step> = [Step::new("start")]
        .into_iter()
        .chain(parts)
        .chain([Step::new("end").after(names.clone())])
        .collect();
    [template("linear", linear), template("diamond", diamond), template("fan_out", fan_out)]
        .into_iter()
        .flatten()
        .chain(batches())
}

/// A Tasker that knows the measured workflows and nothing else.
pub(super) fn builder(store: Store) -> Builder {
    let registry = Registry::of([
        Registration::new(&Nothing, file!(), line!(), module_path!()),
        Registration::new(&Cut, file!(), line!(), module_path!()),
    ]);
    templates().fold(Tasker::builder().store(store).registry(registry), Builder::template)
}

pub(super) fn submission(workflow: &str) -> Submission {
    Submission::to(format!("bench/{workflow}")).json(Json::stored(CONTEXT))
}

/// A task of `count` batches.
pub(super) fn batch_submission(count: u32) -> Submission {
    Submission::to("bench/batches").json(Json::stored(&count.to_string()))
}
