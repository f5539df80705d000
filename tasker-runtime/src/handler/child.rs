//! Steps that start tasks of another workflow, as `#[child_workflow]` declares them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tasker_template::{ChildConfig, ChildInput, OnChildFailure, Source};
use uuid::Uuid;

use super::field;
use super::param::Readable;
use super::upstream::OutputOf;
use crate::model::{Json, StepError};

/// What the tasks of a step came to: each reader says as a `Vec` of what it reads that.
#[derive(Clone, Debug)]
pub struct ChildResults(Json);

#[diagnostic::do_not_recommend]
impl Readable for ChildResults {
    fn read(json: &Json) -> serde_json::Result<Self> {
        Ok(Self(json.clone()))
    }

    fn read_value(value: &Value) -> serde_json::Result<Self> {
        Json::of(value).map(Self)
    }

    fn field(json: &Json, path: &'static str) -> Result<Self, StepError> {
        let value: Value = field::read(json, path)?;
        Ok(Self(Json::stored(&value.to_string())))
    }

    fn field_or(json: &Json, path: &'static str, default: fn() -> Self) -> Result<Self, StepError> {
        let value: Option<Value> = field::find(json, path)?;
        Ok(value.map_or_else(default, |value| Self(Json::stored(&value.to_string()))))
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> OutputOf<ChildResults> for Vec<T> {
    const OPTIONAL: bool = false;

    fn some(result: ChildResults) -> Option<Self> {
        result.0.parse().ok()
    }

    fn none() -> Option<Self> {
        None
    }

    fn read(json: &Json) -> serde_json::Result<Option<Self>> {
        json.parse().map(Some)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> OutputOf<ChildResults> for Option<Vec<T>> {
    const OPTIONAL: bool = true;

    fn some(result: ChildResults) -> Option<Self> {
        Some(result.0.parse().ok())
    }

    fn none() -> Option<Self> {
        Some(None)
    }

    fn read(json: &Json) -> serde_json::Result<Option<Self>> {
        json.parse().map(Some)
    }
}

/// A task that a step started and that did not complete, where `on_failure = "collect"`.
///
/// ```
/// use tasker_runtime::handler::ChildFailure;
///
/// let text = r#"[{"Ok": 3}, {"Err": {"task": "01a21ea6-4527-7023-81a4-f0b18bf54e0b", "state": "cancelled", "cause": null}}]"#;
/// let results: Vec<Result<u32, ChildFailure>> = serde_json::from_str(text)?;
/// assert_eq!(results[1].as_ref().unwrap_err().to_string(), "task 01a21ea6-4527-7023-81a4-f0b18bf54e0b is cancelled");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChildFailure {
    /// The task; `None`: it is gone.
    pub task: Option<Uuid>,
    /// The state that it came to: `error`, `cancelled` or `compensated`.
    pub state: Option<String>,
    /// Why, for people.
    pub cause: Option<String>,
}

impl std::fmt::Display for ChildFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.task, &self.state) {
            (Some(task), Some(state)) => write!(f, "task {task} is {state}")?,
            _ => f.write_str("a task is gone")?,
        }
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for ChildFailure {}

/// What `#[child_workflow]` says.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct DeclaredChild {
    /// What is started.
    pub run: ChildOf,
    /// The handler that makes the contexts.
    pub handler: &'static str,
    /// Where its name counts.
    pub namespace: Option<&'static str>,
    /// It returns a list, and each item starts a task.
    pub each: bool,
    /// How many run at once.
    pub parallelism: Option<u32>,
    /// Those that do not complete are part of the result.
    pub collect: bool,
    /// They are cancelled and paused with the task that started them.
    pub cascade: bool,
}

/// The workflow that is started.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub enum ChildOf {
    /// One of this program, by what says its full name.
    Workflow(fn() -> String),
    /// One that is known by name alone.
    Name(&'static str),
}

impl DeclaredChild {
    /// What the template says, where the contexts are the result of the step `input`.
    pub(crate) fn config(&self, input: &str) -> ChildConfig {
        let run = match self.run {
            ChildOf::Workflow(name) => name(),
            ChildOf::Name(name) => name.to_owned(),
        };
        let source = Source { step: Some(input.to_owned()), path: Vec::new() };
        let input = if self.each { ChildInput::Each(source) } else { ChildInput::One(source) };
        let mut config = ChildConfig::of(run, input);
        (config.parallelism, config.cascade) = (self.parallelism, self.cascade);
        config.on_failure = if self.collect { OnChildFailure::Collect } else { OnChildFailure::Fail };
        config
    }
}
