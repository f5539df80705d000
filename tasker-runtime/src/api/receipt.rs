//! Adds tasks, or sees whether they could be, and says what came of it.

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::{Submission, SubmitError, Tasker};
use crate::template::Template;

/// What came of a submission that was not refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubmitReceipt {
    /// The task.
    pub task_id: Uuid,
    /// The name of its template.
    pub template: String,
    /// The namespace of its template.
    pub namespace: String,
    /// The version of the template that the submission meant. A task that was there already keeps its own.
    pub version: String,
    /// The task was there already: the idempotency key was used before, with the same context. Or a limit of the
    /// template let no further task run.
    pub replayed: bool,
}

impl SubmitReceipt {
    fn new(task_id: Uuid, replayed: bool, template: &Template) -> Self {
        let (name, namespace, version) = (template.name(), template.namespace(), template.version());
        let version = version.to_string();
        Self { task_id, template: name.to_owned(), namespace: namespace.to_owned(), version, replayed }
    }
}

impl Tasker {
    /// Adds a task as [`submit`](Self::submit) does, and says whether it was there already.
    ///
    /// ```
    /// # use tasker_runtime::{Tasker, api::Submission, prelude::*};
    /// #[step_handler]
    /// async fn greet(name: String) -> String {
    ///     format!("hello {name}")
    /// }
    ///
    /// workflow!(greeting = [greet]);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
    /// let ada = || Submission::to("greeting").context("Ada").map(|to| to.idempotency_key("ada"));
    /// let first = tasker.submit_with_receipt(ada()?).await?;
    /// let again = tasker.submit_with_receipt(ada()?).await?;
    /// assert_eq!((first.replayed, again.replayed, again.task_id), (false, true, first.task_id));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn submit_with_receipt(&self, submission: Submission) -> Result<SubmitReceipt, SubmitError> {
        let id = Uuid::now_v7();
        let (request, known) = self.request(id, submission)?;
        let task = self.add(request).await?.task;
        Ok(SubmitReceipt::new(task, task != id, &known.template))
    }

    /// Whether a task could be added, by everything that is known without the database: the template it would have.
    /// Nothing is added, and whether the idempotency key was used is not seen.
    ///
    /// ```
    /// # use tasker_runtime::{Tasker, api::Submission, prelude::*};
    /// #[step_handler]
    /// async fn greet(name: String) -> String {
    ///     format!("hello {name}")
    /// }
    ///
    /// workflow!(greeting = [greet]);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
    /// assert_eq!(tasker.would_submit(Submission::to("greeting"))?.name(), "greeting");
    /// assert!(tasker.would_submit(Submission::to("greting")).is_err());
    /// assert_eq!(tasker.stats().submits, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit), but for those of the database.
    pub fn would_submit(&self, submission: Submission) -> Result<Arc<Template>, SubmitError> {
        let (_, known) = self.request(Uuid::now_v7(), submission)?;
        Ok(known.template.clone())
    }
}
