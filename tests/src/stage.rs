//! What the handlers of a test do, and what they were called with.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tasker_runtime::{
    clock::Clock,
    handler::Registration,
    model::Timestamp,
    prelude::{Json, StepError, StepHandler, TaskSequenceStep},
    registry::Registry,
    template::{RetryOptions, Step, Template},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::world::eventually;

type Played = Pin<Box<dyn Future<Output = Result<Json, StepError>> + Send>>;
type Act = Arc<dyn Fn(TaskSequenceStep) -> Played + Send + Sync>;

/// Every step of a test's templates calls one handler, which looks up here what to do. A step nobody wrote
/// an act for returns its own name.
#[derive(Clone)]
pub struct Stage(Arc<Inner>);

struct Inner {
    clock: Clock,
    acts: Mutex<HashMap<String, Act>>,
    calls: Mutex<Vec<Call>>,
}

/// A call of a handler, noted when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The task.
    pub task: Uuid,
    /// The step.
    pub step: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// What the clock showed.
    pub at: Timestamp,
}

impl Stage {
    /// A stage without acts.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self(Arc::new(Inner { clock: clock.clone(), acts: Mutex::default(), calls: Mutex::default() }))
    }

    /// From now on steps called `step` do this.
    pub fn on<F>(&self, step: &str, act: impl Fn(TaskSequenceStep) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<Value, StepError>> + Send + 'static,
    {
        self.on_text(step, move |step| {
            let playing = act(step);
            async move { playing.await.map(|value| Json::of(&value).expect("a value that serializes")) }
        });
    }

    /// As [`on`](Self::on), with the result as the text the journal is to keep.
    pub fn on_text<F>(&self, step: &str, act: impl Fn(TaskSequenceStep) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<Json, StepError>> + Send + 'static,
    {
        let act: Act = Arc::new(move |step| Box::pin(act(step)));
        lock(&self.0.acts).insert(step.to_owned(), act);
    }

    /// From now on `step` returns its name once a permit was added to what this returns, one for each call.
    pub fn gate(&self, step: &str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        let handed = gate.clone();
        self.on(step, move |step| {
            let gate = handed.clone();
            async move {
                gate.acquire().await.expect("a gate that stays").forget();
                Ok(step.name().into())
            }
        });
        gate
    }

    /// The calls so far, in the order they began.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.0.calls).clone()
    }

    /// What was called so far, as `step attempt`.
    #[must_use]
    pub fn called(&self) -> Vec<String> {
        self.calls().iter().map(|call| format!("{} {}", call.step, call.attempt)).collect()
    }

    /// When the attempts at `step` began.
    #[must_use]
    pub fn times(&self, step: &str) -> Vec<Timestamp> {
        self.calls().iter().filter(|call| call.step == step).map(|call| call.at).collect()
    }

    /// Waits until `step` was called `times` times in all.
    pub async fn wait_for(&self, step: &str, times: usize) {
        let seen = || async { (self.times(step).len() >= times).then_some(()) };
        eventually(&format!("call {times} of `{step}`"), seen).await;
    }

    /// Notes the call and does what the act of the step says.
    ///
    /// # Errors
    /// What the act fails with.
    pub async fn play(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        lock(&self.0.calls).push(Call {
            task: step.task_id(),
            step: step.name().to_owned(),
            attempt: step.attempt(),
            at: self.0.clock.now(),
        });
        let act = lock(&self.0.acts).get(step.name()).cloned();
        match act {
            Some(act) => act(step.clone()).await,
            None => step.output(step.name()),
        }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage({:?})", self.called())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // An act that panics holds no lock of ours.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one handler.
struct Play;

impl StepHandler for Play {
    fn name(&self) -> &str {
        "play"
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        let stage = step.parts().states.get::<Stage>();
        stage.ok_or_else(|| StepError::permanent("NO_STAGE", "the test has none"))?.play(step).await
    }
}

/// The registry that has this handler alone.
#[must_use]
pub fn registry() -> Registry {
    Registry::of([Registration::new(&Play, file!(), line!(), module_path!())])
}

/// A step that plays what the stage says, after these.
#[must_use]
pub fn step(name: &str, after: &[&str]) -> Step {
    Step::new(name).handler("play").after(after.iter().copied())
}

/// The step with these retry options.
#[must_use]
pub fn retried(mut step: Step, retry: RetryOptions) -> Step {
    step.retry = retry;
    step
}

/// The template `test/<name>` of these steps.
#[must_use]
pub fn template(name: &str, steps: impl IntoIterator<Item = Step>) -> Template {
    let builder = Template::builder(name).namespace("test");
    steps.into_iter().fold(builder, |builder, step| builder.step(step)).build().expect("a valid template")
}
