//! The validated template.

use std::time::Duration;

use semver::Version;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::duration;
use crate::graph::Graph;
use crate::limits::Concurrency;
use crate::schedule::Schedule;
use crate::step::Step;
use crate::words::words;

words! {
    /// What becomes of a task one of whose steps has failed for good.
    #[derive(Default)]
    pub enum OnFailure {
        /// It waits for an operator.
        #[default]
        Block = "block",
        /// What is complete is undone by the compensating handlers.
        Compensate = "compensate",
        /// It ends in `error` by itself.
        Fail = "fail",
    }
}

words! {
    /// What becomes of a task that has passed a limit of its lifecycle.
    #[derive(Default)]
    pub enum StalenessAction {
        /// It is moved to the dead letters.
        #[default]
        Dlq = "dlq",
        /// It ends in `error`.
        Error = "error",
        /// Nothing: the limit is only shown.
        None = "none",
    }
}

/// The limits of a task; an absent one does not exist. Each is whole milliseconds, from 60 ms (a
/// thousandth of a minute) to 366 days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lifecycle {
    /// From submission to the end.
    #[serde(
        rename = "max_duration_minutes",
        skip_serializing_if = "Option::is_none",
        with = "duration::minutes"
    )]
    pub max_duration: Option<Duration>,
    /// In one stretch of waiting for steps that others run.
    #[serde(
        rename = "max_waiting_for_dependencies_minutes",
        skip_serializing_if = "Option::is_none",
        with = "duration::minutes"
    )]
    pub max_waiting_for_dependencies: Option<Duration>,
    /// In one stretch of waiting for a retry.
    #[serde(
        rename = "max_waiting_for_retry_minutes",
        skip_serializing_if = "Option::is_none",
        with = "duration::minutes"
    )]
    pub max_waiting_for_retry: Option<Duration>,
    /// In one stretch of running steps without a result.
    #[serde(
        rename = "max_steps_in_process_minutes",
        skip_serializing_if = "Option::is_none",
        with = "duration::minutes"
    )]
    pub max_steps_in_process: Option<Duration>,
    /// What happens past a limit.
    pub staleness_action: StalenessAction,
}

/// A workflow: its steps, their handlers and the edges between them.
///
/// A value of this type has passed every check: names are unique, every dependency exists, there is no
/// cycle, kinds of steps stand where they make sense, numbers are in range. It is made by
/// [`Template::parse`], [`Template::builder`] or [`Template::from_canonical`].
///
/// Two templates are equal when their content is, whichever way they were made.
///
/// ```
/// use tasker_template::{Step, Template};
///
/// let template = Template::builder("checkout")
///     .step(Step::new("validate"))
///     .step(Step::new("charge").after(["validate"]))
///     .build()?;
/// assert_eq!(template.number_of("charge"), Some(1));
/// assert_eq!(template.dependencies(1), [0]);
/// # Ok::<(), tasker_template::Report>(())
/// ```
#[derive(Debug, Clone)]
pub struct Template {
    pub(crate) content: Content,
    pub(crate) graph: Graph,
    pub(crate) leaves: Vec<u32>,
    /// Step numbers in the order of their names.
    pub(crate) by_name: Vec<u32>,
}

/// What a template says, in the order of its canonical form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input_schema: Option<Value>,
    pub(crate) on_failure: OnFailure,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) lifecycle: Lifecycle,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) metadata: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) domain_events: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_some")]
    pub(crate) concurrency: Vec<Concurrency>,
    #[serde(rename = "schedule", skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_some")]
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) steps: Vec<Step>,
}

impl Template {
    pub(crate) fn new(content: Content, graph: Graph) -> Self {
        let mut by_name: Vec<u32> = (0..crate::graph::number(content.steps.len())).collect();
        by_name
            .sort_unstable_by(|&a, &b| content.steps[a as usize].name.cmp(&content.steps[b as usize].name));
        Self { leaves: graph.leaves(), content, graph, by_name }
    }

    /// The name, 1 to 255 of `[a-z0-9_]`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.content.name
    }

    /// The namespace, 1 to 255 of `[a-z0-9_]`; `default` where none is given.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.content.namespace
    }

    /// The semantic version; `1.0.0` where none is given.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.content.version
    }

    /// The description, for people.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.content.description.as_deref()
    }

    /// The JSON Schema that the context of a task satisfies.
    #[must_use]
    pub fn input_schema(&self) -> Option<&Value> {
        self.content.input_schema.as_ref()
    }

    /// What becomes of a task one of whose steps has failed for good.
    #[must_use]
    pub fn on_failure(&self) -> OnFailure {
        self.content.on_failure
    }

    /// The limits of a task.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.content.lifecycle
    }

    /// What the file says about itself: author, tags, links. Shown, without effect.
    #[must_use]
    pub fn metadata(&self) -> &Map<String, Value> {
        &self.content.metadata
    }

    /// The events that the file declares for the whole workflow. Shown, without effect.
    #[must_use]
    pub fn domain_events(&self) -> &[Value] {
        &self.content.domain_events
    }

    /// How many tasks of it run at once.
    #[must_use]
    pub fn concurrency(&self) -> &[Concurrency] {
        &self.content.concurrency
    }

    /// When tasks of it start by themselves.
    #[must_use]
    pub fn schedules(&self) -> &[Schedule] {
        &self.content.schedules
    }

    /// The same with a further schedule; `None` when one of that name is there.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Option<Self> {
        let taken = self.content.schedules.iter().any(|other| other.name == schedule.name);
        self.content.schedules.push(schedule);
        (!taken).then_some(self)
    }

    /// The steps in the order they are written; a step's number is its index here.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.content.steps
    }

    /// The step of a number, `None` past the end.
    #[must_use]
    pub fn step(&self, number: u32) -> Option<&Step> {
        self.content.steps.get(number as usize)
    }

    /// The number of the step called `name`.
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<u32> {
        let name_of = |number: u32| &*self.content.steps[number as usize].name;
        let at = self.by_name.binary_search_by(|&number| name_of(number).cmp(name)).ok()?;
        Some(self.by_name[at])
    }

    /// The queue of a step: its own, else the namespace.
    #[must_use]
    pub fn queue(&self, step: u32) -> &str {
        self.step(step).and_then(|step| step.queue.as_deref()).unwrap_or(&self.content.namespace)
    }

    /// The graph of the steps.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The steps that `step` waits for directly, in the order they are written.
    #[must_use]
    pub fn dependencies(&self, step: u32) -> &[u32] {
        self.graph.dependencies(step)
    }

    /// The steps that wait directly for `step`, ascending.
    #[must_use]
    pub fn dependents(&self, step: u32) -> &[u32] {
        self.graph.dependents(step)
    }

    /// Every step after all that it depends on.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        self.graph.order()
    }

    /// The steps that nothing depends on, ascending: their results are the result of a task.
    #[must_use]
    pub fn leaves(&self) -> &[u32] {
        &self.leaves
    }

    /// The number of steps on the longest path, 1 to 1,000.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.graph.depth()
    }

    /// Whether `step` depends on `candidate`, directly or not.
    #[must_use]
    pub fn is_ancestor(&self, step: u32, candidate: u32) -> bool {
        self.graph.is_ancestor(step, candidate)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

/// One as itself, some as a list.
fn one_or_some<T: Serialize, S: serde::Serializer>(all: &Vec<T>, to: S) -> Result<S::Ok, S::Error> {
    match &**all {
        [one] => one.serialize(to),
        some => some.serialize(to),
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
