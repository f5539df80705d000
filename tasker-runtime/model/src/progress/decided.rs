//! Where an operator's command takes a task that nobody holds.

use super::Progress;
use crate::{Command, TaskState, Timestamp};

/// Where a task that nobody holds is moved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The state it is in from now on.
    pub state: TaskState,
    /// When a process may take it.
    pub due: Timestamp,
    /// Why it stands there, for people.
    pub cause: Option<String>,
}

impl Progress {
    /// Where a task is moved to that nobody holds and that stands here after `command`; before, it was in the
    /// state `was`, because of `cause`. What is over is ended here and now; what cannot go on waits for an
    /// operator again; only the rest needs a process. `whole`: all handlers are known, and with them all that is
    /// to be undone.
    #[must_use]
    pub fn after_command(
        &self,
        command: &Command,
        was: TaskState,
        cause: Option<String>,
        whole: bool,
        now: Timestamp,
    ) -> Moved {
        let for_good = |state, cause| Moved { state, due: Timestamp::NEVER, cause };
        let due = |state| Moved { state, due: now, cause: None };
        let moved = match (command, self.state()) {
            (Command::Cancel, _) => for_good(TaskState::Cancelled, None),
            (Command::GiveUp, _) => for_good(TaskState::Error, cause),
            (Command::Pause, _) => for_good(TaskState::Paused, None),
            // Batches that failed in isolation are tried again, whatever else is over.
            (Command::Retry { .. }, TaskState::Complete) => due(TaskState::Pending),
            // Without all handlers it is not known here whether that was everything.
            (_, TaskState::Compensated) if !whole => due(TaskState::Compensating),
            (_, state) if state.is_final() => for_good(state, self.failures()),
            (command, _) if was == TaskState::Paused && *command != Command::Resume => {
                for_good(TaskState::Paused, None)
            }
            (_, state @ TaskState::BlockedByFailures) => for_good(state, self.failures()),
            _ if self.rolling_back() => due(TaskState::Compensating),
            _ => due(TaskState::Pending),
        };
        Moved { state: was.to(moved.state), ..moved }
    }
}
