//! What is sent to tasks while they run.

use std::pin::Pin;

use serde::Serialize;
use uuid::Uuid;

use super::{SignalError, Tasker};
use crate::{
    handler::Signal,
    model::{Json, MAX_PAYLOAD, SignalRefused},
    orchestration::{
        commands::{self, NewSignal, NotSent},
        view,
    },
};

/// Something to be sent to a task, for a step of type `signal`.
///
/// ```
/// use tasker_runtime::{api::{Message, Submission}, model::TaskState};
/// # use tasker_runtime::{Tasker, template::Template};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// use tasker_runtime::template::{SignalConfig, Step};
///
/// let holiday = Template::builder("holiday").step(Step::signal("approval", SignalConfig::default())).build()?;
/// let tasker = Tasker::builder().template(holiday).database("sqlite::memory:").start().await?;
/// let task = tasker.submit(Submission::to("holiday")).await?;
/// tasker.send(task, &Message::named("approval").payload(&true)?).await?;
/// let approved: bool = tasker.wait(task).await?.result()?;
/// assert!(approved);
///
/// let late = tasker.send(task, &Message::named("approval")).await.unwrap_err();
/// assert_eq!(late.to_string(), "the task is complete: nothing waits for signals any more");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a message is sent with `Tasker::send`"]
pub struct Message {
    name: String,
    payload: Json,
    key: Option<String>,
}

impl Message {
    /// A signal of this name that says `null`.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), payload: Json::null(), key: None }
    }

    /// Says `payload`: the result of the step that the signal settles.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn payload<T: Serialize + ?Sized>(self, payload: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { payload: Json::of(payload)?, ..self })
    }

    /// Sends it once, however often it is sent to a task with this key, 1 to 255 characters.
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

/// What became of a signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Its number among those of its task, from 1, in the order they arrived.
    pub number: u32,
}

/// A signal on its way, to be awaited. Of one type whatever is sent: what cannot be is refused once, where it stands.
pub type Sending<'t> = Pin<Box<dyn Future<Output = Result<Receipt, SignalError>> + Send + 't>>;

impl Tasker {
    /// Sends a signal whose type has `#[signal]`; see [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn signal<S: Signal>(&self, task: Uuid, signal: &S) -> Sending<'_> {
        let message = Message::named(<S as Signal>::NAME).payload(signal);
        Box::pin(async move { self.send(task, &message?).await })
    }

    /// Sends a signal to a task. It is durable once this returns, and settles one step that waits for signals of its
    /// name, now or later: of several signals the first one to arrive settles the first such step, and the others
    /// wait for further ones.
    ///
    /// # Errors
    /// When there is no such task, it is over or being rolled back, none of its steps waits for such signals, the
    /// payload breaks the schema of the signal or is larger than 256 KiB, 1,000 signals wait already, or the
    /// database does not answer.
    pub async fn send(&self, task: Uuid, message: &Message) -> Result<Receipt, SignalError> {
        let Message { name, payload, key } = message;
        let bytes = payload.as_str().len();
        if bytes > MAX_PAYLOAD {
            return Err(SignalRefused::TooLarge { bytes }.into());
        }
        if let Some(key) = key {
            let characters = key.chars().count();
            if !(1..=255).contains(&characters) {
                return Err(SignalRefused::BadKey { characters }.into());
            }
        }
        let found = view::template(&mut self.inner.store.reader().await?, task).await?;
        let template = self.inner.plans.kept(found.ok_or(SignalError::UnknownTask(task))?).await?;
        template.rules().knows_signal(name)?;
        template.check_payload(name, payload)?;
        let signal = NewSignal { name, payload, key: key.as_deref(), by: self.asker() };
        let mut connection = self.inner.store.writer().await?;
        let sent =
            commands::send(&mut connection, task, signal, template.rules(), self.inner.clock.now()).await;
        drop(connection);
        match sent {
            Ok(None) => Err(SignalError::UnknownTask(task)),
            Ok(Some(sent)) => {
                if sent.held {
                    self.tell_of_command();
                } else {
                    self.tell_due(task).await;
                }
                Ok(Receipt { number: sent.number })
            }
            Err(NotSent::Refused(refused)) => Err(SignalError::Refused(refused)),
            Err(NotSent::Store(error)) => Err(SignalError::Store(error)),
        }
    }
}
