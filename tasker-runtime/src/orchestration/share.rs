//! Lends steps to other processes: those this one has no handler for, or no room.
//!
//! The holder offers, a taker runs, the result comes back through the journal. The offer is the taker's
//! right to record: who takes the task over drops it, and then the taker's result is refused.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    append::{self, Content, Entry, Right},
    journal::Kind,
    storable,
};
pub(crate) use crate::model::Offer;
use crate::{
    model::{
        Attempt, Json, Lease, Published, StepError, StepIndex, Target, TaskNo, Timestamp, WorkerId,
        task_loop::{Came, MAX_TAKEOVERS, Withdrawal},
    },
    store::{Column, Connection, Error, Result, Row, Rows, Session, Store, sql, values},
};

/// What a process has to know of an offer to say whether it can run it. Offers that are alike are found under
/// the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub target: Target,
    /// The step is to be compensated, not to be run.
    pub compensation: bool,
}

impl Wanted {
    fn of(offer: &Offer) -> Self {
        let compensation = offer.attempt.step.compensates().is_some();
        Self { target: Target::clone(&offer.target), compensation }
    }

    /// As the store keeps it.
    pub(crate) fn to_text(&self) -> String {
        let Target { handler, namespace, queue } = &self.target;
        let fields = (handler.as_str(), namespace.as_deref(), queue.as_deref(), self.compensation);
        serde_json::to_string(&fields).unwrap_or_default()
    }

    /// Read from the store; `None` for what no version of this program has written.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (handler, namespace, queue, compensation): (String, Option<String>, Option<String>, bool) =
            serde_json::from_str(text).ok()?;
        let (namespace, queue) = (namespace.map(Into::into), queue.map(Into::into));
        Some(Self { target: Target { handler: (*handler).into(), namespace, queue }, compensation })
    }
}

/// An offered step this worker took.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub attempt: Attempt,
    pub owner: WorkerId,
    pub task: Arc<TakenTask>,
}

/// What never changes about the task of steps that were taken together.
#[derive(Debug)]
pub(crate) struct TakenTask {
    pub uuid: Uuid,
    pub template: i64,
    pub correlation_id: Uuid,
    pub created_at: Timestamp,
    pub context: Json,
}

/// What came of a lent step.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub lease: Lease,
    /// Who lent it.
    pub owner: WorkerId,
    pub step: StepIndex,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub result: Came,
    /// What is published with it; `None`: the step publishes nothing.
    pub published: Option<Box<Published>>,
}

/// Offers steps of tasks `worker` holds.
pub(crate) async fn offer(session: &mut Session, worker: WorkerId, offers: &[Offer]) -> Result<()> {
    let rows = Rows::new(vec![
        Column::Int(offers.iter().map(|o| o.attempt.lease.task.0).collect()),
        Column::Int(offers.iter().map(|o| o.attempt.lease.epoch).collect()),
        Column::Int(offers.iter().map(|o| i64::from(o.attempt.step.code())).collect()),
        Column::Int(offers.iter().map(|o| i64::from(o.attempt.number)).collect()),
        Column::Int(offers.iter().map(|o| o.offered_at.as_micros()).collect()),
        Column::Text(offers.iter().map(|o| o.target.handler.to_string()).collect()),
        Column::Text(
            offers.iter().map(|o| o.target.queue.as_deref().unwrap_or_default().to_owned()).collect(),
        ),
        Column::Text(offers.iter().map(|o| Wanted::of(o).to_text()).collect()),
    ]);
    session
        .run(async |connection| connection.execute(&sql::OFFER, values![&rows, worker.0]).await.map(drop))
        .await
}

