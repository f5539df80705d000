//! One step, run by itself.

use std::{
    any::type_name,
    future::IntoFuture,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Given, StepOutcome, scene::Scene};
use crate::{
    handler::{
        BatchPart, Events, Need, Progressing, Results, Rounds, Saved, States, StepFn, StepHandler, StepParts,
        TaskData, Upstream, inputs::OfAll,
    },
    model::{Again, CursorConfig, Json, Retry, Round, StepError},
    prelude::TaskSequenceStep,
};

/// One attempt at the step of a handler, with what it needs given by the test.
///
/// ```
/// use tasker_runtime::{prelude::*, testing};
///
/// #[step_handler]
/// async fn validate(cents: u64) -> Result<u64, StepError> {
///     if cents == 0 { Err(StepError::permanent("NOTHING_TO_PAY", "0 cents")) } else { Ok(cents) }
/// }
///
/// #[step_handler]
/// async fn charge(#[depends_on(validate)] cents: u64, attempt: Attempt) -> String {
///     format!("{cents} at attempt {}", attempt.number)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let outcome = testing::run_step::<charge>().result_of::<validate>(&1250).attempt(2).await;
/// assert_eq!(outcome.result::<String>()?, "1250 at attempt 2");
///
/// let refused = testing::run_step::<validate>().context(&0).await;
/// assert_eq!(refused.error().map(StepError::code), Some("NOTHING_TO_PAY"));
/// # Ok::<(), StepError>(())
/// # }).unwrap();
/// ```
///
/// What an upstream step returns has the very type that its function returns:
///
/// ```compile_fail
/// # use tasker_runtime::{prelude::*, testing};
/// # #[step_handler]
/// # async fn validate(cents: u64) -> u64 {
/// #     cents
/// # }
/// # #[step_handler]
/// # async fn charge(#[depends_on(validate)] cents: u64) -> u64 {
/// #     cents
/// # }
/// let mistyped = testing::run_step::<charge>().result_of::<validate>(&"1250");
/// ```
pub fn run_step<S: StepFn>() -> StepRun {
    StepRun { reads_more: reads_more::<S>(), ..run_handler(S::ENTRY.handler()) }
}

/// Whether a handler may read steps that its parameters do not name: where it takes the step as a whole, or something
/// that is taken from the step by code of its own.
fn reads_more<S: StepFn>() -> bool {
    let of_its_own = |need: &Need| matches!(need, Need::Unknown | Need::All([]));
    type_name::<S::Inputs>().contains(type_name::<OfAll>()) || S::NEEDS.iter().any(of_its_own)
}

/// As [`run_step`], for a handler that is written by hand.
///
/// ```
/// use tasker_runtime::{prelude::*, testing};
///
/// struct Greet;
///
/// impl StepHandler for Greet {
///     fn name(&self) -> &str {
///         "greet"
///     }
///
///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
///         step.output(&format!("hello {}", step.context::<String>()?))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let outcome = testing::run_handler(&Greet).context("Ada").await;
/// assert_eq!(outcome.result::<String>()?, "hello Ada");
/// # Ok::<(), StepError>(())
/// # }).unwrap();
/// ```
pub fn run_handler(handler: &'static dyn StepHandler) -> StepRun {
    StepRun {
        handler,
        context: Json::stored("{}"),
        results: Vec::new(),
        states: States::default(),
        config: Value::Object(Map::new()),
        attempt: 1,
        cursor: None,
        last_round: None,
        kept: Arc::default(),
        cancel: CancellationToken::new(),
        mistake: None,
        reads_more: true,
    }
}

/// One attempt that is about to be made; `.await` makes it. See [`run_step`].
///
/// The handler is called as the engine calls it, without a deadline: it runs for as long as it takes, and
/// a panic in it is a panic of the test.
#[must_use = "nothing runs before `.await`"]
pub struct StepRun {
    pub(super) handler: &'static dyn StepHandler,
    context: Json,
    pub(super) results: Vec<(String, Upstream)>,
    states: States,
    pub(super) config: Value,
    attempt: u32,
    cursor: Option<CursorConfig>,
    last_round: Option<Round>,
    kept: Arc<Kept>,
    cancel: CancellationToken,
    /// The first value that is no JSON.
    mistake: Option<StepError>,
    /// Whether the handler may read steps that it does not name.
    pub(super) reads_more: bool,
}

impl StepRun {
    /// The context of the task. Without this it is `{}`.
    pub fn context<T: Serialize + ?Sized>(mut self, context: &T) -> Self {
        if let Some(context) = self.json("the context", Json::of(context)) {
            self.context = context;
        }
        self
    }

    /// What the step of the handler `S` returned; for a compensation, what is undone as well. The result of
    /// a batch worker is a [`Batches`](crate::handler::Batches); what undoes one is called for each batch and
    /// gets the result of that one from [`result_of_step`](Self::result_of_step).
    ///
    /// Results that the handler reads must be given, except those it reads as `Option`: a branch that was
    /// not taken. One that it does not read is `NOT_READ`.
    pub fn result_of<S: StepFn>(mut self, result: &S::Output) -> Self
    where
        S::Output: Given,
    {
        match result.given() {
            Ok(given) => self.results.push((S::NAME.to_owned(), given)),
            Err(error) => self.mistake = self.mistake.or(Some(error)),
        }
        self
    }

    /// What the step called `name` returned, in a shape of the test's own: for handlers that read it with
    /// `#[depends_on("name")]`.
    pub fn result_of_step<T: Serialize + ?Sized>(mut self, name: impl Into<String>, result: &T) -> Self {
        let name = name.into();
        if let Some(result) = self.json(&format!("the result of `{name}`"), Json::of(result)) {
            self.results.push((name, Upstream::Complete(result)));
        }
        self
    }

