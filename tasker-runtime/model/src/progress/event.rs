//! What is recorded about steps, and what can be done then.

use crate::{Json, Round, Timestamp};

/// Something that was recorded about a step.
#[derive(Clone, Debug)]
pub enum Event {
    /// An attempt succeeded.
    Completed {
        /// Its result.
        result: Json,
    },
    /// An operator gave the result.
    Resolved {
        /// The result.
        result: Json,
    },
    /// An operator left the step out.
    Skipped,
    /// An attempt failed.
    Failed {
        /// When the next attempt may start; `None` when it failed for good.
        retry_at: Option<Timestamp>,
    },
    /// A round is over and another one follows.
    Again {
        /// Its last attempt.
        attempt: u32,
        /// When the next round may start.
        due: Timestamp,
        /// The round.
        round: Round,
    },
    /// An operator allowed the failed step a new round of attempts.
    Reopened,
    /// An operator ended the wait for the next attempt.
    DueNow,
    /// An attempt failed for good and an operator has allowed a new round since: both, read back at once,
    /// so that nothing below ever takes the failure for the end.
    FailedAndReopened,
}

/// What can be done with a task now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Steps run or may run.
    Working,
    /// Nothing can run before this time.
    Waiting(Timestamp),
    /// Steps, or the compensation of one, have failed for good and nothing else can run.
    Failed,
    /// Steps have failed for good and everything else has been undone.
    Compensated,
    /// Every step is complete, resolved or skipped.
    Complete,
}
