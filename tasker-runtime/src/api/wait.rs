//! Waits for tasks, and says what came of them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Tasker, WaitError};
use crate::{
    dispatch::watch::{Ending, Progressed, Update, Updates},
    model::{Json, StepIndex, TaskState},
    orchestration::{result, view},
    template::{StepKind, Template},
};

/// What came of a task: its state, and its result where it is complete.
///
/// ```
/// # use tasker_runtime::{Tasker, api::Submission, model::TaskState, prelude::*};
/// #[step_handler]
/// async fn double(number: u64) -> u64 {
///     number * 2
/// }
///
/// workflow!(doubling = [double]);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let task = tasker.submit(Submission::to("doubling").context(&21)?).await?;
/// let outcome = tasker.wait(task).await?;
/// assert_eq!((outcome.state, outcome.result::<u64>()?), (TaskState::Complete, 42));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskOutcome {
    /// The task.
    pub task_id: Uuid,
    /// Where it stands: it is over, or cannot go on by itself.
    pub state: TaskState,
    /// The result of the last step, or of each by name where several have no dependents. `null` unless the
    /// task is complete.
    pub json: Json,
    /// Why it is where it is, in words.
    pub cause: Option<String>,
}

impl TaskOutcome {
    /// The result, read as `T`.
    ///
    /// # Errors
    /// When the task is not complete, or its result has another form.
    pub fn result<T: DeserializeOwned>(&self) -> Result<T, WaitError> {
        let task = self.task_id;
        if self.state != TaskState::Complete {
            return Err(WaitError::Unsuccessful { task, state: self.state, cause: self.cause.clone() });
        }
        self.json.parse().map_err(|source| WaitError::Form { task, source })
    }
}

/// What happens to a task, as it happens in this process.
///
/// ```
/// # use tasker_runtime::{Tasker, api::{Submission, Update}, prelude::*};
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
/// let mut watch = tasker.submit_watched(Submission::to("greeting").context("ada")?).await?;
/// let mut greetings = Vec::new();
/// while let Some(update) = watch.next().await {
///     if let Update::Completed { result, .. } = update {
///         greetings.push(result.parse::<String>()?);
///     }
/// }
/// assert_eq!(greetings, ["hello ada"]);
/// # Ok(())
/// # }
/// ```
pub struct Watch {
    task: Uuid,
    updates: Option<Updates>,
}

impl Watch {
    pub(super) fn new(task: Uuid, updates: Option<Updates>) -> Self {
        Self { task, updates }
    }

    /// The task.
    #[must_use]
    pub fn task(&self) -> Uuid {
        self.task
    }

    /// What has happened already and was not asked for yet.
    pub fn pending(&mut self) -> Option<Update> {
        self.updates.as_mut()?.pending()
    }

    /// The next thing that happens; `None` once the task has left this process, or when this process runs
    /// no tasks.
    ///
    /// A task that left may come back, as one does that waited for a distant retry: asked again after `None`,
    /// this waits for that. Of a task that is over it says `None` each time.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.as_mut()?.next().await
    }
}

/// How often the database is asked about a task that another process may have: first after this, then after
/// twice as long each time.
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// The longest time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The same for a task of this process, which says itself when it is over, unless it lost its lease.
const LOOK_AT_OWN: Duration = Duration::from_secs(2);

/// The steps whose results make the result of a task.
pub(super) struct Leaves {
    template: Arc<Template>,
    pub steps: Arc<[StepIndex]>,
    /// Its results cannot be told from those steps alone.
    has_batches: bool,
}

impl Leaves {
    pub(super) fn of(template: &Arc<Template>) -> Self {
        let has_batches = template.steps().iter().any(|step| step.kind == StepKind::BatchWorker);
        let steps = template.leaves().iter().map(|&leaf| StepIndex::of(leaf));
        let steps = if has_batches { Arc::default() } else { steps.collect() };
        Self { template: template.clone(), steps, has_batches }
    }

    /// What a complete task comes to with these results; `null` stands for a step that was left out.
    fn result(&self, of: impl Fn(usize) -> Option<Json>) -> Json {
        result::of(&self.template, |leaf| {
            of(self.steps.iter().position(|step| *step == StepIndex::of(leaf))?)
        })
    }

    /// What came of `task`, where that is known without the database.
    fn outcome(&self, task: Uuid, state: TaskState, results: &[Option<Json>]) -> Option<TaskOutcome> {
        let known = state == TaskState::Complete
            && !self.has_batches
            && results.len() == self.steps.len()
            && results.iter().all(Option::is_some);
        known.then(|| {
            let json = self.result(|place| results[place].clone());
            TaskOutcome { task_id: task, state, json, cause: None }
        })
    }
}

