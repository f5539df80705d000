//! Appends to the journals of tasks. Whoever has something to record, a holder, the taker of a lent step or an
//! operator, comes through here; what goes along with an entry is written here, once.
//!
//! **The fence.** An entry is written only under the lease it names, and only by the holder of the task, by the
//! taker of the step's offer, which ends with it, or where nobody holds the task and its row is locked.
//!
//! **Conflicts.** What is recorded first stays. Whoever comes second is not told here: their right was good, and
//! the journal has what counts.
//!
//! A crash before the commit changes nothing.

use std::collections::HashSet;

use super::{
    family::{self, Told},
    journal::{self, Failure, History},
    storable,
};
use crate::{
    model::{
        Attempt, Batch, Done, End, Fact, Failed, Json, Kind, Lease, LeftOut, StepError, StepIndex, TaskNo,
        TaskState, Timestamp, WorkerId,
    },
    store::{Column, Connection, Error, Result, Rows, Value, sql, values},
};

/// In whose right entries are appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Right {
    /// Who holds the tasks or has the steps on loan; `None`: nobody holds them, and their rows are locked.
    pub owner: Option<WorkerId>,
    /// Who is named beside the entry; 0 is an operator.
    pub by: WorkerId,
}

impl Right {
    /// Of a worker that ran the steps itself, as holder or as taker.
    pub(super) fn of(worker: WorkerId) -> Self {
        Self { owner: Some(worker), by: worker }
    }

    /// Of an operator, through the holder of the task where there is one.
    pub(super) fn of_operator(holder: Option<WorkerId>) -> Self {
        Self { owner: holder, by: WorkerId(0) }
    }
}

/// What an attempt came to, or an operator decided.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub attempt: Attempt,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Result(Kind, Json),
    /// The error as it is stored.
    Failure {
        error: Json,
        retry_at: Option<Timestamp>,
    },
}

impl From<&Done> for Entry {
    fn from(done: &Done) -> Self {
        Self {
            attempt: done.attempt,
            started_at: done.started_at,
            finished_at: done.finished_at,
            content: Content::Result(Kind::Handler, done.result.clone()),
        }
    }
}

impl From<&Failed> for Entry {
    fn from(failed: &Failed) -> Self {
        Self {
            attempt: failed.attempt,
            started_at: failed.started_at,
            finished_at: failed.failed_at,
            content: Content::Failure { error: storable::error(&failed.error), retry_at: failed.retry_at },
        }
    }
}

impl From<&LeftOut> for Entry {
    fn from(left_out: &LeftOut) -> Self {
        Self {
            attempt: left_out.attempt,
            started_at: left_out.at,
            finished_at: left_out.at,
            content: Content::Result(Kind::Skipped, Json::null()),
        }
    }
}

impl Entry {
    /// What is recorded instead of a result that is larger than one may be.
    pub(super) fn too_large(self, problem: &Error) -> Self {
        let error = storable::error(&StepError::permanent("RESULT_TOO_LARGE", problem.to_string()));
        Self { content: Content::Failure { error, retry_at: None }, ..self }
    }

    fn bytes(&self) -> usize {
        match &self.content {
            Content::Result(_, json) | Content::Failure { error: json, .. } => json.as_str().len(),
        }
    }
}

/// So many bytes are written at once, unless one entry has more.
const MAX_BYTES: usize = 16 << 20;

/// What became of entries.
#[derive(Debug, Default)]
pub(super) struct Appended {
    /// The steps whose entries the fence let through.
    pub covered: HashSet<(TaskNo, StepIndex)>,
    /// Tasks of which something else is recorded than what came in.
    pub altered: HashSet<TaskNo>,
}

