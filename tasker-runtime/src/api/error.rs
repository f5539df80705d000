//! Why the library refused.

use uuid::Uuid;

use super::UnknownTemplate;
use crate::{model::TaskState, orchestration::submission::Refused, store};

/// Why a [`Tasker`](super::Tasker) did not start. Nothing runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Handlers, templates and state do not fit together. Each entry names what and what to do.
    #[error("handlers and templates do not fit together:\n{}", problems.join("\n"))]
    Wiring {
        /// Everything that is wrong, at once.
        problems: Vec<String>,
    },
    /// Template files have mistakes.
    #[error("templates have mistakes:\n{}", reports.join("\n"))]
    Templates {
        /// The rendered report of each file.
        reports: Vec<String>,
    },
    /// A template nests more decisions than `limits.max_decision_depth` allows.
    #[error(
        "template {name} nests {depth} decisions, from `{first}` to `{last}`, and at most {most} may be nested: split it, or raise limits.max_decision_depth"
    )]
    Decisions {
        /// Namespace and name.
        name: String,
        /// How many follow one another.
        depth: u32,
        /// The first of them.
        first: String,
        /// The last of them.
        last: String,
        /// How many may.
        most: u32,
    },
    /// The same name and version is kept with other content, with which tasks began that are not over. Where
    /// there are none, it is replaced without a word.
    #[error(
        "template {name} {version} is kept with other content, and open tasks use it: give it a new version, or replace it with --replace"
    )]
    Changed {
        /// Namespace and name.
        name: String,
        /// The version.
        version: String,
    },
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Why a task was not added. Nothing was written.
///
/// ```
/// use tasker_runtime::api::{Submission, SubmitError};
/// # use tasker_runtime::{Tasker, prelude::*};
/// # #[step_handler]
/// # async fn greet(name: String) -> Result<String, StepError> {
/// #     if name.is_empty() { Err(StepError::permanent("NOBODY", "there is no name")) } else { Ok(format!("hello {name}")) }
/// # }
/// # workflow!(greeting = [greet]);
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let refused = tasker.submit(Submission::to("greting")).await;
/// assert!(matches!(refused, Err(SubmitError::UnknownTemplate(unknown)) if unknown.nearest.as_deref() == Some("default/greeting")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// There is no such template.
    #[error(transparent)]
    UnknownTemplate(#[from] UnknownTemplate),
    /// The context breaks the template's input schema.
    #[error("the input does not fit {template}:\n{}", problems.join("\n"))]
    Context {
        /// Namespace and name.
        template: String,
        /// What is wrong, each with the path of the field.
        problems: Vec<String>,
    },
    /// The context has no value for a limit of the template, or one that is no key.
    #[error("the input does not fit {template}: {problem}")]
    NoKey {
        /// Namespace and name.
        template: String,
        /// What is wrong, with the field.
        problem: String,
    },
    /// The context cannot be written as JSON.
    #[error("the input is no JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The template asks for something this version does not do.
    #[error("{template} cannot run yet: {reason}")]
    Unsupported {
        /// Namespace and name.
        template: String,
        /// What it asks for.
        reason: String,
    },
    /// The idempotency key is empty.
    #[error("an idempotency key must have at least one character")]
    EmptyKey,
    /// The idempotency key is longer than [`Submission::MAX_KEY`](super::Submission::MAX_KEY).
    #[error(
        "an idempotency key may have at most {} characters, and this one has {characters}",
        super::Submission::MAX_KEY
    )]
    KeyTooLong {
        /// How many characters it has.
        characters: usize,
    },
    /// The delay is longer than [`Submission::MAX_DELAY`](super::Submission::MAX_DELAY).
    #[error("a delay may be at most {} days, and this one is {} s", super::Submission::MAX_DELAY.as_secs() / 86_400, delay.as_secs())]
    DelayTooLong {
        /// The delay.
        delay: std::time::Duration,
    },
    /// The idempotency key was used with another context.
    #[error("the idempotency key `{key}` was used for task {task} with another input")]
    KeyReused {
        /// The key.
        key: String,
        /// The task it was used for.
        task: Uuid,
    },
    /// The database did not do its part. It is unknown whether the task was added.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<Refused> for SubmitError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::UnknownTemplate(unknown) => unknown.into(),
            Refused::EmptyKey => Self::EmptyKey,
            Refused::KeyTooLong { characters } => Self::KeyTooLong { characters },
            Refused::DelayTooLong { delay } => Self::DelayTooLong { delay },
            Refused::Unsupported { template, reason } => Self::Unsupported { template, reason },
            Refused::NoKey { template, problem } => Self::NoKey { template, problem: problem.to_string() },
            Refused::Context { template, problems } => Self::Context { template, problems },
        }
    }
}

