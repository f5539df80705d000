//! Reads what is recorded about tasks, to be folded into their progress.
//!
//! What nothing here can have written, a number out of range or a text that is no JSON, is an error of the task
//! it stands in, and of no other.

use std::collections::HashMap;

pub(crate) use crate::model::{Entry, Failure, History, Kind};
use crate::{
    model::{NoResult, Round, StepIndex, TaskNo, Timestamp},
    store::{Column, Connection, Error, Result, Row, Rows, sql, values},
};

/// Reads the histories of `tasks`, each with its own error where it cannot be read. A task of which nothing is
/// recorded is missing from the answer.
pub(crate) async fn read_each(
    connection: &mut Connection,
    tasks: &[TaskNo],
) -> Result<HashMap<TaskNo, Result<History>>> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let mut histories = HashMap::new();
    for row in connection.fetch(&sql::JOURNAL, values![numbers.clone()]).await? {
        add(&mut histories, &row, entry, |history, entry| history.entries.push(entry))?;
    }
    for row in connection.fetch(&sql::FAILURES, values![numbers]).await? {
        add(&mut histories, &row, failure, |history, failure| history.failures.push(failure))?;
    }
    Ok(histories)
}

/// Reads the histories of `tasks`. A task of which nothing is recorded is missing from the answer.
///
/// # Errors
/// Also when what is recorded of one of them cannot be read.
pub(crate) async fn read(connection: &mut Connection, tasks: &[TaskNo]) -> Result<HashMap<TaskNo, History>> {
    let histories = read_each(connection, tasks).await?;
    histories.into_iter().map(|(task, history)| Ok((task, history?))).collect()
}

/// Reads the history of one task.
pub(crate) async fn of(connection: &mut Connection, task: TaskNo) -> Result<History> {
    Ok(read(connection, &[task]).await?.remove(&task).unwrap_or_default())
}

/// The results of these steps of these tasks, of those that have one. One that cannot be read counts as missing:
/// whoever claims its task reads it again, and sets the task aside.
pub(crate) async fn results(
    connection: &mut Connection,
    steps: &[(TaskNo, StepIndex)],
) -> Result<HashMap<(TaskNo, StepIndex), Entry>> {
    let mut results = HashMap::new();
    for row in connection.fetch(&sql::STEP_RESULTS, values![&pairs(steps)]).await? {
        if let Some((task, entry)) = readable(&row, entry)? {
            results.insert((task, entry.step), entry);
        }
    }
    Ok(results)
}

/// The failed attempts at these steps of these tasks, in the order they were made. One that cannot be read counts
/// as missing.
pub(crate) async fn failures(
    connection: &mut Connection,
    steps: &[(TaskNo, StepIndex)],
) -> Result<HashMap<(TaskNo, StepIndex), Vec<Failure>>> {
    let mut failures: HashMap<(TaskNo, StepIndex), Vec<Failure>> = HashMap::new();
    for row in connection.fetch(&sql::STEP_FAILURES, values![&pairs(steps)]).await? {
        if let Some((task, failure)) = readable(&row, failure)? {
            failures.entry((task, failure.step)).or_default().push(failure);
        }
    }
    Ok(failures)
}

fn readable<T>(row: &Row, read: impl Fn(&Row) -> Result<T>) -> Result<Option<(TaskNo, T)>> {
    let task = TaskNo(row.int(0)?);
    match read(row) {
        Ok(found) => Ok(Some((task, found))),
        Err(problem) => {
            tracing::error!(task = task.0, %problem, "what came of a lent step cannot be read");
            Ok(None)
        }
    }
}

fn pairs(steps: &[(TaskNo, StepIndex)]) -> Rows {
    Rows::new(vec![
        Column::Int(steps.iter().map(|(task, _)| task.0).collect()),
        Column::Int(steps.iter().map(|(_, step)| i64::from(step.code())).collect()),
    ])
}

fn add<T>(
    histories: &mut HashMap<TaskNo, Result<History>>,
    row: &Row,
    read: impl Fn(&Row) -> Result<T>,
    push: impl Fn(&mut History, T),
) -> Result<()> {
    let task = TaskNo(row.int(0)?);
    let history = histories.entry(task).or_insert_with(|| Ok(History::default()));
    match (&mut *history, read(row)) {
        (Ok(history), Ok(found)) => push(history, found),
        (Ok(_), Err(problem)) => *history = Err(problem.of_task(task.0)),
        // The first problem is enough.
        (Err(_), _) => {}
    }
    Ok(())
}

fn entry(row: &Row) -> Result<Entry> {
    let kind = row.int(2)?;
    Ok(Entry {
        step: row.step(1, "steps.step")?,
        kind: match kind {
            0 => Kind::Handler,
            1 => Kind::Operator,
            2 => Kind::Skipped,
            _ => return Err(Error::corrupt("steps.kind", kind, "is not a kind of result")),
        },
        attempt: row.count(3, "steps.attempt")?,
        started_at: Timestamp::from_micros(row.int(4)?),
        finished_at: Timestamp::from_micros(row.int(5)?),
        result: row.json(6, "steps.result")?,
    })
}

fn failure(row: &Row) -> Result<Failure> {
    let came = match row.maybe_int(8)? {
        None => NoResult::Failed(serde_json::from_str(row.text(7)?).map_err(|problem| {
            Error::corrupt("attempts.error", "text", format!("is not an error: {problem}"))
        })?),
        Some(_) => NoResult::Again(Round {
            number: row.count(8, "attempts.round")?,
            state: row.json(7, "attempts.error")?,
        }),
    };
    Ok(Failure {
        step: row.step(1, "attempts.step")?,
        attempt: row.count(2, "attempts.attempt")?,
        started_at: Timestamp::from_micros(row.int(3)?),
        failed_at: Timestamp::from_micros(row.int(4)?),
        retry_at: row.maybe_int(5)?.map(Timestamp::from_micros),
        reopened: row.int(6)? != 0,
        came,
    })
}
