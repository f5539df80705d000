//! What operators want done to tasks, and what comes of it.

use std::{pin::pin, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{OperateError, Tasker};
use crate::{
    dispatch::notify::Notification,
    model::{Command, CommandError, Json},
    orchestration::{
        commands::{self, Asker, Delivery, Refused, Response},
        compiled::CompiledTemplate,
        turns, view,
    },
    store,
};

/// What came of a command that was not refused.
///
/// ```
/// use tasker_runtime::{api::{CommandOutcome, Submission}, model::{Command, Json}};
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
/// let task = tasker.submit(Submission::to("greeting").context("")?).await?;
/// tasker.wait(task).await?;
/// let given = Command::Resolve { step: "greet".into(), result: Json::of("hello whoever you are")? };
/// let outcome = tasker.as_actor("ada").operate(task, &given).await?;
/// assert!(matches!(outcome, CommandOutcome::Followed | CommandOutcome::Pending));
/// let said: String = tasker.wait(task).await?.result()?;
/// assert_eq!(said, "hello whoever you are");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It is followed.
    Followed,
    /// It is on record and not yet followed: the process that holds the task has not seen to it so far, or, for
    /// a pause, first lets what runs come to an end. It stays on record until it is followed or refused.
    Pending,
}

/// How long a command waits for the holder of its task, which looks for commands once a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether the holder has answered.
const LOOK: Duration = Duration::from_millis(50);

/// Whether a result that is given by hand has the shape that the template asks of the step. Of a batch worker it is
/// the results of all batches, each of which has one.
fn fits(template: &CompiledTemplate, step: &str, result: &Json) -> Result<(), OperateError> {
    let Some(no) = template.rules().number(step) else { return Ok(()) };
    let whole = no.index().is_none() && template.rules().steps[no.step() as usize].batch.is_some();
    if whole {
        return Ok(());
    }
    template.check_schema(no, result).map_err(|error| {
        let (step, problem) = (step.to_owned(), error.message().to_owned());
        OperateError::Refused(CommandError::Result { step, problem })
    })
}