/// What is on offer and taken by nobody, each target once, as [`Wanted::to_text`] writes it; the one that has
/// waited longest first.
pub(crate) async fn on_offer(connection: &mut Connection) -> Result<Vec<String>> {
    let rows = connection.fetch(&sql::ON_OFFER, &[]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// Takes at most `limit` steps that are offered for this target.
pub(crate) async fn take(
    connection: &mut Connection,
    worker: WorkerId,
    target: &str,
    limit: usize,
) -> Result<Vec<Taken>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let deaths = i64::from(MAX_TAKEOVERS);
    let rows = connection.fetch(&sql::TAKE_OFFERS, values![worker.0, target, limit, deaths]).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let tasks: HashSet<TaskNo> = rows.iter().map(|row| row.int(0).map(TaskNo)).collect::<Result<_>>()?;
    let tasks = taken_tasks(connection, &tasks.into_iter().collect::<Vec<_>>()).await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in &rows {
        let no = TaskNo(row.int(0)?);
        match (attempt_of(row), tasks.get(&no)) {
            (Ok(attempt), Some(Ok(task))) => {
                taken.push(Taken { attempt, owner: WorkerId(row.int(4)?), task: task.clone() });
            }
            (Ok(attempt), Some(Err(problem))) => {
                fail_unreadable(connection, worker, attempt, problem).await?;
            }
            (Err(problem), _) => {
                tracing::error!(task = no.0, %problem, "an offer cannot be read and is dropped");
                drop_of(connection, &[no]).await?;
            }
            (Ok(_), None) => {}
        }
    }
    Ok(taken)
}

fn attempt_of(row: &Row) -> Result<Attempt> {
    let lease = Lease { task: TaskNo(row.int(0)?), epoch: row.int(3)? };
    let (step, number) = (row.step(1, "offers.step")?, row.count(2, "offers.attempt")?);
    Ok(Attempt { lease, step, number })
}

/// Fails an attempt that was taken and cannot be run, because something of its task cannot be read.
async fn fail_unreadable(
    connection: &mut Connection,
    worker: WorkerId,
    attempt: Attempt,
    problem: &Error,
) -> Result<()> {
    tracing::error!(task = attempt.task().0, %problem, "a lent step cannot be run: its task cannot be read");
    let error = storable::error(&StepError::permanent("UNREADABLE_TASK", problem.to_string()));
    let content = Content::Failure { error, retry_at: None };
    let at = Timestamp::default();
    // Nothing of the task can be read, so nobody knows what its steps publish.
    let entry = Entry { attempt, started_at: at, finished_at: at, content, published: None };
    append::append(connection, Right::of(worker), &[entry]).await.map(drop)
}

/// The tasks of steps that were taken, each with its own error where it cannot be read.
async fn taken_tasks(
    connection: &mut Connection,
    tasks: &[TaskNo],
) -> Result<HashMap<TaskNo, Result<Arc<TakenTask>>>> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let mut read = HashMap::with_capacity(tasks.len());
    for row in connection.fetch(&sql::TASK_DATA, values![numbers]).await? {
        let task = TaskNo(row.int(0)?);
        read.insert(task, taken_task(&row).map(Arc::new).map_err(|problem| problem.of_task(task.0)));
    }
    Ok(read)
}

fn taken_task(row: &Row) -> Result<TakenTask> {
    Ok(TakenTask {
        uuid: row.uuid(1)?,
        template: row.int(2)?,
        correlation_id: row.uuid(3)?,
        created_at: Timestamp::from_micros(row.int(4)?),
        context: row.json(5, "tasks.context")?,
    })
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
    let entries: Vec<Entry> = outcomes.iter().map(|outcome| outcome.entry().of_size(connection).0).collect();
    let appended = append::append(connection, Right::of(worker), &entries).await?;
    Ok(outcomes.iter().map(|o| appended.covered.contains(&(o.lease.task, o.step))).collect())
}

impl Outcome {
    fn entry(&self) -> Entry {
        let content = match &self.result {
            Ok(result) => Content::Result(Kind::Handler, result.clone()),
            Err((came, retry_at)) => Content::without_result(came, *retry_at, self.finished_at),
        };
        let attempt = Attempt { lease: self.lease, step: self.step, number: self.attempt };
        let (started_at, finished_at) = (self.started_at, self.finished_at);
        Entry { attempt, started_at, finished_at, content, published: self.published.clone() }
    }
}

/// Offers a step again that this worker took and did not run to its end.
pub(crate) async fn hand_back(
    connection: &mut Connection,
    worker: WorkerId,
    task: TaskNo,
    step: StepIndex,
) -> Result<()> {
    let values = values![task.0, i64::from(step.code()), worker.0];
    connection.execute(&sql::HAND_BACK_OFFER, values).await.map(drop)
}