/// Why the result of a task is not there.
///
/// ```
/// use tasker_runtime::{api::WaitError, model::TaskState};
/// # use tasker_runtime::{Tasker, prelude::*};
/// # #[step_handler]
/// # async fn greet(name: String) -> Result<String, StepError> {
/// #     if name.is_empty() { Err(StepError::permanent("NOBODY", "there is no name")) } else { Ok(format!("hello {name}")) }
/// # }
/// # workflow!(greeting = [greet]);
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let failed = tasker.run::<String, _, _, _, _>(greeting, "").await;
/// assert!(matches!(failed, Err(WaitError::Unsuccessful { state: TaskState::BlockedByFailures, .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// There is no such task.
    #[error("there is no task {0}")]
    UnknownTask(Uuid),
    /// The task came to rest without a result.
    #[error("task {task} is {state}{}", cause.as_deref().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Unsuccessful {
        /// The task.
        task: Uuid,
        /// Its state.
        state: TaskState,
        /// Why, in words.
        cause: Option<String>,
    },
    /// The result has another form than the caller asked for.
    #[error("the result of task {task} has another form: {source}")]
    Form {
        /// The task.
        task: Uuid,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// Adding the task failed.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The database did not do its part. The task goes on.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Why a signal was not sent. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// There is no such task.
    #[error("there is no task {0}")]
    UnknownTask(Uuid),
    /// The task does not take it.
    #[error(transparent)]
    Refused(#[from] crate::model::SignalRefused),
    /// The payload cannot be written as JSON.
    #[error("the payload is no JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The database did not do its part. It is unknown whether the signal was sent; sending it again with the same
    /// idempotency key is safe.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Why an operator's command was not followed. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// There is no such task.
    #[error("there is no task {0}")]
    UnknownTask(Uuid),
    /// The command does not fit the state of the task.
    #[error(transparent)]
    Refused(#[from] crate::model::CommandError),
    /// The process that holds the task found that the command does not fit.
    #[error("{reason}")]
    RefusedByHolder {
        /// Why, in words.
        reason: String,
    },
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Why a task was neither replayed nor forked. Nothing was added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// There is no such task.
    #[error("there is no task {0}")]
    UnknownTask(Uuid),
    /// The task cannot be forked so, or its template is gone.
    #[error(transparent)]
    Refused(#[from] crate::model::ForkRefused),
    /// The new input breaks the template's input schema.
    #[error("the input does not fit {template}:\n{}", problems.join("\n"))]
    Context {
        /// Namespace, name and version.
        template: String,
        /// What is wrong, each with the path of the field.
        problems: Vec<String>,
    },
    /// As many tasks run as a limit of the template lets, which says that a further one is to be skipped.
    #[error("a limit of the template lets no further task run while task {running} does")]
    Skipped {
        /// One of those that run.
        running: Uuid,
    },
    /// The database did not do its part. It is unknown whether a task was added.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl ForkError {
    /// The reason in a word, which stays the same: programs may compare it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownTask(_) => "UNKNOWN_TASK",
            Self::Refused(problem) => problem.code(),
            Self::Context { .. } => "INVALID_INPUT",
            Self::Skipped { .. } => "SKIPPED",
            Self::Store(_) => "DATABASE",
        }
    }
}