impl Tasker {
    /// The same Tasker, on whose commands `actor` stands in the audit trail: a person, or the program that acts
    /// for one. Without this it is the name of the program, or what [`Builder::actor`](super::Builder::actor)
    /// says.
    ///
    /// ```
    /// # use tasker_runtime::{Tasker, api::{CommandOutcome, Submission}, model::{Command, TaskState}, prelude::*};
    /// #[step_handler]
    /// async fn pay(cents: u64) -> u64 {
    ///     cents
    /// }
    ///
    /// workflow!(paying = [pay]);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").connect().await?;
    /// let task = tasker.submit(Submission::to("paying").context(&5)?).await?;
    /// let ada = tasker.as_actor("ada");
    /// assert_eq!(ada.operate(task, &Command::Cancel).await?, CommandOutcome::Followed);
    /// assert_eq!(ada.wait(task).await?.state, TaskState::Cancelled);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn as_actor(&self, actor: impl Into<Arc<str>>) -> Self {
        Self { inner: self.inner.clone(), actor: actor.into(), reason: None }
    }

    /// Who gives the commands of this handle.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The same Tasker, on whose commands and signals this reason stands in the audit trail, in words for people.
    /// See [`audit`](Self::audit).
    #[must_use]
    pub fn because(&self, reason: impl Into<Arc<str>>) -> Self {
        Self { inner: self.inner.clone(), actor: self.actor.clone(), reason: Some(reason.into()) }
    }

    /// Who stands in the audit trail for what is asked by this handle.
    pub(super) fn asker(&self) -> Asker<'_> {
        Asker { actor: &self.actor, reason: self.reason.as_deref() }
    }

    /// Does something to a task: at once where nobody holds it, through its holder otherwise, which is waited
    /// for for three seconds at most.
    ///
    /// # Errors
    /// When there is no such task, the command does not fit its state, or the database does not answer.
    pub async fn operate(&self, task: Uuid, command: &Command) -> Result<CommandOutcome, OperateError> {
        self.operate_within(task, command, PATIENCE).await
    }

    /// As [`operate`](Self::operate), with another limit to the wait for the holder. A pause is not waited for.
    ///
    /// # Errors
    /// As [`operate`](Self::operate).
    pub async fn operate_within(
        &self,
        task: Uuid,
        command: &Command,
        patience: Duration,
    ) -> Result<CommandOutcome, OperateError> {
        let template = view::template(&mut self.inner.store.reader().await?, task).await?;
        // Known before a connection is held: to read it with another one, all may be waiting for each other.
        let template = self.inner.plans.kept(template.ok_or(OperateError::UnknownTask(task))?).await?;
        if let Command::Resolve { step, result } = command {
            fits(&template, step, result)?;
        }
        let mut connection = self.inner.store.writer().await?;
        let known = |template| self.inner.plans.known(template);
        let (by, now) = (Some(self.asker()), self.inner.clock.now());
        let asked = commands::ask(&mut connection, task, command, by, now, known).await;
        drop(connection);
        match asked {
            Ok(None) => Err(OperateError::UnknownTask(task)),
            Ok(Some(Delivery::LeftToHolder(line))) => {
                self.tell_of_command();
                match line.filter(|_| *command != Command::Pause) {
                    Some(line) => self.answer(line, patience).await,
                    None => Ok(CommandOutcome::Pending),
                }
            }
            Ok(Some(Delivery::Done(state))) => {
                if state.is_final() && !template.template.concurrency().is_empty() {
                    self.pass_turns_on(task).await;
                }
                self.tell_due(task).await;
                // The task that started it may be held, and those that it started.
                self.tell_of_command();
                Ok(CommandOutcome::Followed)
            }
            Err(Refused::Command(problem)) => Err(OperateError::Refused(problem)),
            Err(Refused::Store(error)) => Err(OperateError::Store(error)),
        }
    }

    /// The names of the steps that `command` would leave out besides the one it names, as the task stands now: for
    /// [`Command::Skip`] those that need the result of the step, and whatever needs theirs. Nothing is done.
    ///
    /// # Errors
    /// When there is no such task, the command does not fit its state, or the database does not answer.
    pub async fn would_leave_out(&self, task: Uuid, command: &Command) -> Result<Vec<String>, OperateError> {
        let found = view::find(&mut self.inner.store.reader().await?, task).await?;
        let (stored, history) = found.ok_or(OperateError::UnknownTask(task))?;
        let rules = self.inner.plans.known(stored.template).await?.rules;
        command.leaves_out(&history.replay(rules)).map_err(OperateError::Refused)
    }

    /// Waits for what the holder makes of the command in this line of the audit trail.
    async fn answer(&self, line: i64, patience: Duration) -> Result<CommandOutcome, OperateError> {
        let mut limit = pin!(self.inner.clock.sleep(patience));
        loop {
            let mut connection = self.inner.store.reader().await?;
            let answered = commands::answer(&mut connection, line).await?;
            drop(connection);
            match answered {
                Response::Followed => return Ok(CommandOutcome::Followed),
                Response::Refused(reason) => return Err(OperateError::RefusedByHolder { reason }),
                Response::Pending => {}
            }
            tokio::select! {
                biased;
                () = &mut limit => return Ok(CommandOutcome::Pending),
                () = tokio::time::sleep(LOOK) => {}
            }
            // It may have changed hands since.
            self.tell_of_command();
        }
    }

    /// Says here and elsewhere that a task may be due now. It is done: who cannot be told finds it with the next poll.
    pub(super) async fn tell_due(&self, task: Uuid) {
        let queue = async { view::queue(&mut self.inner.store.reader().await?, task).await };
        if let Ok(Some(queue)) = queue.await {
            self.say_due(&queue);
        }
    }

    /// Gives the turns of a task that is over to the next in line. It is done: who does not get one now does when
    /// somebody looks.
    async fn pass_turns_on(&self, task: Uuid) {
        let passed = async {
            let number = view::number(&mut self.inner.store.reader().await?, task).await?;
            let Some(number) = number else { return Ok(turns::Due::new()) };
            turns::pass_on(&mut self.inner.store.writer().await?, &[number]).await
        };
        let due: store::Result<turns::Due> = passed.await;
        due.unwrap_or_default().into_keys().for_each(|queue| self.say_due(&queue));
    }

    /// Says here and elsewhere that a command waits.
    pub(super) fn tell_of_command(&self) {
        self.inner.notifier.notify(Notification::Command);
        if let Some(engine) = &self.inner.engine {
            engine.command_pending();
        }
    }
}
