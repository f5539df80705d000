//! What is recorded about a task, as it is read back to be folded into its progress.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Event, Json, NoResult, Progress, Rules, Start, StepIndex, Timestamp, Wait};

/// How a step came to its result. The numbers are what the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its handler gave it.
    Handler = 0,
    /// An operator gave it.
    Operator = 1,
    /// An operator left the step out.
    Skipped = 2,
}

/// A step that has a result.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The step.
    pub step: StepIndex,
    /// How it came to its result.
    pub kind: Kind,
    /// The attempt that gave it, from 1; of a step that waited for a signal, the number of that signal; 0: an
    /// operator did, or time.
    pub attempt: u32,
    /// When that attempt began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The result.
    pub result: Json,
}

impl History {
    /// The batch instances that an operator reopened and of which nothing is recorded since. Where they are among more
    /// than may run at once, the others had begun before.
    fn reopened(&self) -> BTreeSet<StepIndex> {
        let instances = self.failures.iter().filter(|failure| failure.step.index().is_some());
        let last: BTreeMap<StepIndex, bool> =
            instances.map(|failure| (failure.step, failure.reopened)).collect();
        let mut reopened: BTreeSet<StepIndex> =
            last.into_iter().filter(|(_, reopened)| *reopened).map(|(step, _)| step).collect();
        if !reopened.is_empty() {
            for entry in &self.entries {
                reopened.remove(&entry.step);
            }
        }
        reopened
    }
}

impl Entry {
    fn settled_by_signal(&self, rules: &Rules) -> bool {
        let rule = rules.steps.get(self.step.step() as usize);
        self.attempt > 0 && rule.is_some_and(|rule| matches!(rule.wait, Some(Wait::Signal { .. })))
    }
}

/// An attempt that failed, or that ended a round. What is recorded of rounds before the last one may be there or not.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The step.
    pub step: StepIndex,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it failed.
    pub failed_at: Timestamp,
    /// When the next attempt, or the next round, may start; `None`: there is none.
    pub retry_at: Option<Timestamp>,
    /// An operator allowed a new round of attempts after this one.
    pub reopened: bool,
    /// How it ended.
    pub came: NoResult,
}

impl Failure {
    /// What it means to its step.
    #[must_use]
    pub fn event(&self) -> Event {
        match &self.came {
            NoResult::Again(round) => Event::Again {
                attempt: self.attempt,
                // The store keeps when the next one starts.
                due: self.retry_at.unwrap_or(self.failed_at),
                round: round.clone(),
            },
            NoResult::Failed(_) if self.reopened => Event::FailedAndReopened,
            NoResult::Failed(_) => Event::Failed { retry_at: self.retry_at },
        }
    }
}

/// Everything recorded about one task, each part in the order of the steps.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The steps that have a result.
    pub entries: Vec<Entry>,
    /// The attempts that failed.
    pub failures: Vec<Failure>,
    /// What the task started with.
    pub start: Start,
}

impl History {
    /// A recorded step that a template with these rules does not have, if there is one: its task must not go on
    /// as if nothing of it were recorded.
    #[must_use]
    pub fn unknown_step(&self, rules: &Rules) -> Option<StepIndex> {
        let recorded = self.entries.iter().map(|entry| entry.step);
        let mut recorded = recorded.chain(self.failures.iter().map(|failure| failure.step));
        recorded.find(|step| match rules.steps.get(step.step() as usize) {
            Some(rule) => step.index().is_some() && rule.batch.is_none(),
            None => true,
        })
    }

    /// Folds the history. Instances of batches come after the steps of the template, which create them, those that
    /// an operator reopened last, compensations after all that they may undo, and the failures of a step before its
    /// result; apart from that the order does not matter.
    pub fn replay(&self, rules: Arc<Rules>) -> Progress {
        let mut progress = Progress::started(rules, self.start.clone());
        let reopened = self.reopened();
        // Steps, batch instances, those of them that are to be tried anew, compensations.
        for turn in 0..4 {
            let of_this_turn = |step: StepIndex| match step.compensates() {
                Some(_) => turn == 3,
                None if step.index().is_none() => turn == 0,
                None => turn == if reopened.contains(&step) { 2 } else { 1 },
            };
            for failure in self.failures.iter().filter(|failure| of_this_turn(failure.step)) {
                // Only results can be refused, and a stored one was followed when it was recorded.
                let _ = progress.apply(failure.step, &failure.event());
            }
            for entry in self.entries.iter().filter(|entry| of_this_turn(entry.step)) {
                let event = match entry.kind {
                    Kind::Handler => Event::Completed { result: entry.result.clone() },
                    Kind::Operator => Event::Resolved { result: entry.result.clone() },
                    Kind::Skipped => Event::Skipped,
                };
                let _ = progress.apply_at(entry.step, &event, entry.finished_at);
                if entry.kind == Kind::Handler && entry.settled_by_signal(progress.rules()) {
                    progress.used_up(entry.attempt);
                }
            }
        }
        progress
    }
}
