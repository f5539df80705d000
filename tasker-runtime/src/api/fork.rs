//! Adds tasks that begin where others have come to.

use serde::Serialize;
use uuid::Uuid;

use super::{ForkError, Tasker};
use crate::{
    model::{ForkRefused, Json},
    orchestration::{
        fork::{self, Asked, NotAdded},
        plans::TemplateError,
        view,
    },
};

/// From where a task is forked, and with what input.
///
/// ```
/// use tasker_runtime::{Tasker, api::{Fork, OriginKind, Submission}, prelude::*};
///
/// #[step_handler]
/// async fn draw() -> u32 {
///     4
/// }
///
/// #[step_handler]
/// async fn double(#[depends_on(draw)] number: u32) -> u32 {
///     2 * number
/// }
///
/// workflow!(doubling = [draw, double]);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let first = tasker.submit(Submission::to("doubling")).await?;
/// tasker.wait(first).await?;
/// let second = tasker.fork(first, Fork::from_step("double")).await?;
/// assert_eq!(tasker.wait(second).await?.result::<u32>()?, 8);
/// let origin = tasker.show(second).await?.and_then(|task| task.origin).ok_or("it has none")?;
/// assert_eq!((origin.task, origin.kind, origin.from.as_deref()), (first, OriginKind::Fork, Some("double")));
/// let refused = tasker.fork(first, Fork::from_step("doubel")).await;
/// assert_eq!(refused.unwrap_err().code(), "UNKNOWN_STEP");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Fork {
    from: String,
    context: Option<Json>,
}

impl Fork {
    /// From the step of this name: it and everything below it run again, with the input of the other task.
    pub fn from_step(step: impl Into<String>) -> Self {
        Self { from: step.into(), context: None }
    }

    /// With another input. What is kept was computed from the old one.
    ///
    /// # Errors
    /// When `context` does not serialize.
    pub fn context<T: Serialize + ?Sized>(self, context: &T) -> serde_json::Result<Self> {
        Ok(self.json(Json::of(context)?))
    }

    /// As [`context`](Self::context), as JSON text.
    pub fn json(mut self, context: Json) -> Self {
        self.context = Some(context);
        self
    }
}

impl Tasker {
    /// Adds a task with the template, the input, the queue, the priority and the correlation id of another one, in
    /// whatever state that is. The other one stays as it is.
    ///
    /// # Errors
    /// When there is no such task, its template is gone, or the database does not answer.
    pub async fn replay(&self, task: Uuid) -> Result<Uuid, ForkError> {
        self.add_like(task, None, None).await
    }

    /// Adds a task as [`replay`](Self::replay) does, which keeps the results of everything that is not below a step of
    /// the other one; the step and everything below it run again. What was decided above it stays decided, batches
    /// above it stay as they were cut, and signals and timers above it have come. Steps that have no result in the
    /// other task run in the new one, wherever they stand. If the new task is rolled back, what it kept is undone
    /// with the rest.
    ///
    /// # Errors
    /// When there is no such task or step, the task is not over and what the step depends on has no result yet, what
    /// would be kept was undone, the input does not fit the template, or the database does not answer.
    pub async fn fork(&self, task: Uuid, fork: Fork) -> Result<Uuid, ForkError> {
        let Fork { from, context } = fork;
        if let Some(context) = &context {
            self.inner.store.check_size("context", context)?;
        }
        self.add_like(task, Some(&from), context.as_ref()).await
    }

    async fn add_like(
        &self,
        model: Uuid,
        from: Option<&str>,
        context: Option<&Json>,
    ) -> Result<Uuid, ForkError> {
        let mut connection = self.inner.store.reader().await?;
        let pinned = view::pinned(&mut connection, model).await?.ok_or(ForkError::UnknownTask(model))?;
        drop(connection);
        let plan = self.inner.plans.get(pinned.template).await.map_err(|problem| match problem {
            TemplateError::Store(error) => ForkError::Store(error),
            problem => {
                ForkRefused::TemplateGone { template: pinned.name, problem: problem.to_string() }.into()
            }
        })?;
        let asked = Asked { uuid: Uuid::now_v7(), from, context, actor: &self.actor };
        let mut connection = self.inner.store.writer().await?;
        let added = fork::add(&mut connection, model, &plan, asked, self.inner.clock.now()).await;
        drop(connection);
        match added {
            Ok(Some(added)) => {
                self.say_due(&added.queue);
                if added.cancels {
                    self.tell_of_command();
                }
                Ok(asked.uuid)
            }
            Ok(None) => Err(ForkError::UnknownTask(model)),
            Err(NotAdded::Refused(problem)) => Err(problem.into()),
            Err(NotAdded::Context { template, problems }) => Err(ForkError::Context { template, problems }),
            Err(NotAdded::Skipped { running }) => Err(ForkError::Skipped { running }),
            Err(NotAdded::Store(error)) => Err(error.into()),
        }
    }
}
