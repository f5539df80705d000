//! The states of tasks and steps: what each means and what may follow it.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! states {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $state:ident = $code:literal, $text:literal;)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $state = $code,)+ }

        impl $name {
            /// Every state.
            pub const ALL: &'static [Self] = &[$(Self::$state),+];

            /// The name in output and in the database's views.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$state => $text,)+ }
            }

            /// The number the store keeps.
            #[must_use]
            pub const fn code(self) -> i16 {
                self as i16
            }

            /// The state with this number, if there is one.
            #[must_use]
            pub const fn from_code(code: i16) -> Option<Self> {
                match code { $($code => Some(Self::$state),)+ _ => None }
            }

            /// The state of this name, if there is one.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$state),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

states! {
    /// Where a task stands.
    ///
    /// ```
    /// use tasker_model::TaskState;
    ///
    /// assert!(TaskState::Complete.is_final());
    /// assert!(TaskState::BlockedByFailures.next().contains(&TaskState::Pending)); // an operator retried
    /// assert_eq!(TaskState::from_name("complet"), None);
    /// ```
    TaskState {
        /// Submitted; no process has taken it yet.
        Pending = 0, "pending";
        /// A process holds it and runs its steps.
        InProgress = 1, "in_progress";
        /// Nothing can run before the next retry time.
        ///
        /// For a retry within five seconds the task stays with the process that holds it, without a word to
        /// the database. A report of the one task finds that in its journal; a list of tasks, and the table
        /// itself, call it in progress.
        Waiting = 2, "waiting";
        /// A step failed for good and nothing else can run: an operator decides.
        BlockedByFailures = 3, "blocked_by_failures";
        /// Completed steps are being undone, last first.
        Compensating = 4, "compensating";
        /// An operator stopped it; nothing runs until it is resumed.
        Paused = 5, "paused";
        /// Every step is complete, was resolved or was skipped.
        Complete = 10, "complete";
        /// A step failed for good and the task was given up.
        Error = 11, "error";
        /// An operator ended it.
        Cancelled = 12, "cancelled";
        /// A step failed for good and everything that was complete has been undone.
        Compensated = 13, "compensated";
    }
}

impl TaskState {
    /// The states that may follow this one.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        use TaskState::{
            BlockedByFailures, Cancelled, Compensated, Compensating, Complete, Error, InProgress, Paused,
            Pending, Waiting,
        };
        match self {
            // Claim; an operator, who may also end it by what they do to its steps.
            Pending => &[
                InProgress,
                BlockedByFailures,
                Compensating,
                Paused,
                Complete,
                Error,
                Cancelled,
                Compensated,
            ],
            InProgress => &[
                Pending, // given back
                Waiting,
                BlockedByFailures,
                Compensating,
                Paused,
                Complete,
                Error,
                Cancelled,
                Compensated, // there is nothing to undo
            ],
            // Claim, once the time has come; an operator.
            Waiting => &[
                InProgress,
                Pending,
                BlockedByFailures,
                Compensating,
                Paused,
                Complete,
                Error,
                Cancelled,
                Compensated,
            ],
            // An operator.
            BlockedByFailures => &[Pending, Compensating, Paused, Complete, Error, Cancelled, Compensated],
            // There is no way back to the steps; given back and claimed, it stays what it is.
            Compensating => &[BlockedByFailures, Paused, Compensated, Cancelled],
            // An operator.
            Paused => &[Pending, BlockedByFailures, Compensating, Complete, Error, Cancelled, Compensated],
            Complete => &[Pending], // an operator retries batches that failed in isolation
            Error | Cancelled | Compensated => &[],
        }
    }

    /// The state after a move to `state`, which must be one that may follow, or the same.
    #[must_use]
    pub fn to(self, state: Self) -> Self {
        debug_assert!(self == state || self.next().contains(&state), "a task went from {self} to {state}");
        state
    }

    /// Where a task stands of which the store has this phase, and which somebody holds or nobody does. Being
    /// taken and given back changes the owner alone.
    ///
    /// ```
    /// use tasker_model::TaskState;
    ///
    /// assert_eq!(TaskState::Pending.shown(true), TaskState::InProgress);
    /// assert_eq!(TaskState::Compensating.shown(true), TaskState::Compensating);
    /// ```
    #[must_use]
    pub const fn shown(self, held: bool) -> Self {
        match (self, held) {
            (Self::Pending | Self::InProgress | Self::Waiting, true) => Self::InProgress,
            // Written by versions that kept both in one.
            (Self::InProgress, false) => Self::Pending,
            (phase, _) => phase,
        }
    }

    /// The phases whose tasks [`shown`](Self::shown) calls by this name, from and to, and whether they are held;
    /// `None`: either.
    #[must_use]
    pub const fn phases(self) -> (Self, Self, Option<bool>) {
        match self {
            Self::Pending => (Self::Pending, Self::InProgress, Some(false)),
            Self::InProgress => (Self::Pending, Self::Waiting, Some(true)),
            Self::Waiting => (Self::Waiting, Self::Waiting, Some(false)),
            phase => (phase, phase, None),
        }
    }

    /// Whether nothing follows this state by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Error | Self::Cancelled | Self::Compensated)
    }
}

