//! Reads what is recorded about tasks, to be folded into their progress.

use std::{collections::HashMap, sync::Arc};

use crate::{
    model::{Event, Json, Progress, Rules, StepError, StepNo, TaskNo, Timestamp},
    store::{Connection, Result, sql, values},
};

/// How a step came to its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its handler gave it.
    Handler = 0,
    /// An operator gave it.
    Operator = 1,
    /// An operator left the step out.
    Skipped = 2,
}

/// A step that has a result.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub step: StepNo,
    pub kind: Kind,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub result: Json,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub step: StepNo,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub failed_at: Timestamp,
    pub retry_at: Option<Timestamp>,
    /// An operator allowed a new round of attempts after this one.
    pub reopened: bool,
    pub error: StepError,
}

/// Everything recorded about one task, each part in the order of the steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub entries: Vec<Entry>,
    pub failures: Vec<Failure>,
}

impl History {
    /// Folds the history. Instances of batches come after the steps of the template, which create them,
    /// compensations after all that they may undo, and the failures of a step before its result; apart from that the order does not matter.
    pub(crate) fn replay(&self, rules: Arc<Rules>) -> Progress {
        let mut progress = Progress::new(rules);
        // Steps, batch instances, compensations.
        for turn in 0..3 {
            let of_this_turn = |step: StepNo| match step.undoes() {
                Some(_) => turn == 2,
                None => turn == i32::from(step.index().is_some()),
            };
            for failure in self.failures.iter().filter(|failure| of_this_turn(failure.step)) {
                // Only results can be refused, and a stored one was followed when it was recorded.
                let event = match failure.reopened {
                    true => Event::FailedAndReopened,
                    false => Event::Failed { retry_at: failure.retry_at },
                };
                let _ = progress.apply(failure.step, &event);
            }
            for entry in self.entries.iter().filter(|entry| of_this_turn(entry.step)) {
                let event = match entry.kind {
                    Kind::Handler => Event::Completed { result: entry.result.clone() },
                    Kind::Operator => Event::Resolved { result: entry.result.clone() },
                    Kind::Skipped => Event::Skipped,
                };
                let _ = progress.apply_at(entry.step, &event, entry.finished_at);
            }
        }
        progress
    }
}

/// Reads the histories of `tasks`. A task of which nothing is recorded is missing from the answer.
pub(crate) async fn read(connection: &mut Connection, tasks: &[TaskNo]) -> Result<HashMap<TaskNo, History>> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let mut histories: HashMap<TaskNo, History> = HashMap::new();
    for row in connection.fetch(&sql::JOURNAL, values![numbers.clone()]).await? {
        let entry = Entry {
            step: StepNo::from_code(i32::try_from(row.int(1)?).unwrap_or_default()),
            kind: match row.int(2)? {
                1 => Kind::Operator,
                2 => Kind::Skipped,
                _ => Kind::Handler,
            },
            attempt: u32::try_from(row.int(3)?).unwrap_or(1),
            started_at: Timestamp::from_micros(row.int(4)?),
            finished_at: Timestamp::from_micros(row.int(5)?),
            result: Json::stored(row.text(6)?),
        };
        histories.entry(TaskNo(row.int(0)?)).or_default().entries.push(entry);
    }
    for row in connection.fetch(&sql::FAILURES, values![numbers]).await? {
        let failure = Failure {
            step: StepNo::from_code(i32::try_from(row.int(1)?).unwrap_or_default()),
            attempt: u32::try_from(row.int(2)?).unwrap_or(1),
            started_at: Timestamp::from_micros(row.int(3)?),
            failed_at: Timestamp::from_micros(row.int(4)?),
            retry_at: row.maybe_int(5)?.map(Timestamp::from_micros),
            reopened: row.int(6)? != 0,
            error: serde_json::from_str(row.text(7)?).unwrap_or_else(|_| {
                StepError::permanent("UNREADABLE_ERROR", row.text(7).unwrap_or_default())
            }),
        };
        histories.entry(TaskNo(row.int(0)?)).or_default().failures.push(failure);
    }
    Ok(histories)
}
