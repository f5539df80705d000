//! The workflows of these tests, and engines to run them on.

pub(crate) mod failing;

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use handlers as _;
use serde::{Deserialize, Serialize};
use support::{TestDatabase, world::settled};
use tasker_runtime::{
    Tasker,
    api::{Builder, Submission, TaskReport},
    clock::Clock,
    handler::{BatchableCapable, HandlerSpec},
    prelude::*,
    template::{BatchConfig, FailureStrategy, Step, StepKind, Template},
};
use tokio::{runtime::Runtime, sync::Barrier};
use uuid::Uuid;

/// An engine on a database of its own.
pub(crate) struct World {
    pub(crate) tasker: Tasker,
    database: TestDatabase,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.database.fmt(f)
    }
}

impl World {
    /// One on each store.
    pub(crate) async fn on_both(with: impl Fn(Builder) -> Builder) -> Vec<Self> {
        let mut worlds = Vec::new();
        for database in support::databases().await {
            let builder = with(Tasker::builder().database(&database.url));
            worlds.push(Self { tasker: builder.start().await.unwrap(), database });
        }
        worlds
    }

    /// An engine for one template, on a database that others use too.
    pub(crate) async fn over(database: &TestDatabase, template: Template, clock: Clock) -> Tasker {
        Tasker::builder().database(&database.url).clock(clock).template(template).start().await.unwrap()
    }

    /// The same with a runtime of its own, which can crash.
    pub(crate) fn apart(database: &TestDatabase, template: Template, clock: Clock) -> Apart {
        let (url, (sender, receiver)) = (database.url.clone(), std::sync::mpsc::channel());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.spawn(async move {
            let tasker =
                Tasker::builder().database(url).clock(clock).template(template).start().await.unwrap();
            sender.send(tasker).unwrap();
        });
        Apart { tasker: receiver.recv().unwrap(), runtime }
    }

    /// Runs a task until it comes to rest.
    pub(crate) async fn run(&self, template: &str, context: &impl Serialize) -> TaskReport {
        let submission = Submission::to(template).context(context).unwrap();
        let task = self.tasker.submit(submission).await.unwrap();
        settled(&self.tasker, task).await
    }
}

/// An engine that can crash.
pub(crate) struct Apart {
    tasker: Tasker,
    runtime: Runtime,
}

impl Apart {
    pub(crate) fn submit(&self, template: &str, context: &impl Serialize) -> Uuid {
        let submission = Submission::to(template).context(context).unwrap();
        let (tasker, (sender, receiver)) = (self.tasker.clone(), std::sync::mpsc::channel());
        self.runtime.spawn(async move { sender.send(tasker.submit(submission).await.unwrap()).unwrap() });
        receiver.recv().unwrap()
    }

    /// Everything it does ends here and now; nothing is given back.
    pub(crate) async fn crash(self) {
        let runtime = self.runtime;
        let gone = move || runtime.shutdown_timeout(std::time::Duration::from_secs(10));
        tokio::task::spawn_blocking(gone).await.unwrap();
        std::mem::forget(self.tasker);
    }
}

/// The context: how many batches, of which some fail at their first attempt.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Cut {
    pub(crate) batches: u64,
    pub(crate) size: u64,
    pub(crate) failing: Vec<String>,
    pub(crate) gate: usize,
    pub(crate) saving: Option<u64>,
}

impl Cut {
    pub(crate) fn of(batches: u64) -> Self {
        Self { batches, size: 10, failing: Vec::new(), gate: 0, saving: None }
    }

    pub(crate) fn failing(self, batches: &[&str]) -> Self {
        Self { failing: batches.iter().map(|&batch| batch.to_owned()).collect(), ..self }
    }

    pub(crate) fn gated(self, gate: usize) -> Self {
        Self { gate, ..self }
    }

    pub(crate) fn saving(self, at: u64) -> Self {
        Self { saving: Some(at), ..self }
    }
}

