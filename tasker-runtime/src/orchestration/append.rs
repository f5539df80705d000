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

mod events;

use std::collections::HashSet;

use super::{
    family::{self, Told},
    journal::{self, Failure, History},
    storable,
};
use crate::{
    model::{
        Attempt, Batch, Done, End, EventOutcome, Fact, Failed, FailedAttempt, Json, Kind, Lease, LeftOut,
        NoResult, Published, Round, Rules, StepError, StepIndex, TaskNo, TaskState, Timestamp, WorkerId,
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
    /// What is published with it; `None`: the step publishes nothing.
    pub published: Option<Box<Published>>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Result(Kind, Json),
    /// The error as it is stored.
    Failure {
        error: Json,
        retry_at: Option<Timestamp>,
    },
    /// A round is over and the next one starts at this time.
    Round {
        round: Round,
        due: Timestamp,
    },
}

impl From<&Done> for Entry {
    fn from(done: &Done) -> Self {
        Self {
            attempt: done.attempt,
            started_at: done.started_at,
            finished_at: done.finished_at,
            content: Content::Result(Kind::Handler, done.result.clone()),
            published: done.published.clone(),
        }
    }
}

impl From<&Failed> for Entry {
    fn from(failed: &Failed) -> Self {
        Self {
            attempt: failed.attempt,
            started_at: failed.started_at,
            finished_at: failed.failed_at,
            content: Content::without_result(&failed.came, failed.retry_at, failed.failed_at),
            published: failed.published.clone(),
        }
    }
}

impl Content {
    /// How an attempt ended that brought no result.
    pub(super) fn without_result(came: &NoResult, retry_at: Option<Timestamp>, at: Timestamp) -> Self {
        match came {
            NoResult::Failed(error) => Self::Failure { error: storable::error(error), retry_at },
            NoResult::Again(round) => Self::Round { round: round.clone(), due: retry_at.unwrap_or(at) },
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
            published: None,
        }
    }
}

impl Entry {
    /// The entry, where what it holds is not larger than the store takes; otherwise what is recorded instead, and that
    /// it is another one.
    pub(super) fn of_size(self, connection: &Connection) -> (Self, bool) {
        let (problem, code) = match &self.content {
            Content::Result(_, result) => (connection.check_size("result", result), "RESULT_TOO_LARGE"),
            Content::Round { round, .. } => (connection.check_size("state", &round.state), "STATE_TOO_LARGE"),
            Content::Failure { .. } => return (self, false),
        };
        match problem {
            Ok(()) => (self, false),
            Err(problem) => (self.failed_instead(&StepError::permanent(code, problem.to_string())), true),
        }
    }

    /// A failure for good in the place of a result that cannot be kept. What would have been published with the
    /// result is not.
    pub(super) fn failed_instead(self, error: &StepError) -> Self {
        let number = self.attempt.number;
        let failed = FailedAttempt { number, max_attempts: number, retry_at: None, error };
        let instead =
            |published: Box<Published>| Published::after_failure(&published.publications, failed, &[]);
        let published = self.published.and_then(instead);
        let content = Content::Failure { error: storable::error(error), retry_at: None };
        Self { content, published, ..self }
    }

    fn bytes(&self) -> usize {
        let events = self.published.iter().flat_map(|published| &published.events);
        let events: usize = events.map(|event| event.payload.as_str().len()).sum();
        match &self.content {
            Content::Result(_, json)
            | Content::Failure { error: json, .. }
            | Content::Round { round: Round { state: json, .. }, .. } => json.as_str().len() + events,
        }
    }

    fn tells(&self) -> bool {
        self.published.as_ref().is_some_and(|published| published.is_kept())
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

impl Appended {
    fn add(&mut self, written: Vec<Written>) {
        for (task, step, is_new) in written {
            self.covered.insert((task, step));
            self.altered.extend((!is_new).then_some(task));
        }
    }
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
            (_, Ok(written)) => {
                appended.add(written);
                forget_rounds(connection, part).await?;
            }
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
            Ok(written) => {
                appended.add(written);
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

/// Deletes what is recorded of rounds before those that `entries` end: nothing reads it any more, so that a crash
/// before this loses nothing.
async fn forget_rounds(connection: &mut Connection, entries: &[Entry]) -> Result<()> {
    let ends_a_round = |entry: &&Entry| matches!(entry.content, Content::Round { .. });
    let attempts: Vec<&Attempt> = entries.iter().filter(ends_a_round).map(|entry| &entry.attempt).collect();
    if attempts.is_empty() {
        return Ok(());
    }
    let rows = Rows::new(vec![
        Column::Int(attempts.iter().map(|attempt| attempt.task().0).collect()),
        Column::Int(attempts.iter().map(|attempt| i64::from(attempt.step.code())).collect()),
        Column::Int(attempts.iter().map(|attempt| i64::from(attempt.number)).collect()),
    ]);
    connection.execute(&sql::FORGET_ROUNDS, values![&rows]).await.map(drop)
}

/// An entry that the fence let through, and whether there was none before it.
type Written = (TaskNo, StepIndex, bool);

/// Appends entries, all or none, and says which the fence let through. In a transaction of its own unless one
/// is open.
async fn write(connection: &mut Connection, right: Right, entries: &[Entry]) -> Result<Vec<Written>> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    if entries.iter().any(Entry::tells) {
        return events::write(connection, right, entries).await;
    }
    let (results, failures) = (result_rows(entries), failure_rows(entries));
    let owner = right.owner.map(|worker| worker.0);
    let values: &[Value<'_>] = values![&results, &failures, owner, right.by.0];
    let rows = match connection.in_transaction() {
        true => connection.fetch(&sql::APPEND_IN, values).await?,
        false => connection.script(&sql::APPEND, values).await?,
    };
    rows.iter().map(|row| Ok((TaskNo(row.int(0)?), row.step(1, "steps.step")?, true))).collect()
}

/// Appends what an operator decided about steps of the task that `lease` is of. Its row must be locked, in a
/// transaction that is open.
pub(super) async fn decide(
    connection: &mut Connection,
    holder: Option<WorkerId>,
    lease: Lease,
    facts: &[Fact],
    rules: &Rules,
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
        let published = match kind {
            Kind::Operator => {
                Published::after_result(rules.publications(step), EventOutcome::Resolved, &result, &[])
            }
            Kind::Handler | Kind::Skipped => None,
        };
        let content = Content::Result(kind, result);
        entries.push(Entry { attempt, started_at: now, finished_at: now, content, published });
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
        // The task it is kept from has published it.
        published: None,
    };
    let failure = |kept: &Failure| Entry {
        attempt: Attempt { lease, step: kept.step, number: kept.attempt },
        started_at: kept.started_at,
        finished_at: kept.failed_at,
        content: Content::without_result(&kept.came, kept.retry_at, kept.failed_at),
        published: None,
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
            Content::Failure { .. } | Content::Round { .. } => None,
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
            Content::Failure { error, retry_at } => Some((entry, error, *retry_at, None)),
            Content::Round { round, due } => Some((entry, &round.state, Some(*due), Some(round.number))),
            Content::Result(..) => None,
        })
    };
    let mut columns = keys(failures().map(|(entry, ..)| &entry.attempt), i32::MAX as u32);
    columns.extend([
        Column::Int(failures().map(|(entry, ..)| entry.started_at.as_micros()).collect()),
        Column::Int(failures().map(|(entry, ..)| entry.finished_at.as_micros()).collect()),
        Column::MaybeInt(failures().map(|(_, _, retry_at, _)| retry_at.map(Timestamp::as_micros)).collect()),
        Column::Json(failures().map(|(_, json, ..)| json.clone()).collect()),
        Column::MaybeInt(failures().map(|(.., round)| round.map(i64::from)).collect()),
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
