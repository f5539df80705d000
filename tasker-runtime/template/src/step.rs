//! One step of a template and what belongs to it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::child::ChildConfig;
use crate::duration;
use crate::retry::RetryOptions;
use crate::wait::{SignalConfig, TimerConfig};
use crate::words::words;

words! {
    /// What a step does in the workflow besides calling its handler.
    #[derive(Default)]
    pub enum StepKind {
        /// Calls its handler once everything it depends on is there.
        #[default]
        Standard = "standard",
        /// Its result names which of its dependents are taken; the others are skipped.
        Decision = "decision",
        /// Waits for those of its dependencies that were taken, and for every instance of a batch worker.
        DeferredConvergence = "deferred_convergence",
        /// Its result is a plan: the batches that its worker step runs for.
        Batchable = "batchable",
        /// Runs once for each batch of the analyzer it depends on.
        BatchWorker = "batch_worker",
        /// Calls nothing: it is over at a time.
        Timer = "timer",
        /// Calls nothing: it waits for what somebody sends, which is its result.
        Signal = "signal",
        /// Calls nothing: it starts tasks of another workflow and waits for them; what they come to is its result.
        Workflow = "workflow",
    }
}

impl StepKind {
    /// Whether a step of this kind calls a handler; the others wait.
    #[must_use]
    pub const fn has_handler(self) -> bool {
        !matches!(self, Self::Timer | Self::Signal | Self::Workflow)
    }

    /// What a step of this kind is called in a sentence.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Standard => "step",
            Self::Decision => "decision",
            Self::DeferredConvergence => "convergence step",
            Self::Batchable => "batch analyzer",
            Self::BatchWorker => "batch worker",
            Self::Timer => "timer",
            Self::Signal => "signal",
            Self::Workflow => "child workflow",
        }
    }
}

words! {
    /// What happens to the other batches when one has failed for good.
    #[derive(Default)]
    pub enum FailureStrategy {
        /// Batches that have not started are cancelled and the group fails.
        #[default]
        FailFast = "fail_fast",
        /// The convergence step runs with the successes and a list of the failures.
        ContinueOnFailure = "continue_on_failure",
        /// As `ContinueOnFailure`, and failed batches stay retryable after the task is complete.
        Isolate = "isolate",
    }
}

words! {
    /// After which outcome of the step an event is published.
    #[derive(Default)]
    pub enum EventCondition {
        /// The step is complete.
        #[default]
        Success = "success",
        /// An attempt failed, for good or not.
        Failure = "failure",
        /// An attempt failed and another one follows.
        RetryableFailure = "retryable_failure",
        /// The step failed for good.
        PermanentFailure = "permanent_failure",
        /// Whatever the outcome.
        Always = "always",
    }
}

words! {
    /// How an event leaves.
    #[derive(Default)]
    pub enum DeliveryMode {
        /// By the log of events, in the transaction of the result.
        #[default]
        Durable = "durable",
        /// To subscribers inside the process only.
        Fast = "fast",
        /// Both ways.
        Broadcast = "broadcast",
    }
}

/// The handler a step calls, as the template names it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HandlerRef {
    /// The registry key, exactly as written: `process_order`, `crate::module::ProcessOrderHandler`, ….
    pub callable: String,
    /// A method other installations call on the handler; kept, without effect here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A resolver other installations find the handler with; kept, without effect here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<String>,
    /// The configuration of the handler, what `Config<T>` reads: always a JSON object.
    #[serde(skip_serializing_if = "is_empty")]
    pub initialization: Value,
}

impl HandlerRef {
    /// A reference to the handler registered as `callable`, without configuration.
    #[must_use]
    pub fn new(callable: impl Into<String>) -> Self {
        Self {
            callable: callable.into(),
            method: None,
            resolver: None,
            initialization: Value::Object(Map::new()),
        }
    }

    /// Whether it names no handler.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.callable.is_empty()
    }
}

/// How the batches of a worker are cut and run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BatchConfig {
    /// Items in a batch, 1 to 1,000,000; absent: the analyzer decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// How many instances of the worker run at once, 1 to 10,000; absent: as many as there is room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// The name of the field that a cursor counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor_field: Option<String>,
    /// What happens to the other batches when one has failed for good; absent: what the other of worker and
    /// analyzer says, the worker first, and `fail_fast` where neither says anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_strategy: Option<FailureStrategy>,
}