/// Appends results and ends tasks, in one statement and without looking for conflicts: a result that is there
/// already refuses all of it. False when a lease did not cover its rows, which were left out.
pub(super) async fn at_once(
    connection: &mut Connection,
    worker: WorkerId,
    batch: &Batch,
    now: Timestamp,
) -> Result<(bool, Told)> {
    if batch.done.is_empty() && batch.ends.is_empty() {
        return Ok((true, Told::default()));
    }
    debug_assert!(batch.ends.iter().all(may_follow_a_hold), "{:?}", batch.ends);
    let (done, ends) = (done_rows(&batch.done), end_rows(&batch.ends));
    family::write_ends(connection, &batch.ends, now, async |connection| {
        let values: &[Value<'_>] = values![&done, &ends, worker.0];
        let counts = match connection.in_transaction() {
            true => connection.counts(&sql::RECORD_IN, values).await?,
            false => connection.counts(&sql::RECORD, values).await?,
        };
        Ok(counts == [batch.done.len() as u64, batch.ends.len() as u64])
    })
    .await
}

/// Whether a task that is held can come to this: it is in progress then, or being rolled back.
fn may_follow_a_hold(end: &End) -> bool {
    let state = |from: TaskState| from == end.state || from.next().contains(&end.state);
    state(TaskState::InProgress) || state(TaskState::Compensating)
}

/// Appends `entries`. What the database cannot hold is halved until it stands alone, and is then recorded in a
/// form that it can hold: no attempt goes unrecorded.
///
/// # Errors
/// Only those that pass. Appending the same again is safe then.
pub(super) async fn append(connection: &mut Connection, right: Right, entries: &[Entry]) -> Result<Appended> {
    let mut appended = Appended::default();
    let mut parts = vec![entries];
    while let Some(part) = parts.pop() {
        if part.len() > 1 && part.iter().map(Entry::bytes).sum::<usize>() > MAX_BYTES {
            let (first, rest) = part.split_at(part.len() / 2);
            parts.extend([rest, first]);
            continue;
        }
        match (part, write(connection, right, part).await) {
            (_, Ok(covered)) => appended.covered.extend(covered),
            (_, Err(error)) if error.is_transient() => return Err(error),
            ([entry], Err(error)) => in_another_form(connection, right, entry, &error, &mut appended).await?,
            (_, Err(_)) => {
                let (first, rest) = part.split_at(part.len() / 2);
                parts.extend([rest, first]);
            }
        }
    }
    Ok(appended)
}

/// Appends an entry that the database refused because of what it holds.
async fn in_another_form(
    connection: &mut Connection,
    right: Right,
    entry: &Entry,
    refusal: &Error,
    appended: &mut Appended,
) -> Result<()> {
    let (task, code) = (entry.attempt.task(), refusal.code().unwrap_or_default());
    tracing::warn!(task = task.0, code, error = %refusal, "what a step came to is recorded in another form");
    let mut last = None;
    for (form, keeps_all) in storable::forms(entry, refusal) {
        match write(connection, right, std::slice::from_ref(&form)).await {
            Ok(covered) => {
                appended.covered.extend(covered);
                appended.altered.extend((!keeps_all).then_some(task));
                return Ok(());
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => last = Some(error.to_string()),
        }
    }
    // Only a table that somebody changed refuses the last of them.
    appended.altered.insert(task);
    tracing::error!(task = task.0, error = last, "what a step came to cannot be recorded at all");
    Ok(())
}

/// Appends entries, all or none, and says which the fence let through. In a transaction of its own unless one
/// is open.
async fn write(
    connection: &mut Connection,
    right: Right,
    entries: &[Entry],
) -> Result<Vec<(TaskNo, StepIndex)>> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let (results, failures) = (result_rows(entries), failure_rows(entries));
    let owner = right.owner.map(|worker| worker.0);
    let values: &[Value<'_>] = values![&results, &failures, owner, right.by.0];
    let rows = match connection.in_transaction() {
        true => connection.fetch(&sql::APPEND_IN, values).await?,
        false => connection.script(&sql::APPEND, values).await?,
    };
    rows.iter().map(|row| Ok((TaskNo(row.int(0)?), row.step(1, "steps.step")?))).collect()
}

/// Appends what an operator decided about steps of the task that `lease` is of. Its row must be locked, in a
/// transaction that is open.
pub(super) async fn decide(
    connection: &mut Connection,
    holder: Option<WorkerId>,
    lease: Lease,
    facts: &[Fact],
    now: Timestamp,
) -> Result<()> {
    let right = Right::of_operator(holder);
    let mut entries = Vec::new();
    let (mut reopened, mut due) = (Vec::new(), Vec::new());
    for fact in facts {
        let (step, kind, result) = match fact {
            Fact::Reopened(step) => {
                reopened.push(*step);
                continue;
            }
            Fact::DueNow(step) => {
                due.push(*step);
                continue;
            }
            Fact::Resolved(step, result) => (*step, Kind::Operator, result.clone()),
            Fact::Skipped(step) => (*step, Kind::Skipped, Json::null()),
        };
        let attempt = Attempt { lease, step, number: 0 };
        entries.push(Entry {
            attempt,
            started_at: now,
            finished_at: now,
            content: Content::Result(kind, result),
        });
    }
    write(connection, right, &entries).await?;
    let owner = right.owner.map(|worker| worker.0);
    if !reopened.is_empty() {
        connection.execute(&sql::REOPEN_STEPS, values![&step_rows(lease, &reopened), owner]).await?;
    }
    if !due.is_empty() {
        let rows = step_rows(lease, &due);
        connection.execute(&sql::END_WAITS, values![&rows, owner, now.as_micros()]).await?;
    }
    Ok(())
}

/// Gives a task that was added in this transaction, and that nobody has held yet, what another one came to. Of a task
/// that nobody has held, nothing is read: it counts as held once from here on.
pub(super) async fn keep(connection: &mut Connection, task: TaskNo, kept: &History) -> Result<()> {
    let lease = Lease { task, epoch: 1 };
    let result = |kept: &journal::Entry| Entry {
        attempt: Attempt { lease, step: kept.step, number: kept.attempt },
        started_at: kept.started_at,
        finished_at: kept.finished_at,
        content: Content::Result(kept.kind, kept.result.clone()),
    };
    let failure = |kept: &Failure| Entry {
        attempt: Attempt { lease, step: kept.step, number: kept.attempt },
        started_at: kept.started_at,
        finished_at: kept.failed_at,
        content: Content::Failure { error: storable::error(&kept.error), retry_at: kept.retry_at },
    };
    let entries = kept.entries.iter().map(result).chain(kept.failures.iter().map(failure));
    let entries: Vec<Entry> = entries.collect();
    if entries.is_empty() {
        return Ok(());
    }
    connection.execute(&sql::BEGIN_WITH_JOURNAL, values![task.0]).await?;
    let mut rest = &*entries;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.bytes();
            bytes <= MAX_BYTES
        };
        let (part, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        let covered = write(connection, Right::of_operator(None), part).await?;
        debug_assert_eq!(covered.len(), part.len());
        rest = after;
    }
    Ok(())
}

/// Steps of the task that `lease` is of.
fn step_rows(lease: Lease, steps: &[StepIndex]) -> Rows {
    Rows::new(vec![
        Column::Int(vec![lease.task.0; steps.len()]),
        Column::Int(vec![lease.epoch; steps.len()]),
        Column::Int(steps.iter().map(|step| i64::from(step.code())).collect()),
    ])
}

/// As high as results count their attempts; the failed ones are counted further.
const MAX_NOTED_ATTEMPT: u32 = i16::MAX as u32;

/// The first four columns of every entry, with attempts up to `most`.
fn keys<'a>(attempts: impl Iterator<Item = &'a Attempt> + Clone, most: u32) -> Vec<Column> {
    vec![
        Column::Int(attempts.clone().map(|a| a.lease.task.0).collect()),
        Column::Int(attempts.clone().map(|a| a.lease.epoch).collect()),
        Column::Int(attempts.clone().map(|a| i64::from(a.step.code())).collect()),
        Column::Int(attempts.map(|a| i64::from(a.number.min(most))).collect()),
    ]
}

