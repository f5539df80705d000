//! What is sent to a task from outside, and why it may be refused.

use std::sync::Arc;

use tasker_template::nearest;

use super::{Json, Rules, TaskState, Timestamp, Wait};

/// Something that was sent to a task, for a step that waits for it or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number among those of its task, from 1, in the order they arrived.
    pub number: u32,
    /// What it is called.
    pub name: Arc<str>,
    /// What it says: the result of the step that it settles.
    pub payload: Json,
    /// When it was sent.
    pub sent_at: Timestamp,
}

/// Why a signal was not accepted. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalRefused {
    /// The task is over.
    #[error("the task is {0}: nothing waits for signals any more")]
    Over(TaskState),
    /// The task is being undone, and no step will run again.
    #[error("the task is being rolled back: none of its steps waits for signals any more")]
    RollingBack,
    /// No step of the task waits for signals of this name.
    #[error(
        "no step of the task waits for a signal `{name}`{}",
        match (nearest, known.is_empty()) {
            (Some(near), _) => format!("; did you mean `{near}`?"),
            (None, true) => ": its workflow has no step of type `signal`".to_owned(),
            (None, false) => format!("; it knows {}", known.join(", ")),
        }
    )]
    Unknown {
        /// The name that was given.
        name: String,
        /// The name that is nearest.
        nearest: Option<String>,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The payload breaks the schema of the signal.
    #[error("the payload does not fit the signal `{name}`: {problem}")]
    Payload {
        /// The signal.
        name: String,
        /// What is wrong, with the path of the field.
        problem: String,
    },
    /// The payload is larger than [`MAX_PAYLOAD`].
    #[error(
        "the payload has {bytes} bytes, and a signal may have {MAX_PAYLOAD}: send a reference to it instead"
    )]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// As many signals wait for a step as may.
    #[error("{MAX_MAILBOX} signals of the task wait for a step already")]
    MailboxFull,
    /// The idempotency key was used for another signal of this task.
    #[error("the idempotency key was used for another signal of this task, number {number}")]
    KeyReused {
        /// The number of that signal.
        number: u32,
    },
    /// The idempotency key is empty or longer than 255 characters.
    #[error("an idempotency key must have 1 to 255 characters, and this one has {characters}")]
    BadKey {
        /// How many it has.
        characters: usize,
    },
}

/// The most bytes that the payload of a signal may have: 256 KiB.
pub const MAX_PAYLOAD: usize = 256 << 10;

/// The most signals of one task that may wait for a step.
pub const MAX_MAILBOX: u64 = 1_000;

impl SignalRefused {
    /// The reason in a word, which stays the same: programs may compare it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Over(_) => "TASK_OVER",
            Self::RollingBack => "TASK_ROLLING_BACK",
            Self::Unknown { .. } => "UNKNOWN_SIGNAL",
            Self::Payload { .. } => "INVALID_PAYLOAD",
            Self::TooLarge { .. } => "PAYLOAD_TOO_LARGE",
            Self::MailboxFull => "MAILBOX_FULL",
            Self::KeyReused { .. } => "KEY_REUSED",
            Self::BadKey { .. } => "INVALID_KEY",
        }
    }
}

impl Rules {
    /// The steps that wait for signals of this name, or all that wait for any.
    pub fn steps_for_signal(&self, name: Option<&str>) -> impl Iterator<Item = u32> {
        let waits = move |wait: &Wait| match (wait.signal(), name) {
            (Some(signal), Some(name)) => **signal == *name,
            (signal, _) => signal.is_some(),
        };
        let steps = (0u32..).zip(&self.steps);
        steps.filter(move |(_, rule)| rule.wait.as_ref().is_some_and(waits)).map(|(step, _)| step)
    }

    /// Whether some step waits for signals of this name.
    ///
    /// # Errors
    /// When none does, with the name that is nearest.
    pub fn knows_signal(&self, name: &str) -> Result<(), SignalRefused> {
        if self.steps_for_signal(Some(name)).next().is_some() {
            return Ok(());
        }
        let names = self.steps.iter().filter_map(|rule| rule.wait.as_ref()?.signal());
        let mut known: Vec<String> = names.map(|name| name.to_string()).collect();
        known.sort_unstable();
        known.dedup();
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        Err(SignalRefused::Unknown { name: name.to_owned(), nearest, known })
    }
}