/// `bt_cut` → `worker` → `bt_end`.
pub(crate) fn template(
    name: &str,
    worker: &str,
    parallelism: u32,
    failure_strategy: FailureStrategy,
) -> Template {
    let mut work = Step::new(worker).kind(StepKind::BatchWorker).after(["bt_cut"]);
    work.batch = Some(BatchConfig {
        parallelism: Some(parallelism),
        failure_strategy: Some(failure_strategy),
        ..BatchConfig::default()
    });
    let cut = match worker {
        "bt_work" => "bt_cut",
        "bt_meet" => "bt_cut_to_meet",
        _ => "bt_cut_gated",
    };
    let end = match worker {
        "bt_work" => "bt_end",
        "bt_meet" => "bt_end_of_meeting",
        _ => "bt_end_gated",
    };
    Template::builder(name)
        .namespace("batches")
        .step(Step::new("bt_cut").kind(StepKind::Batchable).handler(cut))
        .step(work)
        .step(Step::new("bt_end").kind(StepKind::DeferredConvergence).after([worker]).handler(end))
        .build()
        .unwrap()
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) start: u64,
    pub(crate) items: u64,
    #[serde(default)]
    pub(crate) resumed: u64,
}

#[derive(Serialize)]
pub(crate) struct End {
    results: Vec<(String, Part)>,
    failures: Vec<(String, String)>,
    items: Vec<u64>,
}

pub(crate) fn end(batches: Batches<Part>, parts: Vec<Part>) -> End {
    let failure =
        |failure: tasker_runtime::handler::BatchFailure| (failure.batch_id, failure.error.code().to_owned());
    End {
        failures: batches.failures.into_iter().map(failure).collect(),
        results: batches.results,
        items: parts.into_iter().map(|part| part.items).collect(),
    }
}

#[step_handler]
#[batch_analyzer(worker = bt_work)]
async fn bt_cut(cut: Cut) -> BatchPlan {
    BatchPlan::of_size(cut.batches * 10, cut.size)
}

#[step_handler]
#[batch_worker]
async fn bt_work(
    rows: Cursor<u64>,
    cut: Cut,
    attempt: Attempt,
    progress: Checkpoint<u64>,
) -> Result<Part, StepError> {
    if let Some(at) = cut.saving {
        progress.save(at, 1, 0).await?;
    }
    if attempt.number == 1 && cut.failing.iter().any(|batch| batch == rows.batch_id()) {
        return Err(StepError::permanent("NO", "not at the first attempt"));
    }
    Ok(Part { start: rows.start, items: rows.size().unwrap_or_default(), resumed: 0 })
}

#[step_handler]
async fn bt_end(
    #[depends_on(bt_work)] batches: Batches<Part>,
    #[depends_on("bt_work")] parts: Vec<Part>,
) -> End {
    end(batches, parts)
}

/// How many run at once.
pub(crate) struct Slow {
    now: AtomicUsize,
    most: AtomicUsize,
}

pub(crate) static SLOW: Slow = Slow { now: AtomicUsize::new(0), most: AtomicUsize::new(0) };

