//! The workflows that are measured: handlers that do nothing but return 50 bytes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    api::{Builder, Submission, Tasker},
    handler::{BatchableCapable, Registration, StepHandler, TaskSequenceStep},
    model::{Json, StepError},
    registry::Registry,
    store::Store,
    template::{Concurrency, Step, StepKind, Template},
};

/// The queue of everything that is measured.
pub(super) const NAMESPACE: &str = "bench";
/// How many steps a linear or diamond task has.
pub(super) const STEPS: u64 = 4;
/// The workflow of callers who wait, and how many steps its tasks have.
pub(super) const ONLINE: &str = "online";
pub(super) const ONLINE_STEPS: u64 = 3;
/// The same with a limit.
const LIMITED: &str = "limited";
/// How long each part of a slow fan-out takes.
const SLOW: Duration = Duration::from_millis(50);

const CONTEXT: &str = r#"{"even_number": 6, "test_run_id": "bench"}"#;
const RESULT: &str = r#"{"processing_info":"done by step","result":1296}"#;

/// Calls of handlers in this process.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// How many handlers this process has called since it started.
pub(super) fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

/// Returns the same small result each time.
struct Nothing;

impl StepHandler for Nothing {
    fn name(&self) -> &str {
        "bench_nothing"
    }

    async fn call(&self, _step: &TaskSequenceStep) -> Result<Json, StepError> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(Json::stored(RESULT))
    }
}

/// Returns the same small result after a while.
struct Wait;

impl StepHandler for Wait {
    fn name(&self) -> &str {
        "bench_wait"
    }

    async fn call(&self, _step: &TaskSequenceStep) -> Result<Json, StepError> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(SLOW).await;
        Ok(Json::stored(RESULT))
    }
}

/// Cuts as many batches of one item as the context says.
struct Cut;

impl StepHandler for Cut {
    fn name(&self) -> &str {
        "bench_cut"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        self.batch_analyzer_success(self.create_cursor_configs(step.context()?, u64::from(u16::MAX))?, None)
    }
}

impl BatchableCapable for Cut {}

fn template(name: &str, steps: impl IntoIterator<Item = Step>) -> Option<Template> {
    steps
        .into_iter()
        .fold(Template::builder(name).namespace(NAMESPACE), |template, step| template.step(step))
        .build()
        .ok()
}

fn nothing(name: &str) -> Step {
    Step::new(name).handler("bench_nothing")
}

fn linear() -> Option<Template> {
    let steps = [
        nothing("one"),
        nothing("two").after(["one"]),
        nothing("three").after(["two"]),
        nothing("four").after(["three"]),
    ];
    template("linear", steps)
}

fn online() -> Option<Template> {
    let steps = [nothing("one"), nothing("two").after(["one"]), nothing("three").after(["two"])];
    template(ONLINE, steps)
}

/// The same with a limit for each value of a field.
fn with_limit() -> Option<Template> {
    let steps = [nothing("one"), nothing("two").after(["one"]), nothing("three").after(["two"])];
    let limit = Concurrency::of(10).key("$.key");
    let builder = Template::builder(LIMITED).namespace(NAMESPACE).concurrency(limit);
    steps.into_iter().fold(builder, |template, step| template.step(step)).build().ok()
}

fn diamond() -> Option<Template> {
    let steps = [
        nothing("start"),
        nothing("left").after(["start"]),
        nothing("right").after(["start"]),
        nothing("end").after(["left", "right"]),
    ];
    template("diamond", steps)
}

/// One analyzer, its worker, and the step that waits for all instances.
fn batches() -> Option<Template> {
    let steps = [
        Step::new("cut").kind(StepKind::Batchable).handler("bench_cut"),
        nothing("work").kind(StepKind::BatchWorker).after(["cut"]),
        nothing("gather").kind(StepKind::DeferredConvergence).after(["work"]),
    ];
    template("batches", steps)
}

/// A fan-out: one step, `width` that need it, one that needs them all.
#[derive(Clone, Copy, Debug)]
pub(super) struct FanOut {
    pub width: u32,
    /// Whether its parts take a while.
    pub slow: bool,
}

impl FanOut {
    /// The template's name says what it is: templates of several widths may be in one database.
    pub(super) fn name(self) -> String {
        format!("fan_out_{}{}", self.width, if self.slow { "_slow" } else { "" })
    }

    fn template(self) -> Option<Template> {
        let handler = if self.slow { "bench_wait" } else { "bench_nothing" };
        let names: Vec<String> = (0..self.width).map(|number| format!("part_{number}")).collect();
        let parts = names.iter().map(|name| Step::new(name.as_str()).after(["start"]).handler(handler));
        let end = nothing("end").after(names.clone());
        template(&self.name(), [nothing("start")].into_iter().chain(parts).chain([end]))
    }
}

/// A Tasker that knows the measured workflows and nothing else; a wide one only where it is measured,
/// because it is large.
pub(super) fn builder(store: Store, fan_out: Option<FanOut>) -> Builder {
    let registry = Registry::of([
        Registration::new(&Nothing, file!(), line!(), module_path!()),
        Registration::new(&Wait, file!(), line!(), module_path!()),
        Registration::new(&Cut, file!(), line!(), module_path!()),
    ]);
    let templates =
        [linear(), online(), with_limit(), diamond(), batches(), fan_out.and_then(FanOut::template)];
    templates.into_iter().flatten().fold(Tasker::builder().store(store).registry(registry), Builder::template)
}

/// Namespace and name of this workflow.
pub(super) fn name(workflow: &str) -> String {
    format!("{NAMESPACE}/{workflow}")
}

/// The context of every task that is measured.
pub(super) fn context() -> serde_json::Value {
    Json::stored(CONTEXT).to_value()
}

/// A task of this workflow.
pub(super) fn submission(workflow: &str) -> Submission {
    Submission::to(name(workflow)).json(Json::stored(CONTEXT))
}

/// A task of a workflow of which ten tasks of each key run at once.
pub(super) fn limited(key: u64) -> Submission {
    Submission::to(name(LIMITED)).json(Json::stored(&format!(r#"{{"key": {key}}}"#)))
}

/// A task of `count` batch instances.
pub(super) fn batch_submission(count: u32) -> Submission {
    Submission::to(format!("{NAMESPACE}/batches")).json(Json::stored(&count.to_string()))
}