/// A domain event that a step publishes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedEvent {
    /// What subscribers know it by, for instance `order.validated`.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// After which outcome it is published.
    pub condition: EventCondition,
    /// How it leaves.
    pub delivery_mode: DeliveryMode,
    /// The JSON Schema that its payload satisfies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl PublishedEvent {
    /// An event that is published durably on success.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            condition: EventCondition::default(),
            delivery_mode: DeliveryMode::default(),
            schema: None,
        }
    }
}

/// What is wrong with the name of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventNameProblem {
    /// What, as a sentence without a full stop.
    pub message: String,
    /// It is a name that only the engine's own events have.
    pub reserved: bool,
}

/// What is wrong with `name` as the name of an event that a step publishes: 1 to 8 words of `[A-Za-z0-9_-]` joined by
/// dots, at most 128 characters, the first of them not `tasker`. `None`: nothing is.
///
/// ```
/// use tasker_template::event_name_problem;
///
/// assert_eq!(event_name_problem("order.paid"), None);
/// assert!(event_name_problem("order..paid").is_some());
/// assert!(event_name_problem("tasker.task.failed").is_some_and(|problem| problem.reserved));
/// ```
#[must_use]
pub fn event_name_problem(name: &str) -> Option<EventNameProblem> {
    let problem = |message| Some(EventNameProblem { message, reserved: false });
    if name.trim().is_empty() {
        return problem("the name of an event is empty".to_owned());
    }
    let length = name.chars().count();
    if length > 128 {
        return problem(format!("the name of an event has at most 128 characters, found {length}"));
    }
    let count = name.split('.').count();
    if count > 8 {
        return problem(format!("the name of an event has at most 8 words, found {count}"));
    }
    if let Some(bad) = name.chars().find(|&c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))) {
        return problem(format!("the name of an event may not hold {bad:?}"));
    }
    if name.split('.').any(str::is_empty) {
        return problem(format!("the name `{name}` of an event has an empty word"));
    }
    let reserved = name.split('.').next() == Some("tasker");
    reserved.then(|| EventNameProblem {
        message: "names that begin with `tasker.` are those of the engine's own events".to_owned(),
        reserved: true,
    })
}

/// What is wrong with a pattern of the names of events: 1 to 8 words joined by dots, each plain or `*`.
///
/// ```
/// use tasker_template::event_pattern_problem;
///
/// assert_eq!(event_pattern_problem("order.*"), None);
/// assert!(event_pattern_problem("order.pa*").is_some());
/// ```
#[must_use]
pub fn event_pattern_problem(text: &str) -> Option<String> {
    let is_word = |word: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        word == "*" || (!word.is_empty() && word.chars().all(is_plain))
    };
    if text.len() <= 128 && text.split('.').count() <= 8 && text.split('.').all(is_word) {
        return None;
    }
    let shown: String = text.chars().take(60).collect();
    Some(format!("`{shown}` is not a pattern of events: write for instance `order.paid`, `order.*` or `*`"))
}

/// The most rounds that a step may be allowed.
#[doc(hidden)]
pub const MOST_ROUNDS: u32 = 1_000_000;

/// One step of a template.
///
/// ```
/// use tasker_template::{RetryOptions, Step};
///
/// let mut charge = Step::new("charge").after(["validate"]);
/// charge.retry = RetryOptions { max_attempts: Some(5), ..RetryOptions::default() };
/// assert_eq!(charge.handler.callable, "charge");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Unique in the template, 1 to 255 of `[A-Za-z0-9_.-]`.
    pub name: Arc<str>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What the step does besides calling its handler.
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: StepKind,
    /// The handler; the step's own name where the template says nothing. Without a callable for steps that call
    /// nothing.
    #[serde(skip_serializing_if = "HandlerRef::is_none")]
    pub handler: HandlerRef,
    /// The names of the steps whose results it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// The time one attempt may take, in whole milliseconds up to 30 days; absent: the handler's
    /// attribute decides, then the engine.
    #[serde(rename = "timeout_seconds", skip_serializing_if = "Option::is_none", with = "duration::seconds")]
    pub timeout: Option<Duration>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "RetryOptions::is_empty")]
    pub retry: RetryOptions,
    /// The queue it is offered in; absent: the namespace of the template. See [`crate::Template::queue`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Higher goes first, −32,768 to 32,767.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    /// The JSON Schema that a result satisfies; one that does not fails the step for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_schema: Option<Value>,
    /// The events it publishes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publishes_events: Vec<PublishedEvent>,
    /// How batches are cut and run; only on `batchable` and `batch_worker` steps.
    #[serde(rename = "batch_config", skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchConfig>,
    /// How much later it starts than it could, 1 ms to ten years; only on steps that call a handler.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration::as_text")]
    pub delay: Option<Duration>,
    /// How many rounds it goes at most, 1 to 1,000,000; absent: the handler's attribute decides. Only on standard
    /// steps, whose handler goes round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rounds: Option<u32>,
    /// When it is over; only on `timer` steps, which have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timer: Option<TimerConfig>,
    /// What it waits for; only on `signal` steps, which have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalConfig>,
    /// What it starts; only on `workflow` steps, which have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<ChildConfig>,
}

