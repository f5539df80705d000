//! Starts the tasks of ticks.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Stored, advance::advance, lock, moved};
use crate::{
    model::{Json, Timestamp},
    orchestration::{
        submission::{self, Refused, Submission},
        submit::{self, Added, Request},
    },
    registry::Catalog,
    store::{Connection, Result, sql, values},
    template::{Schedule, Ticks},
};

/// What came of a look at some schedules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fired {
    /// How many of them nobody else looked at.
    pub seen: usize,
    /// The queues that have new tasks.
    pub queues: BTreeSet<String>,
    /// Tasks that stand in the way of others are to be cancelled.
    pub cancels: bool,
}

/// One that a process cannot read is looked at again after this long: another may be able to.
const UNREADABLE: i64 = 60_000_000;

/// What the tasks of a schedule are made of.
#[derive(Clone, Copy)]
pub(crate) struct TickTasks<'a> {
    pub name: &'a str,
    /// Namespace and name.
    pub template: &'a str,
    pub schedule: &'a Schedule,
    pub ticks: &'a Ticks,
}

impl TickTasks<'_> {
    /// The task of a tick, with the key that makes it one for good.
    ///
    /// # Errors
    /// When the template does not take it.
    pub(crate) fn request(
        &self,
        catalog: &Catalog,
        tick: i64,
        now: Timestamp,
    ) -> std::result::Result<Request, Refused> {
        let at = Timestamp::from_micros(tick);
        let input = self.schedule.input_at(self.name, &self.ticks.show(tick));
        // A value of JSON is always text again.
        let input = Json::of(&input).unwrap_or_else(|_| Json::null());
        let submission = Submission::to(self.template).json(input);
        let submission = submission.idempotency_key(format!("schedule/{}/{at}", self.name));
        let (mut request, _) = submission::request(catalog, Uuid::now_v7(), submission, now)?;
        request.task.run_at = at + self.ticks.delay(self.name, tick);
        Ok(request)
    }
}

/// Starts the tasks of those of the schedules that are due, in one transaction.
pub(crate) async fn fire(
    connection: &mut Connection,
    names: Vec<String>,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Fired> {
    connection
        .transaction(async |connection| {
            let rows = connection.fetch(&sql::LOCK_SCHEDULES, values![names]).await?;
            let locked: Vec<Stored> = rows.iter().map(Stored::read).collect::<Result<_>>()?;
            let due = |stored: &Stored| stored.due_at.is_some_and(|at| at <= now);
            let mut due: Vec<Stored> = locked.into_iter().filter(due).collect();
            let open = open(connection, &due).await?;
            // Of each request, the schedule it belongs to and the tick.
            let mut requests = (Vec::new(), Vec::new());
            for (place, stored) in due.iter_mut().enumerate() {
                let running = stored.last_task.is_some_and(|task| open.contains(&task));
                for (tick, request) in look(stored, catalog, running, now) {
                    requests.0.push((place, tick));
                    requests.1.push(request);
                }
            }
            let queues = requests.1.iter().map(|request: &Request| request.task.queue.clone()).collect();
            let cancels = requests.1.iter().any(Request::cancels);
            let added = submit::submit_in_transaction(connection, &requests.1).await?;
            for (((place, tick), request), added) in requests.0.into_iter().zip(&requests.1).zip(added) {
                due[place].started(tick, request, added);
            }
            moved(connection, &due).await?;
            Ok(Fired { seen: due.len(), queues, cancels })
        })
        .await
}

/// Starts a task of a schedule out of turn; `None` when there is no such schedule.
pub(crate) async fn trigger(
    connection: &mut Connection,
    name: &str,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Option<std::result::Result<(Uuid, String), NotTriggered>>> {
    connection
        .transaction(async |connection| {
            let Some(mut stored) = lock(connection, name).await? else { return Ok(None) };
            let parts = match stored.parts() {
                Ok(parts) => parts,
                Err(problem) => return Ok(Some(Err(NotTriggered::Unreadable(problem)))),
            };
            let mut request = match stored.tasks(&parts).request(catalog, now.as_micros(), now) {
                Ok(request) => request,
                Err(refused) => return Ok(Some(Err(NotTriggered::Refused(refused)))),
            };
            request.key = None;
            request.task.run_at = now;
            let (task, queue) = (request.task.uuid, request.task.queue.clone());
            let added = submit::submit_in_transaction(connection, &[request]).await?;
            let task = match added.first() {
                Some(Added::Skipped { task: running }) => *running,
                _ => task,
            };
            (stored.last_at, stored.last_task, stored.started) = (Some(now), Some(task), stored.started + 1);
            moved(connection, &[stored]).await?;
            Ok(Some(Ok((task, queue))))
        })
        .await
}

/// Why a schedule started no task out of turn.
#[derive(Debug)]
pub(crate) enum NotTriggered {
    Unreadable(String),
    Refused(Refused),
}

/// Which of the last tasks are not over.
async fn open(connection: &mut Connection, schedules: &[Stored]) -> Result<BTreeSet<Uuid>> {
    let tasks: Vec<String> =
        schedules.iter().filter_map(|stored| stored.last_task).map(|task| task.to_string()).collect();
    if tasks.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = connection.fetch(&sql::OPEN_TASKS, values![tasks]).await?;
    rows.iter().map(|row| row.uuid(0)).collect()
}

/// Moves a schedule on, and gives the requests of its ticks.
fn look(stored: &mut Stored, catalog: &Catalog, running: bool, now: Timestamp) -> Vec<(i64, Request)> {
    let parts = match stored.parts() {
        Ok(parts) => parts,
        Err(problem) => {
            tracing::warn!(schedule = %stored.name, %problem, "a schedule cannot be read here");
            stored.problem = Some(problem);
            stored.due_at = Some(Timestamp::from_micros(now.as_micros() + UNREADABLE));
            return Vec::new();
        }
    };
    let course = std::mem::take(&mut stored.course);
    let advance = advance(&parts.0, &parts.1, course, running, now.as_micros());
    stored.course = advance.course;
    stored.due_at = advance.look_at.map(Timestamp::from_micros);
    stored.skipped += i64::try_from(advance.skipped).unwrap_or(i64::MAX);
    let mut requests = Vec::with_capacity(advance.start.len());
    for tick in advance.start {
        match stored.tasks(&parts).request(catalog, tick, now) {
            Ok(request) => requests.push((tick, request)),
            Err(refused) => {
                let problem = refused.to_string();
                tracing::warn!(schedule = %stored.name, tick = %Timestamp::from_micros(tick), %problem, "a tick started nothing");
                stored.problem = Some(problem);
                stored.skipped += 1;
            }
        }
    }
    requests
}

impl Stored {
    /// What its tasks are made of; `parts` are its own.
    pub(crate) fn tasks<'a>(&'a self, parts: &'a (Schedule, Ticks)) -> TickTasks<'a> {
        TickTasks { name: &self.name, template: &self.template, schedule: &parts.0, ticks: &parts.1 }
    }

    /// Notes that a tick has its task.
    fn started(&mut self, tick: i64, request: &Request, added: Added) {
        let task = match added {
            Added::New { .. } => {
                self.started += 1;
                request.task.uuid
            }
            // As many tasks of it run as may.
            Added::Skipped { task } => {
                self.skipped += 1;
                task
            }
            // Another one started it, before what stands here was lost.
            Added::Used { task, .. } => task,
        };
        self.last_at = Some(Timestamp::from_micros(tick));
        self.last_task = Some(task);
        self.problem = None;
    }
}
