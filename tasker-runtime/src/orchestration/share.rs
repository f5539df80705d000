//! Lends steps to other processes: those this one has no handler for, or no room.
//!
//! The holder offers, a taker runs, the result comes back through the journal. The offer is the taker's
//! right to record: who takes the task over drops it, and then the taker's result is refused.

use std::collections::HashSet;

use uuid::Uuid;

use super::{
    append::{self, Content, Entry, Right},
    journal::{self, History, Kind},
    storable,
};
pub(crate) use crate::model::Offer;
use crate::{
    model::{Attempt, Json, Lease, StepError, StepNo, TaskNo, Timestamp, WorkerId},
    store::{Column, Connection, Error, Result, Row, Rows, Session, Store, sql, values},
};

/// An offered step this worker took, with everything it needs.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub lease: Lease,
    pub owner: WorkerId,
    pub step: StepNo,
    pub attempt: u32,
    pub uuid: Uuid,
    pub template: i64,
    pub correlation_id: Uuid,
    pub created_at: Timestamp,
    pub context: Json,
    pub history: History,
}

/// What came of a lent step.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub lease: Lease,
    /// Who lent it.
    pub owner: WorkerId,
    pub step: StepNo,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub result: std::result::Result<Json, (StepError, Option<Timestamp>)>,
}

/// Offers steps of tasks `worker` holds.
pub(crate) async fn offer(session: &mut Session, worker: WorkerId, offers: &[Offer]) -> Result<()> {
    let rows = Rows::new(vec![
        Column::Int(offers.iter().map(|o| o.attempt.lease.task.0).collect()),
        Column::Int(offers.iter().map(|o| o.attempt.lease.epoch).collect()),
        Column::Int(offers.iter().map(|o| i64::from(o.attempt.step.code())).collect()),
        Column::Int(offers.iter().map(|o| i64::from(o.attempt.number)).collect()),
        Column::Int(offers.iter().map(|o| o.offered_at.as_micros()).collect()),
        Column::Text(offers.iter().map(|o| o.handler.to_string()).collect()),
        Column::Text(offers.iter().map(|o| o.queue.clone()).collect()),
    ]);
    session
        .run(async |connection| connection.execute(&sql::OFFER, values![&rows, worker.0]).await.map(drop))
        .await
}

/// Takes at most `limit` offered steps of these queues (`None`: all) for which there is a handler among
/// `handlers`.
pub(crate) async fn take(
    connection: &mut Connection,
    worker: WorkerId,
    handlers: Vec<String>,
    queues: Option<Vec<String>>,
    limit: usize,
) -> Result<Vec<Taken>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (chosen, queues) = (i64::from(queues.is_some()), queues.unwrap_or_default());
    let values = values![worker.0, handlers, limit, chosen, queues];
    let rows = connection.fetch(&sql::TAKE_OFFERS, values).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let tasks: HashSet<TaskNo> = rows.iter().map(|row| row.int(0).map(TaskNo)).collect::<Result<_>>()?;
    let tasks: Vec<TaskNo> = tasks.into_iter().collect();
    let mut histories = journal::read_each(connection, &tasks).await?;
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let facts = connection.fetch(&sql::TASK_FACTS, values![numbers]).await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in &rows {
        let task = TaskNo(row.int(0)?);
        for facts in &facts {
            if facts.int(0)? != task.0 {
                continue;
            }
            let history = histories.entry(task).or_insert_with(|| Ok(History::default()));
            match read(row, facts, history) {
                Ok(step) => taken.push(step),
                Err(problem) => refuse_unreadable(connection, worker, row, facts, &problem).await?,
            }
        }
    }
    Ok(taken)
}

fn read(row: &Row, facts: &Row, history: &Result<History>) -> Result<Taken> {
    let unreadable = |problem: &Error| Error::Corrupt { what: problem.to_string() };
    Ok(Taken {
        lease: Lease { task: TaskNo(row.int(0)?), epoch: row.int(3)? },
        owner: WorkerId(row.int(4)?),
        step: row.step(1, "offers.step")?,
        attempt: row.count(2, "offers.attempt")?,
        uuid: facts.uuid(1)?,
        template: facts.int(2)?,
        correlation_id: facts.uuid(3)?,
        created_at: Timestamp::from_micros(facts.int(4)?),
        context: facts.json(5, "tasks.context")?,
        history: history.as_ref().map_err(unreadable)?.clone(),
    })
}