/// What a worker has lent.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    /// The steps that have not come back.
    pub out: HashSet<(TaskNo, StepIndex)>,
    /// Of these, steps that so many processes died over that no further one may take them.
    pub deadly: Vec<(TaskNo, StepIndex)>,
}

/// The steps `worker` has lent that have not come back.
pub(crate) async fn lent(store: &Store, worker: WorkerId) -> Result<Lent> {
    let mut lent = Lent::default();
    let values = values![worker.0, i64::from(MAX_TAKEOVERS)];
    for row in store.reader().await?.fetch(&sql::LENT, values).await? {
        let step = step_of(&row)?;
        lent.out.insert(step);
        lent.deadly.extend((row.int(2)? == 1).then_some(step));
    }
    Ok(lent)
}

/// Drops what `worker` offers although it has come back: an offer that was written again at that moment.
pub(crate) async fn drop_returned(connection: &mut Connection, worker: WorkerId) -> Result<()> {
    connection.execute(&sql::DROP_RETURNED, values![worker.0]).await.map(drop)
}

/// Notes that this process, which was taken for dead while it ran these steps for others, lives: its death is not
/// to be counted against them.
pub(crate) async fn note_not_dead(connection: &mut Connection, loans: &[Attempt]) -> Result<()> {
    let rows = Rows::new(vec![
        Column::Int(loans.iter().map(|loan| loan.lease.task.0).collect()),
        Column::Int(loans.iter().map(|loan| loan.lease.epoch).collect()),
        Column::Int(loans.iter().map(|loan| i64::from(loan.step.code())).collect()),
    ]);
    connection.execute(&sql::LOANS_NOT_DEAD, values![&rows]).await.map(drop)
}

/// The steps `worker` has on loan, as the store knows them, each with the lease it was offered under.
pub(crate) async fn borrowed(
    connection: &mut Connection,
    worker: WorkerId,
) -> Result<Vec<(Lease, StepIndex)>> {
    let rows = connection.fetch(&sql::BORROWED, values![worker.0]).await?;
    let loan = |row: &Row| {
        let (task, step) = step_of(row)?;
        Ok((Lease { task, epoch: row.int(2)? }, step))
    };
    rows.iter().map(loan).collect()
}

fn step_of(row: &Row) -> Result<(TaskNo, StepIndex)> {
    Ok((TaskNo(row.int(0)?), row.step(1, "offers.step")?))
}

/// Takes back what `worker` offers and nobody has taken.
pub(crate) async fn withdraw(connection: &mut Connection, worker: WorkerId) -> Result<()> {
    connection.execute(&sql::WITHDRAW_OFFERS, values![worker.0]).await.map(drop)
}

/// Takes back what is offered of tasks that are not to go on.
pub(crate) async fn withdraw_of(session: &mut Session, withdrawals: &[Withdrawal]) -> Result<()> {
    session
        .run(async |connection| {
            for Withdrawal { lease, taken } in withdrawals {
                let values = values![lease.task.0, lease.epoch, i64::from(*taken)];
                connection.execute(&sql::WITHDRAW_TASK, values).await?;
            }
            Ok(())
        })
        .await
}

/// Forgets what was offered of these tasks.
pub(crate) async fn drop_of(connection: &mut Connection, tasks: &[TaskNo]) -> Result<()> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    connection.execute(&sql::DROP_OFFERS, values![numbers]).await.map(drop)
}

/// A step that is on offer, as people see it.
#[derive(Clone, Debug)]
pub(crate) struct OnOffer {
    pub step: StepIndex,
    pub handler: String,
    pub since: Timestamp,
    pub taken: bool,
}

/// What is on offer of a task.
pub(crate) async fn offered_of(connection: &mut Connection, task: TaskNo) -> Result<Vec<OnOffer>> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read_back_as_it_was() {
        let targets = [
            Target { handler: "shop.charge".into(), namespace: None, queue: Some("slow \"lane\"".into()) },
            Target { handler: "Shop::Charge".into(), namespace: Some("shop".into()), queue: None },
        ];
        for (target, compensation) in targets.into_iter().zip([false, true]) {
            let wanted = Wanted { target, compensation };
            assert_eq!(Wanted::from_text(&wanted.to_text()).unwrap(), wanted);
        }
        assert_eq!(Wanted::from_text(""), None);
    }
}
