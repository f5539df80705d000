//! A workflow under way, and what came of it.

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{RunError, START};
use crate::{
    api::{OperateError, SignalError, StepReport, TaskReport, Tasker, Update, WaitError, Watch, idle::Idle},
    clock::Clock,
    handler::{Readable, Signal, StepFn},
    model::{Command, Json, StepError, StepIndex, StepState, TaskState, Timestamp},
};

/// A workflow whose time the test moves.
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::{model::TaskState, prelude::*, testing};
///
/// #[step_handler(retry(max_attempts = 2, backoff = "none", base = "10m", max = "10m"))]
/// async fn fetch(attempt: Attempt) -> Result<&'static str, StepError> {
///     if attempt.is_last() { Ok("here it is") } else { Err(StepError::retryable("CLOSED", "come back")) }
/// }
///
/// workflow!(fetching = [fetch]);
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let mut running = testing::run(fetching, &()).start().await?;
/// let waiting = running.rest().await?;
/// assert_eq!(waiting.attempts("fetch"), 1);
///
/// running.advance(Duration::from_secs(5 * 60));
/// assert_eq!(running.rest().await?.attempts("fetch"), 1); // too early
///
/// let done = running.finish().await?;
/// assert_eq!((done.state, done.attempts("fetch")), (TaskState::Complete, 2));
/// assert!(done.took > Duration::from_secs(8 * 60));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a workflow that is dropped is left where it is"]
pub struct Running {
    tasker: Tasker,
    clock: Clock,
    watch: Watch,
    /// Namespace and name.
    template: String,
}

/// How long nothing may happen, by the machine's clock, while a handler runs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a task is looked at of which nothing is heard.
const LOOK: Duration = Duration::from_millis(100);

impl Running {
    pub(super) fn new(tasker: Tasker, clock: Clock, watch: Watch, template: String) -> Self {
        Self { tasker, clock, watch, template }
    }

    /// The id of the task.
    #[must_use]
    pub fn task(&self) -> Uuid {
        self.watch.task()
    }

    /// The engine that runs it, for everything else a program can do.
    #[must_use]
    pub fn tasker(&self) -> &Tasker {
        &self.tasker
    }

    /// Moves the time on: what is due then goes on, and handlers whose deadline passes are stopped.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Asks something of the task, as an operator does.
    ///
    /// # Errors
    /// When it does not fit the state of the task.
    pub async fn operate(&self, command: &Command) -> Result<(), OperateError> {
        self.tasker.operate(self.task(), command).await.map(drop)
    }

    /// Sends a signal to the task.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use tasker_runtime::{prelude::*, testing};
    ///
    /// #[signal(timeout = "3d", default = Approval { by: "nobody".into() })]
    /// #[derive(Serialize, Deserialize)]
    /// struct Approval {
    ///     by: String,
    /// }
    ///
    /// #[step_handler]
    /// async fn file(#[depends_on(Approval)] approval: Approval) -> String {
    ///     format!("approved by {}", approval.by)
    /// }
    ///
    /// workflow!(filing = [Approval, file]);
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let mut running = testing::run(filing, &()).start().await?;
    /// running.rest().await?;
    /// running.signal(&Approval { by: "ada".into() }).await?;
    /// let done = running.finish().await?;
    /// assert_eq!(done.result::<String>()?, "approved by ada");
    ///
    /// // Nobody answers: three days later the task goes on.
    /// let done = testing::run(filing, &()).await?;
    /// assert_eq!(done.result::<String>()?, "approved by nobody");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tasker::send`].
    pub async fn signal<S: Signal>(&self, signal: &S) -> Result<(), SignalError> {
        self.tasker.signal(self.task(), signal).await.map(drop)
    }

    /// Waits for an attempt at this step to begin, unless one has since the last wait.
    ///
    /// # Errors
    /// When none begins, since the task has come to rest or something else does not come to an end.
    pub async fn began(&mut self, step: &str) -> Result<(), RunError> {
        let waited = Instant::now();
        loop {
            match tokio::time::timeout(LOOK, self.watch.next()).await {
                Ok(Some(Update::Started { step: no, .. }))
                    if self.name(no).await.as_deref() == Some(step) =>
                {
                    return Ok(());
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    if self.look().await? != Idle::Working || waited.elapsed() > PATIENCE {
                        let state = self.report().await?.state;
                        return Err(RunError::NotBegun { step: step.to_owned(), state });
                    }
                }
            }
        }
    }

    async fn name(&self, no: StepIndex) -> Option<std::sync::Arc<str>> {
        self.tasker.step_name(&self.template, no).await
    }

    /// Waits until nothing happens any more unless time moves or somebody interferes; how the task stands
    /// then.
    ///
    /// # Errors
    /// When a handler does not come to an end.
    pub async fn rest(&mut self) -> Result<Finished, RunError> {
        self.until().await?;
        self.report().await
    }

