//! What operators want done to many tasks at once.

use tokio::task::JoinSet;
use uuid::Uuid;

use super::{CommandOutcome, OperateError, TaskFilter, Tasker};
use crate::{
    model::Command,
    store::{Error, Result},
};

/// What came of a command to many tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BulkOutcome {
    /// How many tasks it was given to.
    pub tasks: u64,
    /// How many have followed it.
    pub followed: u64,
    /// How many have it on record, to be followed by the process that holds them: [`CommandOutcome::Pending`].
    pub pending: u64,
    /// The tasks that it did not fit.
    pub refused: Vec<Refusal>,
}

/// A task that a command did not fit. Nothing about it has changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Refusal {
    /// The task.
    pub task_id: Uuid,
    /// Why, in words.
    pub reason: String,
}

/// So many tasks are told at once: some of them wait for whoever holds them.
const AT_ONCE: usize = 16;

impl Tasker {
    /// Does something to every task that `filter` lets through, as [`operate`](Self::operate) does it to one; page
    /// after page, and on after single refusals. Tasks that are over are among them, unless the filter says
    /// [`open`](TaskFilter::open).
    ///
    /// ```
    /// # use tasker_runtime::{Tasker, api::{Submission, TaskFilter}, model::{Command, TaskState}, prelude::*};
    /// # #[step_handler]
    /// # async fn greet(name: String) -> String {
    /// #     format!("hello {name}")
    /// # }
    /// # workflow!(greeting = [greet]);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").connect().await?;
    /// for name in ["ada", "grace"] {
    ///     tasker.submit(Submission::to("greeting").context(name)?).await?;
    /// }
    /// let open = TaskFilter::new().template("greeting").open();
    /// let paused = tasker.operate_all(&open, &Command::Pause).await?;
    /// assert_eq!((paused.tasks, paused.followed, paused.refused.len()), (2, 2, 0));
    /// let given_up = tasker.operate_all(&open, &Command::GiveUp).await?;
    /// assert_eq!(given_up.refused[0].reason, "the task is paused, not blocked_by_failures: cancel it instead of giving it up");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the database does not answer. Some of the tasks may have followed then, and the next call goes on with
    /// the others.
    pub async fn operate_all(&self, filter: &TaskFilter, command: &Command) -> Result<BulkOutcome> {
        let tasks = self.matching(filter).await?;
        self.operate_each(&tasks, command).await
    }

    /// Does something to each of these tasks, the last of them first: [`matching`](Self::matching) has the oldest there.
    ///
    /// # Errors
    /// As [`operate_all`](Self::operate_all).
    pub async fn operate_each(&self, tasks: &[Uuid], command: &Command) -> Result<BulkOutcome> {
        let mut outcome = BulkOutcome { tasks: tasks.len() as u64, ..BulkOutcome::default() };
        let (mut left, mut told) = (tasks.iter().rev(), JoinSet::new());
        loop {
            while told.len() < AT_ONCE
                && let Some(&task) = left.next()
            {
                let (tasker, command) = (self.clone(), command.clone());
                told.spawn(async move { (task, tasker.operate(task, &command).await) });
            }
            match told.join_next().await {
                None => break,
                Some(Ok((task, answer))) => outcome.add(task, answer)?,
                Some(Err(failed)) => {
                    if let Ok(panic) = failed.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
        outcome.refused.sort_unstable_by_key(|refusal| refusal.task_id);
        Ok(outcome)
    }
}

impl BulkOutcome {
    /// Counts what one of the tasks answered.
    fn add(
        &mut self,
        task_id: Uuid,
        answer: std::result::Result<CommandOutcome, OperateError>,
    ) -> Result<()> {
        match answer {
            Ok(CommandOutcome::Followed) => self.followed += 1,
            Ok(CommandOutcome::Pending) => self.pending += 1,
            // What is wrong with one of them says nothing about the others.
            Err(OperateError::Store(error)) if !matches!(error, Error::Corrupt { .. }) => return Err(error),
            Err(refused) => self.refused.push(Refusal { task_id, reason: refused.to_string() }),
        }
        Ok(())
    }
}
