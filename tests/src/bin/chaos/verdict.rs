//! What the checker says.

use std::fmt;

/// The rules. Each is a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Every acknowledged task is there and over.
    Lost,
    /// Every task ends as it must: complete, or rolled back.
    State,
    /// Nothing is there that nobody submitted, and nothing twice.
    Unknown,
    /// Each step that is to run has one result, and an execution was about to return it; so has each batch
    /// and each compensation.
    Result,
    /// No step runs that no decision chose, or that needs one which failed.
    Route,
    /// Every execution saw the recorded results of what its step depends on, those of batches in order and
    /// none left out.
    Mixed,
    /// No execution started before what its step depends on had returned.
    Early,
    /// Attempts are counted as the failures say, each failure is recorded once, and there are no others.
    Attempts,
    /// What is recorded as done by a worker, as holder or for another that lent it, was done by that process.
    Worker,
    /// No attempt begins before the time that the failure before it says.
    Retry,
    /// Of a worker no more batches run at once than may.
    Parallel,
    /// In a process no more attempts run at once of a handler than it allows.
    Limit,
    /// No result counts that came after its worker had lost it to another.
    Late,
    /// A batch goes on from where it was saved last, never from further back, and only its holder saves.
    Checkpoint,
    /// A signal that was sent is there once and settles the step that waits for it; a timer is over after its time and
    /// not before.
    Wait,
    /// Each tick of a schedule is one task.
    Tick,
    /// No more tasks of a key have begun and are not over than may.
    Turn,
    /// The log has an event for each result that is published and for nothing else, numbered without gaps.
    Event,
    /// The subscription hears each event at least once, those of one task in their order.
    Heard,
    /// Each round of a step goes on from the last one that was recorded, and there are as many as were meant.
    Round,
    /// A task that starts others starts each once, and has their results, in their order, when all of them are over.
    Child,
    /// Of a task that fails, what was completed is undone and nothing else: one after the other, what was
    /// completed last first, when nothing else runs any more.
    Compensation,
}

/// A promise that was broken, and how.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Tasks in the database.
    pub(crate) tasks: usize,
    /// Of these, tasks that others started.
    pub(crate) children: usize,
    /// Those that were never acknowledged.
    pub(crate) doubtful: usize,
    /// Those that a schedule started.
    pub(crate) ticks: usize,
    /// Results in the database.
    pub(crate) steps: usize,
    /// Events in the log.
    pub(crate) events: usize,
    /// How often one of them was heard.
    pub(crate) heard: usize,
    /// Executions in the ledgers.
    pub(crate) executions: usize,
    /// Executions that were neither recorded nor meant to fail: repeated because of a fault.
    pub(crate) repeated: usize,
    /// Results that came from another worker than the only one that ever held their task: of lent steps.
    pub(crate) lent: usize,
    /// Executions that never came to their end.
    pub(crate) cut: usize,
    /// The broken promises.
    pub(crate) violations: Vec<Violation>,
}