fn done_rows(done: &[Done]) -> Rows {
    let mut columns = keys(done.iter().map(|d| &d.attempt), MAX_NOTED_ATTEMPT);
    columns.extend([
        Column::Int(done.iter().map(|d| d.started_at.as_micros()).collect()),
        Column::Int(done.iter().map(|d| d.finished_at.as_micros()).collect()),
        Column::Json(done.iter().map(|d| d.result.clone()).collect()),
    ]);
    Rows::new(columns)
}

fn result_rows(entries: &[Entry]) -> Rows {
    let results = || {
        entries.iter().filter_map(|entry| match &entry.content {
            Content::Result(kind, result) => Some((entry, *kind, result)),
            Content::Failure { .. } => None,
        })
    };
    let mut columns = keys(results().map(|(entry, ..)| &entry.attempt), MAX_NOTED_ATTEMPT);
    columns.extend([
        Column::Int(results().map(|(_, kind, _)| kind as i64).collect()),
        Column::Int(results().map(|(entry, ..)| entry.started_at.as_micros()).collect()),
        Column::Int(results().map(|(entry, ..)| entry.finished_at.as_micros()).collect()),
        Column::Json(results().map(|(_, _, result)| result.clone()).collect()),
    ]);
    Rows::new(columns)
}

fn failure_rows(entries: &[Entry]) -> Rows {
    let failures = || {
        entries.iter().filter_map(|entry| match &entry.content {
            Content::Failure { error, retry_at } => Some((entry, error, retry_at)),
            Content::Result(..) => None,
        })
    };
    let mut columns = keys(failures().map(|(entry, ..)| &entry.attempt), i32::MAX as u32);
    columns.extend([
        Column::Int(failures().map(|(entry, ..)| entry.started_at.as_micros()).collect()),
        Column::Int(failures().map(|(entry, ..)| entry.finished_at.as_micros()).collect()),
        Column::MaybeInt(failures().map(|(_, _, retry_at)| retry_at.map(Timestamp::as_micros)).collect()),
        Column::Json(failures().map(|(_, error, _)| error.clone()).collect()),
    ]);
    Rows::new(columns)
}

fn end_rows(ends: &[End]) -> Rows {
    Rows::new(vec![
        Column::Int(ends.iter().map(|e| e.lease.task.0).collect()),
        Column::Int(ends.iter().map(|e| e.lease.epoch).collect()),
        Column::Int(ends.iter().map(|e| i64::from(e.state.code())).collect()),
        Column::MaybeInt(ends.iter().map(|e| e.run_at.map(Timestamp::as_micros)).collect()),
        Column::MaybeInt(ends.iter().map(|e| e.finished_at.map(Timestamp::as_micros)).collect()),
        Column::MaybeText(ends.iter().map(|e| e.cause.clone()).collect()),
    ])
}