    /// Lets the time jump from one due moment to the next until the task is over or cannot go on by itself,
    /// and stops the engine.
    ///
    /// # Errors
    /// When a handler does not come to an end.
    pub async fn finish(mut self) -> Result<Finished, RunError> {
        while let Some(at) = self.until().await? {
            self.clock.advance(at.since(self.clock.now()));
        }
        let finished = self.report().await?;
        drop(self.watch);
        self.tasker.stop().await?;
        Ok(finished)
    }

    /// How the task stands now.
    async fn report(&self) -> Result<Finished, RunError> {
        let report = self.tasker.show(self.task()).await?.ok_or(WaitError::UnknownTask(self.task()))?;
        Ok(Finished { took: self.clock.now().since(START), report })
    }

    async fn look(&self) -> Result<Idle, RunError> {
        Ok(self.tasker.idle(self.task()).await?.ok_or(WaitError::UnknownTask(self.task()))?)
    }

    /// Waits until the task rests: until this moment, or for good.
    async fn until(&mut self) -> Result<Option<Timestamp>, RunError> {
        let mut heard = Instant::now();
        loop {
            while self.watch.pending().is_some() {
                heard = Instant::now();
            }
            match self.look().await? {
                Idle::Over => return Ok(None),
                Idle::Until(at) => return Ok(Some(at)),
                Idle::Working if heard.elapsed() > PATIENCE => {
                    return Err(RunError::Stuck { running: self.report().await?.open() });
                }
                Idle::Working => {}
            }
            if self.hear().await {
                heard = Instant::now();
            }
        }
    }

    /// Waits for the next thing that changes the task, for a while.
    async fn hear(&mut self) -> bool {
        let changes = async {
            let mut gone = false;
            loop {
                match self.watch.next().await {
                    Some(Update::Started { .. }) => gone = false,
                    Some(_) => return,
                    // It left; asked again, the watch waits for it to come back, unless it is over.
                    None if !gone => gone = true,
                    None => std::future::pending().await,
                }
            }
        };
        tokio::time::timeout(LOOK, changes).await.is_ok()
    }
}

/// How a task of a test stands: everything that [`TaskReport`] says, and more.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How much time has passed for the task, by the clock that the test moves.
    pub took: Duration,
    report: TaskReport,
}

impl Finished {
    /// The result of the task: that of its last step, or of each by name where several have no dependents.
    ///
    /// # Errors
    /// When the task is not complete, or its result has another shape.
    pub fn result<T: DeserializeOwned>(&self) -> Result<T, WaitError> {
        let TaskReport { task_id: task, state, cause, result_text, .. } = &self.report;
        if *state != TaskState::Complete {
            return Err(WaitError::Unsuccessful { task: *task, state: *state, cause: cause.clone() });
        }
        result_text.parse().map_err(|source| WaitError::Form { task: *task, source })
    }

    /// What the step of the handler `S` returned, where it has the handler's name.
    ///
    /// # Errors
    /// Why its last attempt failed; a permanent `NO_RESULT` where it has none, for another reason.
    pub fn result_of<S: StepFn>(&self) -> Result<S::Output, StepError>
    where
        S::Output: Readable,
    {
        let step = self.report.step(S::NAME);
        if let Some(error) = step.and_then(|step| step.error.clone()) {
            return Err(error);
        }
        let Some(step) = step.filter(|step| step.state.has_result()) else {
            let state = step.map_or("not there".to_owned(), |step| step.state.to_string());
            return Err(StepError::permanent("NO_RESULT", format!("step `{}` is {state}", S::NAME)));
        };
        let parts = || self.report.steps.iter().filter(|part| part.batch_of.as_deref() == Some(S::NAME));
        let read = match step.batches {
            // What it returned is what its batches returned, in their order.
            Some(_) => {
                let done = parts().filter(|part| part.state.has_result());
                let texts: Vec<&str> = done.map(|part| part.result_text.as_str()).collect();
                S::Output::read(&Json::stored(&format!("[{}]", texts.join(","))))
            }
            None => S::Output::read(&step.result_text),
        };
        read.map_err(|error| StepError::permanent("NO_RESULT", format!("step `{}`: {error}", S::NAME)))
    }

    /// How many attempts at a step have come to an end; 0 where there is no such step.
    #[must_use]
    pub fn attempts(&self, step: &str) -> u32 {
        self.report.step(step).map_or(0, |step| step.attempts)
    }

    /// The names of the steps that could run or do.
    fn open(&self) -> Vec<String> {
        let open = |step: &&StepReport| matches!(step.state, StepState::Ready | StepState::InProgress);
        self.report.all().filter(open).map(|step| format!("`{}`", step.name)).collect()
    }
}

impl Deref for Finished {
    type Target = TaskReport;

    fn deref(&self) -> &TaskReport {
        &self.report
    }
}
