//! Steps that start tasks of another workflow.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::wait::Source;
use crate::words::words;

words! {
    /// What becomes of a step when a task that it started does not complete.
    #[derive(Default)]
    pub enum OnChildFailure {
        /// It starts no further ones, and fails for good once those that run are over.
        #[default]
        Fail = "fail",
        /// It completes all the same. Its result says of each task what it came to: `{"Ok": …}` with the result, or
        /// `{"Err": …}` with the task, its state and why it stands there.
        Collect = "collect",
    }
}

/// What a step of type `workflow` starts.
///
/// ```
/// use tasker_template::{ChildConfig, ChildInput, OnChildFailure, Source};
///
/// let order = Source::parse("$.order", []).unwrap();
/// let mut checkout = ChildConfig::of("shop/checkout", ChildInput::One(order));
/// checkout.on_failure = OnChildFailure::Collect;
/// assert!(checkout.cascade);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildConfig {
    /// The workflow, as `namespace/name`, or its name alone where it has the namespace of the template.
    pub run: String,
    /// Its version; absent: the newest one that the process knows which starts it.
    pub version: Option<String>,
    /// What it is started with.
    pub input: ChildInput,
    /// How many of its tasks run at once, 1 to 10,000; absent: all of them.
    pub parallelism: Option<u32>,
    /// What happens when one of them does not complete.
    pub on_failure: OnChildFailure,
    /// Whether they are cancelled, paused and resumed with the task that started them.
    pub cascade: bool,
}

/// What child tasks are started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildInput {
    /// One task, with this context. Its result is the result of the step.
    One(Source),
    /// A task for each item of this list, with the item as its context. The result of the step is the list of their
    /// results, in the same order.
    Each(Source),
}

impl ChildConfig {
    /// Tasks of the workflow `run`, in its newest version, all at once; the step fails when one of them does.
    #[must_use]
    pub fn of(run: impl Into<String>, input: ChildInput) -> Self {
        Self {
            run: run.into(),
            version: None,
            input,
            parallelism: None,
            on_failure: OnChildFailure::default(),
            cascade: true,
        }
    }

    /// The workflow as `namespace/name`, in a template of this namespace.
    #[must_use]
    pub fn full_name(&self, namespace: &str) -> String {
        if self.run.contains('/') { self.run.clone() } else { format!("{namespace}/{}", self.run) }
    }
}

impl Serialize for ChildConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("run", &self.run)?;
        if let Some(version) = &self.version {
            map.serialize_entry("version", version)?;
        }
        match &self.input {
            ChildInput::One(source) => map.serialize_entry("input", &source.to_string())?,
            ChildInput::Each(source) => map.serialize_entry("for_each", &source.to_string())?,
        }
        if let Some(parallelism) = self.parallelism {
            map.serialize_entry("parallelism", &parallelism)?;
        }
        if self.on_failure != OnChildFailure::default() {
            map.serialize_entry("on_failure", &self.on_failure)?;
        }
        if !self.cascade {
            map.serialize_entry("cascade", &false)?;
        }
        map.end()
    }
}
