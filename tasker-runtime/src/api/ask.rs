//! What operators ask of tasks, and what comes of it.

use std::{pin::pin, time::Duration};

use uuid::Uuid;

use super::{AskError, Tasker};
use crate::{
    dispatch::announce::News,
    model::Command,
    orchestration::{
        commands::{self, Answered, Asked, Refused},
        view,
    },
};

/// What came of a command that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is followed.
    Followed,
    /// It is asked, and not yet followed: the process that holds the task has not seen to it so far, or, for
    /// a pause, first lets come to an end what runs. It stays asked.
    Asked,
}

/// How long a command waits for the holder of its task, which looks for commands once a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether the holder has answered.
const LOOK: Duration = Duration::from_millis(50);

impl Tasker {
    /// Asks something of a task: at once where nobody holds it, through its holder otherwise, which is waited
    /// for for at most three seconds.
    ///
    /// # Errors
    /// When there is no such task, the command does not fit its state, or the database does not answer.
    pub async fn ask(&self, task: Uuid, command: &Command) -> Result<Answer, AskError> {
        self.ask_within(task, command, PATIENCE).await
    }

    /// As [`ask`](Self::ask), with another limit to the wait for the holder. A pause is not waited for.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_within(
        &self,
        task: Uuid,
        command: &Command,
        patience: Duration,
    ) -> Result<Answer, AskError> {
        let template = view::template(&mut self.inner.store.reader().await?, task).await?;
        // Known before a connection is held: to read it with another one, all may be waiting for each other.
        self.inner.plans.kept(template.ok_or(AskError::UnknownTask(task))?).await?;
        let mut connection = self.inner.store.writer().await?;
        let known = |template| self.inner.plans.known(template);
        let actor = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
        let now = self.inner.clock.now();
        let asked = commands::ask(&mut connection, task, command, Some(&actor), now, known).await;
        drop(connection);
        match asked {
            Ok(None) => Err(AskError::UnknownTask(task)),
            Ok(Some(Asked::Passed(line))) => {
                self.say_asked();
                match line.filter(|_| *command != Command::Pause) {
                    Some(line) => self.answer(line, patience).await,
                    None => Ok(Answer::Asked),
                }
            }
            Ok(Some(Asked::Done(_))) => {
                let found = async { view::find(&mut self.inner.store.reader().await?, task).await };
                // It is done: who cannot be told finds it with the next poll.
                if let Ok(Some((task, _))) = found.await {
                    self.say_due(&task.queue);
                }
                Ok(Answer::Followed)
            }
            Err(Refused::Command(problem)) => Err(AskError::Refused(problem)),
            Err(Refused::Store(error)) => Err(AskError::Store(error)),
        }
    }

    /// Waits for what the holder makes of the command in this line of the audit trail.
    async fn answer(&self, line: i64, patience: Duration) -> Result<Answer, AskError> {
        let mut limit = pin!(self.inner.clock.sleep(patience));
        loop {
            let mut connection = self.inner.store.reader().await?;
            let answered = commands::answer(&mut connection, line).await?;
            drop(connection);
            match answered {
                Answered::Followed => return Ok(Answer::Followed),
                Answered::Refused(reason) => return Err(AskError::RefusedByHolder { reason }),
                Answered::NotYet => {}
            }
            tokio::select! {
                biased;
                () = &mut limit => return Ok(Answer::Asked),
                () = tokio::time::sleep(LOOK) => {}
            }
            // It may have changed hands since.
            self.say_asked();
        }
    }

    /// Says here and elsewhere that a command waits.
    fn say_asked(&self) {
        self.inner.announcer.tell(News::Command);
        if let Some(engine) = &self.inner.engine {
            engine.shared.asked.notify_one();
        }
    }
}