impl Step {
    /// A standard step that calls the handler of its own name and depends on nothing.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self {
            handler: HandlerRef::new(&*name),
            name,
            description: None,
            kind: StepKind::default(),
            depends_on: Vec::new(),
            timeout: None,
            retry: RetryOptions::default(),
            queue: None,
            priority: 0,
            result_schema: None,
            publishes_events: Vec::new(),
            batch: None,
            delay: None,
            max_rounds: None,
            timer: None,
            signal: None,
            workflow: None,
        }
    }

    /// A step that is over at a time and depends on nothing.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tasker_template::{Step, StepKind, TimerConfig};
    ///
    /// let two_days = Step::timer("two_days", TimerConfig::Delay(Duration::from_secs(2 * 86_400))).after(["invite"]);
    /// assert_eq!(two_days.kind, StepKind::Timer);
    /// ```
    #[must_use]
    pub fn timer(name: impl Into<Arc<str>>, timer: TimerConfig) -> Self {
        Self { handler: HandlerRef::new(""), timer: Some(timer), ..Self::new(name).kind(StepKind::Timer) }
    }

    /// A step that waits for a signal and depends on nothing.
    ///
    /// ```
    /// use tasker_template::{SignalConfig, Step};
    ///
    /// let approval = Step::signal("approval", SignalConfig::default()).after(["validate"]);
    /// assert_eq!(approval.signal_name(), Some("approval"));
    /// ```
    #[must_use]
    pub fn signal(name: impl Into<Arc<str>>, signal: SignalConfig) -> Self {
        Self { handler: HandlerRef::new(""), signal: Some(signal), ..Self::new(name).kind(StepKind::Signal) }
    }

    /// A step that starts tasks of another workflow and depends on nothing.
    ///
    /// ```
    /// use tasker_template::{ChildConfig, ChildInput, Source, Step};
    ///
    /// let each = Source::parse("split.parts", ["split"]).unwrap();
    /// let buy = Step::workflow("buy", ChildConfig::of("shop/checkout", ChildInput::Each(each))).after(["split"]);
    /// assert!(!buy.kind.has_handler());
    /// ```
    #[must_use]
    pub fn workflow(name: impl Into<Arc<str>>, workflow: ChildConfig) -> Self {
        Self {
            handler: HandlerRef::new(""),
            workflow: Some(workflow),
            ..Self::new(name).kind(StepKind::Workflow)
        }
    }

    /// The JSON Schema that its result satisfies, which for a step that waits for a signal is the payload of that.
    #[must_use]
    pub fn result_schema(&self) -> Option<&Value> {
        let of_signal = || self.signal.as_ref()?.schema.as_ref();
        self.result_schema.as_ref().or_else(of_signal)
    }

    /// The name of the signal it waits for, if it waits for one.
    #[must_use]
    pub fn signal_name(&self) -> Option<&str> {
        let signal = self.signal.as_ref().filter(|_| self.kind == StepKind::Signal)?;
        Some(signal.name.as_deref().unwrap_or(&self.name))
    }

    /// The same step, of another kind.
    #[must_use]
    pub fn kind(mut self, kind: StepKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same step, calling another handler.
    #[must_use]
    pub fn handler(mut self, callable: impl Into<String>) -> Self {
        self.handler.callable = callable.into();
        self
    }

    /// The same step, waiting for `steps` as well.
    #[must_use]
    pub fn after<N: Into<String>>(mut self, steps: impl IntoIterator<Item = N>) -> Self {
        self.depends_on.extend(steps.into_iter().map(Into::into));
        self
    }
}

/// Whether a configuration says nothing.
fn is_empty(initialization: &Value) -> bool {
    initialization.as_object().is_some_and(Map::is_empty)
}

/// Whether a key can be left out because it says what its absence says.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
