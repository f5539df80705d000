//! The step at hand: what a handler is called with.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tasker_template::{Step, Template};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::{self, BatchPart, Batches, Instance};
use super::{Endpoint, Events, Rounds, States, input_error};
use crate::model::{Json, StepError};

/// What never changes about a task.
#[derive(Debug)]
pub struct TaskData {
    /// The public id.
    pub id: Uuid,
    /// What ties the task to others, in logs and events.
    pub correlation_id: Uuid,
    /// The workflow, in the version the task started with.
    pub template: Arc<Template>,
    /// What the task was submitted with.
    pub context: Json,
    /// When it was submitted, in microseconds since 1970.
    pub created_at_us: i64,
}

/// What one step is to another that reads its result.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Upstream {
    /// It is complete, or an operator gave it this result.
    Complete(Json),
    /// It is on a branch that was not taken.
    NotTaken,
    /// It has no result yet.
    Pending,
    /// It is a batch worker: what came of each batch, in batch order.
    Instances(Vec<Instance>),
}

/// The results of the other steps of a task, by their number in the template.
pub trait Results: Send + Sync {
    /// What became of a step so far.
    fn of(&self, step: u32) -> Upstream;
}

/// What a [`TaskSequenceStep`] is made of.
#[derive(Clone)]
pub struct StepParts {
    /// The task.
    pub task: Arc<TaskData>,
    /// The number of the step in the template, below the number of its steps.
    pub step: u32,
    /// The name of the step; of one instance, where a step has several.
    pub name: Arc<str>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many there are at most, from 1.
    pub max_attempts: u32,
    /// The results so far.
    pub results: Arc<dyn Results>,
    /// What the program gave to its handlers.
    pub states: Arc<States>,
    /// For a compensation: the result of the step that it undoes.
    pub compensates: Option<Json>,
    /// Cancelled when the handler should stop: the task was cancelled, its lease was lost, or the
    /// program ends.
    pub cancel: CancellationToken,
    /// The batch it works on, where the step is a batch worker.
    pub batch: Option<BatchPart>,
    /// What the handler says about the events of the step, where it publishes any.
    pub events: Option<Events>,
    /// Which round it is and what follows, where the step goes round.
    pub rounds: Option<Rounds>,
}