states! {
    /// Where a step stands.
    StepState {
        /// Waits for steps it depends on.
        Pending = 0, "pending";
        /// Everything it depends on is there.
        Ready = 1, "ready";
        /// Its handler runs.
        InProgress = 2, "in_progress";
        /// The last attempt failed; another follows at a known time.
        WaitingForRetry = 3, "waiting_for_retry";
        /// Its result is recorded.
        Complete = 4, "complete";
        /// It failed for good.
        Error = 5, "error";
        /// It is on a path that was not taken, or an operator left it out.
        Skipped = 6, "skipped";
        /// The task ended before it could run.
        Cancelled = 7, "cancelled";
        /// An operator gave its result.
        ResolvedManually = 8, "resolved_manually";
        /// Waits for a time or for a signal.
        Waiting = 9, "waiting";
    }
}

impl StepState {
    /// The states that may follow this one.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        use StepState::{
            Cancelled, Complete, Error, InProgress, Pending, Ready, ResolvedManually, Skipped, Waiting,
            WaitingForRetry,
        };
        match self {
            Pending => &[Ready, Waiting, Skipped, Cancelled], // plan
            // Plan, once its time has come or its signal is there; an operator.
            Waiting => &[Ready, Complete, Error, ResolvedManually, Skipped],
            Ready => &[InProgress, Cancelled], // call
            InProgress => &[Ready, Complete, WaitingForRetry, Error, Cancelled], // record, recover
            WaitingForRetry => &[Ready, ResolvedManually, Skipped, Cancelled], // plan; an operator
            // An operator. An instance of a batch waits until there is room for it.
            Error => &[Ready, Pending, ResolvedManually, Skipped],
            // A batch that failed fast goes on once an operator has dealt with its failures.
            Cancelled => &[Pending, WaitingForRetry],
            Complete | Skipped | ResolvedManually => &[],
        }
    }

    /// The next state on the way to `to`, which is [`InProgress`](Self::InProgress), [`Error`](Self::Error) or
    /// [`Waiting`](Self::Waiting); `None` once it is there, or where no way leads.
    pub(crate) const fn towards(self, to: Self) -> Option<Self> {
        match (self, to) {
            (Self::Cancelled, _) | (Self::Error, Self::Waiting) => Some(Self::Pending),
            (Self::Pending, Self::Waiting) => Some(Self::Waiting),
            (_, Self::Waiting) => None,
            (Self::Waiting, _) => Some(Self::Ready),
            (Self::Pending | Self::WaitingForRetry, _) | (Self::Error, Self::InProgress) => Some(Self::Ready),
            (Self::Ready, _) => Some(Self::InProgress),
            (Self::InProgress, Self::Error) => Some(Self::Error),
            _ => None,
        }
    }

    /// Whether nothing follows this state.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        self.next().is_empty()
    }

    /// Whether the step counts as done for the steps that depend on it: they get its result.
    #[must_use]
    pub const fn has_result(self) -> bool {
        matches!(self, Self::Complete | Self::ResolvedManually)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_lead_back_to_their_state() {
        for &state in TaskState::ALL {
            assert_eq!(TaskState::from_code(state.code()), Some(state));
            assert_eq!(TaskState::from_name(state.as_str()), Some(state));
        }
        for &state in StepState::ALL {
            assert_eq!(StepState::from_code(state.code()), Some(state));
            assert_eq!(StepState::from_name(state.as_str()), Some(state));
        }
    }

    #[test]
    fn every_state_is_found_by_the_phases_it_is_shown_for() {
        for &state in TaskState::ALL {
            let (from, to, held) = state.phases();
            for &phase in TaskState::ALL {
                for now_held in [true, false] {
                    let shown = phase.shown(now_held) == state;
                    let found = (from.code()..=to.code()).contains(&phase.code())
                        && held.is_none_or(|held| held == now_held);
                    assert_eq!(shown, found, "{phase}, held: {now_held}, as {state}");
                }
            }
        }
    }

    #[test]
    fn every_state_but_the_first_is_reached_and_every_task_state_leads_to_an_end() {
        for &state in &TaskState::ALL[1..] {
            assert!(TaskState::ALL.iter().any(|from| from.next().contains(&state)), "{state}");
        }
        for &state in &StepState::ALL[1..] {
            assert!(StepState::ALL.iter().any(|from| from.next().contains(&state)), "{state}");
        }
        for &start in TaskState::ALL {
            let mut seen = vec![start];
            let mut at = 0;
            while let Some(state) = seen.get(at) {
                let more: Vec<_> = state.next().iter().copied().filter(|s| !seen.contains(s)).collect();
                seen.extend(more);
                at += 1;
            }
            assert!(seen.iter().any(|s| s.is_final()), "{start} never ends");
        }
    }
}