/// Fails an attempt that was taken and cannot be run, because something of its task cannot be read.
async fn refuse_unreadable(
    connection: &mut Connection,
    worker: WorkerId,
    row: &Row,
    facts: &Row,
    problem: &Error,
) -> Result<()> {
    let task = TaskNo(row.int(0)?);
    tracing::error!(task = task.0, %problem, "a lent step cannot be run: its task cannot be read");
    let (Ok(step), Ok(number)) = (row.step(1, "offers.step"), row.count(2, "offers.attempt")) else {
        return drop_of(connection, &[task]).await;
    };
    let attempt = Attempt { lease: Lease { task, epoch: row.int(3)? }, step, number };
    let error = storable::error(&StepError::permanent("UNREADABLE_TASK", problem.to_string()));
    let at = Timestamp::from_micros(facts.int(4)?);
    let content = Content::Failure { error, retry_at: None };
    let entry = Entry { attempt, started_at: at, finished_at: at, content };
    append::append(connection, Right::of(worker), &[entry]).await.map(drop)
}

/// Records what came of lent steps, together, and says of each whether it was: where the loan was lost,
/// nothing of it is written. They come in the order of their tasks and steps, as all who lock offers go.
///
/// # Errors
/// Only those that pass. Giving back the same again is safe then: a loan that has ended is refused.
pub(crate) async fn give_back(
    connection: &mut Connection,
    worker: WorkerId,
    outcomes: &[Outcome],
) -> Result<Vec<bool>> {
    let checked = |outcome: &Outcome| match &outcome.result {
        Ok(result) => match connection.check_size("result", result) {
            Ok(()) => outcome.entry(),
            Err(problem) => outcome.entry().too_large(&problem),
        },
        Err(_) => outcome.entry(),
    };
    let entries: Vec<Entry> = outcomes.iter().map(checked).collect();
    let appended = append::append(connection, Right::of(worker), &entries).await?;
    Ok(outcomes.iter().map(|o| appended.covered.contains(&(o.lease.task, o.step))).collect())
}

impl Outcome {
    fn entry(&self) -> Entry {
        let content = match &self.result {
            Ok(result) => Content::Result(Kind::Handler, result.clone()),
            Err((error, retry_at)) => Content::Failure { error: storable::error(error), retry_at: *retry_at },
        };
        let attempt = Attempt { lease: self.lease, step: self.step, number: self.attempt };
        Entry { attempt, started_at: self.started_at, finished_at: self.finished_at, content }
    }
}

/// Offers a step again that this worker took and did not run to its end.
pub(crate) async fn hand_back(
    connection: &mut Connection,
    worker: WorkerId,
    task: TaskNo,
    step: StepNo,
) -> Result<()> {
    let values = values![task.0, i64::from(step.code()), worker.0];
    connection.execute(&sql::HAND_BACK_OFFER, values).await.map(drop)
}

/// The steps `worker` has lent that have not come back.
pub(crate) async fn lent(store: &Store, worker: WorkerId) -> Result<HashSet<(TaskNo, StepNo)>> {
    let rows = store.reader().await?.fetch(&sql::LENT, values![worker.0]).await?;
    rows.iter().map(step_of).collect()
}

/// The steps `worker` has on loan, as the store knows them.
pub(crate) async fn borrowed(connection: &mut Connection, worker: WorkerId) -> Result<Vec<(TaskNo, StepNo)>> {
    let rows = connection.fetch(&sql::BORROWED, values![worker.0]).await?;
    rows.iter().map(step_of).collect()
}

fn step_of(row: &Row) -> Result<(TaskNo, StepNo)> {
    Ok((TaskNo(row.int(0)?), row.step(1, "offers.step")?))
}

/// Takes back what `worker` offers and nobody has taken.
pub(crate) async fn withdraw(connection: &mut Connection, worker: WorkerId) -> Result<()> {
    connection.execute(&sql::WITHDRAW_OFFERS, values![worker.0]).await.map(drop)
}

/// Forgets what was offered of these tasks.
pub(crate) async fn drop_of(connection: &mut Connection, tasks: &[TaskNo]) -> Result<()> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    connection.execute(&sql::DROP_OFFERS, values![numbers]).await.map(drop)
}

/// A step that is on offer, as people see it.
#[derive(Clone, Debug)]
pub(crate) struct OnOffer {
    pub step: StepNo,
    pub handler: String,
    pub since: Timestamp,
    pub taken: bool,
}

/// What is on offer of a task.
pub(crate) async fn on_offer(connection: &mut Connection, task: TaskNo) -> Result<Vec<OnOffer>> {
    let rows = connection.fetch(&sql::TASK_OFFERS, values![task.0]).await?;
    rows.iter()
        .map(|row| {
            Ok(OnOffer {
                step: row.step(0, "offers.step")?,
                handler: row.text(1)?.to_owned(),
                since: Timestamp::from_micros(row.int(2)?),
                taken: row.maybe_int(3)?.is_some(),
            })
        })
        .collect()
}