/// The step at hand: its task, its configuration and the results of the steps before it.
///
/// Handlers rarely need it, since parameters of other types take exactly what they name from it. It is
/// there for what only the program's data can tell, such as the name of the step to read.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn sum(step: &TaskSequenceStep) -> Result<u64, StepError> {
///     let mut sum = 0;
///     for name in step.direct_ancestors() {
///         sum += step.result::<u64>(name)?;
///     }
///     Ok(sum)
/// }
/// ```
#[derive(Clone)]
pub struct TaskSequenceStep(StepParts, Option<&'static Endpoint>);

impl TaskSequenceStep {
    /// A step of these parts; the engine and tests make it.
    #[must_use]
    pub fn new(parts: StepParts) -> Self {
        Self(parts, None)
    }

    /// The same step, for a handler that calls this API; `#[api(…)]` makes it so.
    #[must_use]
    pub fn with_endpoint(&self, endpoint: &'static Endpoint) -> Self {
        Self(self.0.clone(), Some(endpoint))
    }

    /// The API that the handler calls, where `#[api(…)]` says so.
    #[must_use]
    pub fn endpoint(&self) -> Option<&'static Endpoint> {
        self.1
    }

    /// The parts it was made of.
    #[must_use]
    pub fn parts(&self) -> &StepParts {
        &self.0
    }

    /// The id of the task.
    #[must_use]
    pub fn task_id(&self) -> Uuid {
        self.0.task.id
    }

    /// What ties the task to others.
    #[must_use]
    pub fn correlation_id(&self) -> Uuid {
        self.0.task.correlation_id
    }

    /// The workflow.
    #[must_use]
    pub fn template(&self) -> &Arc<Template> {
        &self.0.task.template
    }

    /// The step's name; of one instance, where a step has several.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// How many attempts there are at most, from 1.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.0.max_attempts
    }

    /// The step as the template has it; `None` only for parts that do not belong together.
    #[must_use]
    pub fn definition(&self) -> Option<&Step> {
        self.template().step(self.0.step)
    }

    /// The step's `handler.initialization`, an object; without members where the template gives none.
    #[must_use]
    pub fn config(&self) -> &Value {
        static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
        self.definition().map_or(&EMPTY, |step| &step.handler.initialization)
    }

    /// The context of the task as it was submitted.
    #[must_use]
    pub fn context_json(&self) -> &Json {
        &self.0.task.context
    }

    /// The context of the task as a `T`.
    ///
    /// # Errors
    /// A permanent one that names the field, where the context does not have the shape of `T`.
    pub fn context<T: DeserializeOwned>(&self) -> Result<T, StepError> {
        let context = self.context_json();
        context.parse().map_err(|error| input_error::context(context, &error))
    }

    /// The result of the step called `name`, which this one depends on directly or not, as a `T`.
    ///
    /// # Errors
    /// A permanent one, where this step does not depend on such a step, where that step was not taken,
    /// or where its result does not have the shape of `T`. A compensation reads the step that it undoes as
    /// well.
    pub fn result<T: DeserializeOwned>(&self, name: &str) -> Result<T, StepError> {
        let json = self.result_json(name)?.ok_or_else(|| input_error::not_taken(self, name))?;
        json.parse().map_err(|error| input_error::result(name, &json, &error))
    }

    /// The result of the step called `name`, as text; `None` where it was not taken. For a batch worker
    /// that is an array with the results of its batches.
    ///
    /// # Errors
    /// A permanent one, where this step does not depend on such a step.
    pub fn result_json(&self, name: &str) -> Result<Option<Json>, StepError> {
        let own = self.template().number_of(name) == Some(self.0.step);
        if let Some(result) = self.0.compensates.as_ref().filter(|_| own) {
            return Ok(Some(result.clone()));
        }
        match self.upstream(name)? {
            Upstream::Complete(json) => Ok(Some(json)),
            Upstream::Instances(instances) => Ok(Some(batch::results_of(&instances))),
            Upstream::NotTaken => Ok(None),
            Upstream::Pending => Err(input_error::pending(self, name)),
        }
    }

    /// What came of the batches of the worker called `name`, failures included.
    ///
    /// # Errors
    /// A permanent one, where this step does not depend on such a step, where that step was not taken, or
    /// where a result does not have the shape of `T`.
    pub fn batches<T: DeserializeOwned>(&self, name: &str) -> Result<Batches<T>, StepError> {
        let json = match self.upstream(name)? {
            Upstream::Complete(json) => json,
            Upstream::Instances(instances) => batch::all_of(&instances),
            Upstream::NotTaken => return Err(input_error::not_taken(self, name)),
            Upstream::Pending => return Err(input_error::pending(self, name)),
        };
        json.parse().map_err(|error| input_error::result(name, &json, &error))
    }

    fn upstream(&self, name: &str) -> Result<Upstream, StepError> {
        let number = self.template().number_of(name);
        match number.filter(|&number| self.template().is_ancestor(self.0.step, number)) {
            Some(number) => Ok(self.0.results.of(number)),
            None => Err(input_error::no_ancestor(self, name)),
        }
    }

    /// The names of all the steps whose results can be read here, in the order of the template.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        let template = self.template();
        template
            .graph()
            .ancestors(self.0.step)
            .into_iter()
            .filter_map(|number| Some(&*template.step(number)?.name))
    }

    /// The names of the steps that this one waits for directly, in the order they are listed.
    pub fn direct_ancestors(&self) -> impl Iterator<Item = &str> {
        let template = self.template();
        template.dependencies(self.0.step).iter().filter_map(|&number| Some(&*template.step(number)?.name))
    }

    /// The result of a handler that is written by hand: `value` as JSON text.
    ///
    /// # Errors
    /// A permanent one, where `value` does not serialize.
    pub fn output<T: Serialize + ?Sized>(&self, value: &T) -> Result<Json, StepError> {
        Json::output(value).map_err(|error| input_error::output(&error))
    }
}

impl fmt::Debug for TaskSequenceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of task {}, attempt {} of {}",
            self.0.name, self.0.task.id, self.0.attempt, self.0.max_attempts
        )
    }
}
