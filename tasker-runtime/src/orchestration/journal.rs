//! Reads what is recorded about tasks, to be folded into their progress.

use std::collections::HashMap;

pub(crate) use crate::model::{Entry, Failure, History, Kind};
use crate::{
    model::{Json, StepError, StepNo, TaskNo, Timestamp},
    store::{Connection, Result, sql, values},
};

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