/// Whether a task in this state is over or cannot go on by itself.
const fn rests(state: TaskState) -> bool {
    state.is_final() || matches!(state, TaskState::BlockedByFailures | TaskState::Paused)
}

impl Tasker {
    /// Watches a task while this process has it.
    #[must_use]
    pub fn watch(&self, task: Uuid) -> Watch {
        let updates = self.inner.engine.as_ref().map(|engine| engine.watchers().add(task));
        Watch::new(task, updates)
    }

    /// Waits until a task is over or cannot go on by itself, whichever process has it, and says what came of
    /// it. [`show`](Self::show) says more.
    ///
    /// A task of this process costs the database nothing while it runs; about others it is asked four times a
    /// second.
    ///
    /// # Errors
    /// When there is no such task or the database does not answer.
    pub async fn wait(&self, task: Uuid) -> Result<TaskOutcome, WaitError> {
        let ending = self.ending(task, Arc::default(), false);
        self.until_rest(task, ending, None, false).await
    }

    /// Looks out for the end of a task in this process.
    pub(super) fn ending(&self, task: Uuid, steps: Arc<[StepIndex]>, held: bool) -> Option<Ending> {
        let engine = self.inner.engine.as_ref()?;
        Some(engine.watchers().wait(task, steps, held))
    }

    /// Waits until `task` rests, which this process may have `held` since `ending` is there.
    pub(super) async fn until_rest(
        &self,
        task: Uuid,
        mut ending: Option<Ending>,
        mut leaves: Option<Leaves>,
        mut held: bool,
    ) -> Result<TaskOutcome, WaitError> {
        let mut pause = FIRST_LOOK;
        let mut look = !held;
        loop {
            if look && let Some(outcome) = self.look(task, &mut leaves, ending.as_ref()).await? {
                return Ok(outcome);
            }
            let limit = async {
                if held {
                    tokio::select! {
                        () = self.inner.clock.sleep(LOOK_AT_OWN) => {}
                        () = tokio::time::sleep(LOOK_AT_OWN * 5) => {}
                    }
                } else {
                    tokio::time::sleep(pause).await;
                }
            };
            look = tokio::select! {
                progressed = next(&mut ending) => match progressed {
                    Progressed::Held => {
                        held = true;
                        false
                    }
                    Progressed::Lost => {
                        (held, pause) = (false, FIRST_LOOK);
                        false
                    }
                    Progressed::Left { state, results } => {
                        (held, pause) = (false, FIRST_LOOK);
                        match leaves.as_ref().and_then(|leaves| leaves.outcome(task, state, &results)) {
                            Some(outcome) => return Ok(outcome),
                            None => rests(state),
                        }
                    }
                },
                () = limit => {
                    pause = (pause * 2).min(LOOK);
                    true
                }
            };
        }
    }

    /// Asks the database what came of a task; `None` while it goes on.
    async fn look(
        &self,
        task: Uuid,
        known: &mut Option<Leaves>,
        ending: Option<&Ending>,
    ) -> Result<Option<TaskOutcome>, WaitError> {
        self.inner.looks.fetch_add(1, Ordering::Relaxed);
        let wanted = known.as_ref().map(|leaves| leaves.steps.clone()).unwrap_or_default();
        let read = async |steps: &[StepIndex]| {
            let mut connection = self.inner.store.reader().await?;
            view::standing(&mut connection, task, steps).await?.ok_or(WaitError::UnknownTask(task))
        };
        let mut standing = read(&wanted).await?;
        let leaves = match known {
            Some(leaves) => leaves,
            None => {
                let plan = self.inner.plans.kept(standing.template).await?;
                let leaves = Leaves::of(&plan.template);
                if standing.state == TaskState::Complete && !leaves.has_batches {
                    standing = read(&leaves.steps).await?;
                } else if let Some(ending) = ending {
                    ending.want(&leaves.steps);
                }
                known.insert(leaves)
            }
        };
        let (state, cause) = (standing.state, standing.cause);
        let json = match state {
            state if !rests(state) => return Ok(None),
            TaskState::Complete if leaves.has_batches => {
                // What its batches came to follows from its whole journal.
                let report = self.show(task).await?.ok_or(WaitError::UnknownTask(task))?;
                Json::of(&report.result).unwrap_or_else(|_| Json::null())
            }
            TaskState::Complete => leaves.result(|place| {
                let step = leaves.steps.get(place);
                let found = standing.results.iter().find(|(found, _)| Some(found) == step);
                found.map(|(_, result)| result.clone())
            }),
            _ => Json::null(),
        };
        Ok(Some(TaskOutcome { task_id: task, state, json, cause }))
    }
}

/// What matters next of a task that may be in this process.
async fn next(ending: &mut Option<Ending>) -> Progressed {
    match ending {
        Some(ending) => ending.next().await,
        None => std::future::pending().await,
    }
}
