//! Reads what is recorded about tasks, to be folded into their progress.

use std::collections::HashMap;

pub(crate) use crate::model::{Entry, Failure, History, Kind};
use crate::{
    model::{Json, StepError, StepNo, TaskNo, Timestamp},
    store::{Column, Connection, Result, Row, Rows, sql, values},
};

/// Reads the histories of `tasks`. A task of which nothing is recorded is missing from the answer.
pub(crate) async fn read(connection: &mut Connection, tasks: &[TaskNo]) -> Result<HashMap<TaskNo, History>> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let mut histories: HashMap<TaskNo, History> = HashMap::new();
    for row in connection.fetch(&sql::JOURNAL, values![numbers.clone()]).await? {
        histories.entry(TaskNo(row.int(0)?)).or_default().entries.push(entry(&row)?);
    }
    for row in connection.fetch(&sql::FAILURES, values![numbers]).await? {
        histories.entry(TaskNo(row.int(0)?)).or_default().failures.push(failure(&row)?);
    }
    Ok(histories)
}

/// The results of these steps of these tasks, of those that have one.
pub(crate) async fn results(
    connection: &mut Connection,
    steps: &[(TaskNo, StepNo)],
) -> Result<HashMap<(TaskNo, StepNo), Entry>> {
    let rows = connection.fetch(&sql::STEP_RESULTS, values![&pairs(steps)]).await?;
    let of = |row: &Row| entry(row).and_then(|entry| Ok(((TaskNo(row.int(0)?), entry.step), entry)));
    rows.iter().map(of).collect()
}

/// The failed attempts at these steps of these tasks, in the order they were made.
pub(crate) async fn failures(
    connection: &mut Connection,
    steps: &[(TaskNo, StepNo)],
) -> Result<HashMap<(TaskNo, StepNo), Vec<Failure>>> {
    let mut failures: HashMap<(TaskNo, StepNo), Vec<Failure>> = HashMap::new();
    for row in connection.fetch(&sql::STEP_FAILURES, values![&pairs(steps)]).await? {
        let failure = failure(&row)?;
        failures.entry((TaskNo(row.int(0)?), failure.step)).or_default().push(failure);
    }
    Ok(failures)
}

fn pairs(steps: &[(TaskNo, StepNo)]) -> Rows {
    Rows::new(vec![
        Column::Int(steps.iter().map(|(task, _)| task.0).collect()),
        Column::Int(steps.iter().map(|(_, step)| i64::from(step.code())).collect()),
    ])
}

fn entry(row: &Row) -> Result<Entry> {
    Ok(Entry {
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
    })
}

fn failure(row: &Row) -> Result<Failure> {
    let unreadable = |text: &str| StepError::permanent("UNREADABLE_ERROR", text);
    Ok(Failure {
        step: StepNo::from_code(i32::try_from(row.int(1)?).unwrap_or_default()),
        attempt: u32::try_from(row.int(2)?).unwrap_or(1),
        started_at: Timestamp::from_micros(row.int(3)?),
        failed_at: Timestamp::from_micros(row.int(4)?),
        retry_at: row.maybe_int(5)?.map(Timestamp::from_micros),
        reopened: row.int(6)? != 0,
        error: row.text(7).map(|text| serde_json::from_str(text).unwrap_or_else(|_| unreadable(text)))?,
    })
}