impl Slow {
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[step_handler]
#[batch_analyzer(worker = bt_meet)]
async fn bt_cut_to_meet(cut: Cut) -> BatchPlan {
    BatchPlan::into_workers(cut.batches * 10, cut.batches)
}

/// Goes on only where three run at once.
#[step_handler]
#[batch_worker]
async fn bt_meet(rows: Cursor<u64>) -> Part {
    static THREE: std::sync::LazyLock<Barrier> = std::sync::LazyLock::new(|| Barrier::new(3));
    let now = SLOW.now.fetch_add(1, Ordering::SeqCst) + 1;
    SLOW.most.fetch_max(now, Ordering::SeqCst);
    THREE.wait().await;
    SLOW.now.fetch_sub(1, Ordering::SeqCst);
    Part { start: rows.start, items: rows.end - rows.start, resumed: 0 }
}

#[step_handler]
async fn bt_end_of_meeting(#[depends_on(bt_meet)] batches: Batches<Part>) -> End {
    end(batches, Vec::new())
}

/// What the two decisions take.
#[derive(Deserialize)]
struct Choice {
    outer: Vec<String>,
    inner: Vec<String>,
}

/// `bt_outer` chooses among `bt_left` and `bt_inner`, which chooses `bt_deep` or nothing.
pub(crate) fn nested() -> Template {
    Template::builder("nested")
        .namespace("batches")
        .step(Step::new("bt_outer").kind(StepKind::Decision))
        .step(Step::new("bt_left").after(["bt_outer"]))
        .step(Step::new("bt_inner").kind(StepKind::Decision).after(["bt_outer"]))
        .step(Step::new("bt_deep").after(["bt_inner"]))
        .step(
            Step::new("bt_end")
                .handler("bt_end_of_branches")
                .kind(StepKind::DeferredConvergence)
                .after(["bt_left", "bt_deep"]),
        )
        .build()
        .unwrap()
}

/// A decision in a step that is none.
pub(crate) fn unfit() -> Template {
    Template::builder("unfit")
        .namespace("batches")
        .step(Step::new("bt_outer"))
        .step(Step::new("bt_left").after(["bt_outer"]))
        .step(Step::new("bt_inner").kind(StepKind::Decision).after(["bt_outer"]))
        .step(Step::new("bt_deep").after(["bt_inner"]))
        .build()
        .unwrap()
}

#[step_handler]
#[decision(routes = [bt_left, bt_inner])]
async fn bt_outer(choice: Choice) -> Decision {
    if choice.outer.is_empty() {
        Decision::skip("nobody chose")
    } else {
        Decision::route_by_name(choice.outer)
    }
}

#[step_handler]
async fn bt_left() -> &'static str {
    "left"
}

#[step_handler]
#[decision(routes = [bt_deep])]
async fn bt_inner(choice: Choice) -> Decision {
    if choice.inner.is_empty() { Decision::skip("nobody chose") } else { Decision::route([bt_deep]) }
}

#[step_handler]
async fn bt_deep() -> &'static str {
    "deep"
}

#[step_handler]
async fn bt_end_of_branches(
    #[depends_on("bt_left")] left: Option<String>,
    #[depends_on("bt_deep")] deep: Option<String>,
) -> String {
    [left, deep].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A plan and a worker that are written by hand.
pub(crate) fn hand_cut() -> Template {
    Template::builder("hand_cut")
        .namespace("batches")
        .step(Step::new("bt_raw").kind(StepKind::Batchable))
        .step(Step::new("bt_raw_work").kind(StepKind::BatchWorker).after(["bt_raw"]))
        .step(Step::new("bt_raw_end").kind(StepKind::DeferredConvergence).after(["bt_raw_work"]))
        .build()
        .unwrap()
}

#[derive(Deserialize)]
struct Raw {
    plan: serde_json::Value,
    items: u64,
}

struct RawPlan;

#[async_trait]
impl StepHandler for RawPlan {
    fn name(&self) -> &str {
        "bt_raw"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.output(&step.context::<Raw>()?.plan)
    }
}

register_handler!(RawPlan);

struct RawWork;

impl BatchableCapable for RawWork {}

#[async_trait]
impl StepHandler for RawWork {
    fn name(&self) -> &str {
        "bt_raw_work"
    }

    fn spec(&self) -> HandlerSpec {
        HandlerSpec::new().batch_worker()
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        let rows = Cursor::<String>::from_step(step)?;
        let items = step.context::<Raw>()?.items;
        self.batch_worker_success(step, items, &(&rows.start, &rows.end, items))
    }
}

register_handler!(RawWork);

#[step_handler]
async fn bt_raw_end(step: &TaskSequenceStep) -> Result<serde_json::Value, StepError> {
    step.result("bt_raw_work")
}