    /// A value for `State<T>`.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.insert(value);
        self
    }

    /// The step's `handler.initialization`, for `Config<T>`.
    pub fn config<T: Serialize + ?Sized>(mut self, config: &T) -> Self {
        if let Some(config) = self.json("the configuration", serde_json::to_value(config)) {
            self.config = config;
        }
        self
    }

    /// Which attempt this is, from 1, which it is without this.
    pub fn attempt(mut self, number: u32) -> Self {
        self.attempt = number.max(1);
        self
    }

    /// Which round this is of a step that goes round, and what the last one left. Without this it is the first one.
    pub fn round<S: Serialize + ?Sized>(mut self, number: u32, state: &S) -> Self {
        if let Some(state) = self.json("the state", Json::of(state)) {
            self.last_round = (number > 1).then(|| Round { number: number - 1, state });
        }
        self
    }

    /// The slice that a batch worker works on: from `start` to before `end`, as batch `001`.
    pub fn cursor<T: Serialize>(mut self, start: T, end: T) -> Self {
        let ends = serde_json::to_value(start).and_then(|start| Ok((start, serde_json::to_value(end)?)));
        if let Some((start, end)) = self.json("the cursor", ends) {
            self.cursor = Some(CursorConfig { start, end, items: None });
        }
        self
    }

    /// What an earlier attempt at this batch saved.
    pub fn checkpoint<C: Serialize, P: Serialize>(mut self, cursor: C, items: u64, partial: P) -> Self {
        let saved = Json::of(&cursor).and_then(|cursor| Ok((cursor, Json::of(&partial)?)));
        if let Some((cursor, partial)) = self.json("the checkpoint", saved) {
            self.kept = Arc::new(Kept::starting(Saved { cursor, items, partial }));
        }
        self
    }

    /// Tells the handler from the start that it should stop, as `Cancelled` does.
    pub fn cancelled(self) -> Self {
        self.cancel.cancel();
        self
    }

    fn json<T>(&mut self, what: &str, value: serde_json::Result<T>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                let error = StepError::permanent("NOT_JSON", format!("{what} is no JSON: {error}"));
                self.mistake.get_or_insert(error);
                None
            }
        }
    }

    async fn run(mut self) -> StepOutcome {
        let kept = self.kept.clone();
        let result = match self.mistake.take() {
            Some(mistake) => Err(mistake),
            None => self.call().await,
        };
        let (result, again) = match result {
            Ok((result, again)) => (Ok(result), again),
            Err(error) => (Err(error), None),
        };
        StepOutcome::new(result, again, kept.saved())
    }

    /// The result, and what follows where it is none.
    async fn call(self) -> Result<(Json, Option<Again>), StepError> {
        let Scene { template, step, results, compensates } = Scene::of(&self)?;
        let name = template.step(step).map(|step| step.name.clone()).unwrap_or_default();
        let declared = self.handler.spec().retry.max_attempts.unwrap_or(Retry::default().max_attempts);
        let batch = match &self.cursor {
            Some(cursor) => {
                let cursor =
                    Json::of(cursor).map_err(|error| StepError::permanent("NOT_JSON", error.to_string()))?;
                Some(BatchPart { index: 0, cursor, progress: self.kept.clone() })
            }
            None => None,
        };
        let rounds = self.handler.spec().rounds.map(|_| Rounds::after(self.last_round));
        let events = Events::of(self.handler.spec().publishes.into_iter().map(|event| event.name));
        let at_hand = TaskSequenceStep::new(StepParts {
            task: Arc::new(TaskData {
                id: Uuid::now_v7(),
                correlation_id: Uuid::now_v7(),
                template: template.clone(),
                context: self.context,
                created_at_us: super::START.as_micros(),
            }),
            step,
            name,
            attempt: self.attempt,
            max_attempts: declared.max(self.attempt),
            results: Arc::new(AllGiven(results)),
            states: Arc::new(self.states),
            compensates: compensates.clone(),
            cancel: self.cancel,
            batch,
            events: Some(events.clone()),
            rounds: rounds.clone(),
        });
        let result = self.handler.call_boxed(&at_hand).await;
        if let Some(problem) = events.problem() {
            return Err(problem);
        }
        let result = result?;
        let again = rounds.and_then(|rounds| rounds.asked());
        if compensates.is_none() && again.is_none() {
            super::scene::check(self.handler, template, step, &result)?;
        }
        Ok((result, again))
    }
}

impl IntoFuture for StepRun {
    type Output = StepOutcome;
    type IntoFuture = Pin<Box<dyn Future<Output = StepOutcome> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The results that the test gives, by the number of their step.
struct AllGiven(Vec<Upstream>);

impl Results for AllGiven {
    fn of(&self, step: u32) -> Upstream {
        self.0.get(step as usize).cloned().unwrap_or(Upstream::Pending)
    }
}

/// Progress in memory, all of it.
#[derive(Default)]
struct Kept {
    before: Option<Saved<Json, Json>>,
    saved: Mutex<Vec<Saved<Json, Json>>>,
}

impl Kept {
    fn starting(before: Saved<Json, Json>) -> Self {
        Self { before: Some(before), saved: Mutex::default() }
    }

    /// What this attempt saved.
    fn saved(&self) -> Vec<Saved<Json, Json>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Progressing for Kept {
    async fn load(&self) -> Result<Option<Saved<Json, Json>>, StepError> {
        Ok(self.saved().pop().or_else(|| self.before.clone()))
    }

    async fn save(&self, saved: Saved<Json, Json>) -> Result<(), StepError> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).push(saved);
        Ok(())
    }
}
