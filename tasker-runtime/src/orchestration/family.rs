//! Tasks that steps of other tasks start, and the way back: their ends.
//!
//! Tasks are started, and noted as started, in one transaction under the lease of the task that starts them; who asks
//! again finds them there. So whatever crashes, no attempt starts one twice. A task that ends tells the one that started
//! it in the transaction that ends it: its holder by a command, or by having it claimed. Under way, nothing of a child is
//! written into its parent's rows.

mod tell;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

pub(crate) use self::tell::{Told, write_ends};
pub(super) use self::tell::{ask_children, resume_children, tell_parents};
use super::{
    submission::{self, Submission},
    submit::{self, Added, Request},
};
use crate::{
    handler::ChildFailure,
    model::{Attempt, Json, StepError, StepIndex, TaskNo, TaskState, Timestamp, WaitEnd, WorkerId},
    registry::Catalog,
    store::{self, Column, Connection, Result, Row, Rows, sql, values},
    template::{ChildConfig, ChildInput, OnChildFailure},
};

/// The most tasks that may stand above another one.
pub(crate) const MAX_DEPTH: i64 = 16;

/// So many tasks are started in one transaction.
const LOT: usize = 1_000;

/// So many failed tasks are named in the error of a step.
const MOST_NAMED: usize = 10;

/// The tasks that a step starts.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// The attempt they belong to.
    pub attempt: Attempt,
    /// The context of each.
    pub contexts: Arc<[Json]>,
    /// What the template of the task that starts them says about them.
    pub config: ChildConfig,
    /// Namespace and name of their workflow.
    pub run: String,
}

impl Wanted {
    fn step(&self) -> i64 {
        i64::from(self.attempt.step.code())
    }
}

/// What there is of the tasks that a step starts.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The task that starts them is not held under this lease.
    NotHeld,
    /// Some run, or are to.
    Open {
        /// The queues that have new tasks.
        queues: BTreeSet<String>,
        /// Further ones are to be started at once.
        more: bool,
    },
    /// All are over.
    Over(Vec<Child>),
    /// They cannot be started, and nothing was in this look.
    Refused(StepError),
}

/// A task that a step started.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    item: usize,
    attempt: u32,
    task: TaskNo,
    /// What is known of it; `None`: it is gone.
    known: Option<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    uuid: Uuid,
    state: TaskState,
    cause: Option<String>,
    template: i64,
}

impl Child {
    fn read(row: &Row) -> Result<Self> {
        let known = match row.maybe_int(4)? {
            None => None,
            Some(_) => Some(Known {
                uuid: row.uuid(3)?,
                state: row.state(4, 5)?,
                cause: row.maybe_text(7)?.map(str::to_owned),
                template: row.int(8)?,
            }),
        };
        let item = usize::try_from(row.int(0)?).unwrap_or(usize::MAX);
        Ok(Self { item, attempt: row.count(1, "children.attempt")?, task: TaskNo(row.int(2)?), known })
    }

    /// Its number.
    pub(crate) fn task(&self) -> TaskNo {
        self.task
    }

    fn is_complete(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.state == TaskState::Complete)
    }

    fn is_over(&self) -> bool {
        self.known.as_ref().is_none_or(|known| known.state.is_final())
    }

    /// The template that it started with.
    pub(crate) fn template(&self) -> Option<i64> {
        self.known.as_ref().filter(|known| known.state == TaskState::Complete).map(|known| known.template)
    }
}

/// A task that a step started, as people see it.
#[derive(Clone, Debug)]
pub(crate) struct Kin {
    pub step: StepIndex,
    pub item: u32,
    pub attempt: u32,
    pub uuid: Uuid,
    pub state: TaskState,
    /// Of its template.
    pub namespace: String,
}

/// So many tasks are shown that one task started.
const MOST_SHOWN: i64 = 1_000;

/// The tasks that the steps of a task started, by step, those of the last attempts first.
pub(crate) async fn children_of(connection: &mut Connection, task: TaskNo) -> Result<Vec<Kin>> {
    let rows = connection.fetch(&sql::KIN, values![task.0, MOST_SHOWN]).await?;
    let read = |row: &Row| {
        Ok(Kin {
            step: row.step(0, "children.step")?,
            item: row.count(1, "children.item")?,
            attempt: row.count(2, "children.attempt")?,
            uuid: row.uuid(3)?,
            state: row.state(4, 5)?,
            namespace: row.text(6)?.to_owned(),
        })
    };
    let mut kin: Vec<Kin> = rows.iter().map(read).collect::<Result<_>>()?;
    kin.sort_by_key(|kin| (kin.step, std::cmp::Reverse(kin.attempt), kin.item));
    Ok(kin)
}

/// The task that started another one, which of its steps did, and its template.
pub(crate) async fn parent_of(
    connection: &mut Connection,
    task: TaskNo,
) -> Result<Option<(Uuid, StepIndex, i64)>> {
    let row = connection.fetch_first(&sql::PARENT, values![task.0]).await?;
    row.map(|row| Ok((row.uuid(0)?, row.step(1, "children.step")?, row.int(2)?))).transpose()
}

/// Why tasks were not started, after which nothing of the transaction is to stay.
enum NotStarted {
    Store(store::Error),
    Refused(StepError),
}

impl From<store::Error> for NotStarted {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// Starts what is to be started of the tasks of a step, as many at once as may run, and looks at those that were.
/// `first`: nobody has, since the task was claimed.
pub(crate) async fn see(
    connection: &mut Connection,
    worker: WorkerId,
    wanted: &Wanted,
    first: bool,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Seen> {
    let seen = connection
        .transaction(async |connection| look(connection, worker, wanted, first, catalog, now).await)
        .await;
    match seen {
        Ok(seen) => Ok(seen),
        Err(NotStarted::Refused(error)) => Ok(Seen::Refused(error)),
        Err(NotStarted::Store(error)) => Err(error),
    }
}

async fn look(
    connection: &mut Connection,
    worker: WorkerId,
    wanted: &Wanted,
    first: bool,
    catalog: &Catalog,
    now: Timestamp,
) -> std::result::Result<Seen, NotStarted> {
    let lease = wanted.attempt.lease;
    let held = values![lease.task.0, lease.epoch, worker.0];
    let Some(parent) = connection.fetch_first(&sql::HOLD_PARENT, held).await? else {
        return Ok(Seen::NotHeld);
    };
    let config = &wanted.config;
    let most = config.parallelism.unwrap_or(u32::MAX) as usize;
    let counts = Counts::read(connection, wanted).await?;
    let waits = || Seen::Open { queues: BTreeSet::new(), more: false };
    if counts.open >= most {
        return Ok(waits());
    }
    let family = Family::read(&parent, wanted, catalog, now)?;
    let room = (most - counts.open).min(LOT);
    // In the first attempt they are started one after the other, so that the last one says which comes next.
    if !first && wanted.attempt.number == 1 {
        let stops = counts.failed && config.on_failure == OnChildFailure::Fail;
        let left = if stops { 0 } else { wanted.contexts.len().saturating_sub(counts.next) };
        if left > 0 {
            let items: Vec<usize> = (counts.next..).take(left.min(room)).collect();
            return family.start(connection, &items, (left > items.len(), most - counts.open)).await;
        }
        if counts.open > 0 {
            return Ok(waits());
        }
    }
    let mut last: BTreeMap<usize, Child> = BTreeMap::new();
    for row in connection.fetch(&sql::CHILDREN, values![lease.task.0, wanted.step()]).await? {
        let child = Child::read(&row)?;
        last.insert(child.item, child);
    }
    let missing = missing(wanted, &last);
    if missing.is_empty() {
        // One that is over may not have said so yet: then it does, and is looked at again.
        let over = counts.open == 0 || last.values().all(Child::is_over);
        return Ok(if over { Seen::Over(last.into_values().collect()) } else { waits() });
    }
    if last.is_empty() {
        // None is started where one cannot be.
        family.requests(&missing)?;
    }
    let items = &missing[..missing.len().min(room)];
    family.start(connection, items, (missing.len() > items.len(), most - counts.open)).await
}

/// How far the tasks of a step have come.
struct Counts {
    open: usize,
    /// The item after the last one that was started.
    next: usize,
    /// One that this attempt started is over and not complete.
    failed: bool,
}

impl Counts {
    async fn read(connection: &mut Connection, wanted: &Wanted) -> Result<Self> {
        let Attempt { lease, number, .. } = wanted.attempt;
        let values = values![lease.task.0, wanted.step(), i64::from(number)];
        let Some(row) = connection.fetch_first(&sql::CHILDREN_COUNTS, values).await? else {
            return Ok(Self { open: 0, next: 0, failed: false });
        };
        let count = |column: usize| row.int(column).map(|count| usize::try_from(count).unwrap_or(0));
        Ok(Self { open: count(0)?, next: count(1)?, failed: count(2)? > 0 })
    }
}

/// The tasks that are still to be started, or started anew.
fn missing(wanted: &Wanted, last: &BTreeMap<usize, Child>) -> Vec<usize> {
    let now = wanted.attempt.number;
    let failed = |child: &Child| child.attempt >= now && child.is_over() && !child.is_complete();
    if wanted.config.on_failure == OnChildFailure::Fail && last.values().any(failed) {
        return Vec::new();
    }
    let to_start = |item: &usize| match last.get(item) {
        None => true,
        Some(child) => child.attempt < now && child.is_over() && !child.is_complete(),
    };
    (0..wanted.contexts.len()).filter(to_start).collect()
}

/// The task that starts others, and what these have of it.
struct Family<'w> {
    wanted: &'w Wanted,
    catalog: &'w Catalog,
    now: Timestamp,
    priority: i16,
    correlation_id: Uuid,
    /// How many tasks stand above those that it starts.
    depth: i64,
}

impl<'w> Family<'w> {
    fn read(
        parent: &Row,
        wanted: &'w Wanted,
        catalog: &'w Catalog,
        now: Timestamp,
    ) -> std::result::Result<Self, NotStarted> {
        let depth = parent.int(2)? + 1;
        if depth > MAX_DEPTH {
            let message = format!(
                "{MAX_DEPTH} tasks stand above this one, each started by the one before: a workflow that starts itself has to end"
            );
            return Err(NotStarted::Refused(StepError::permanent("TOO_DEEP", message)));
        }
        let priority = i16::try_from(parent.int(0)?).unwrap_or_default();
        Ok(Self { wanted, catalog, now, priority, correlation_id: parent.uuid(1)?, depth })
    }

    /// Adds tasks for these items, and notes who started them. Whether there are others, and how many more may run.
    async fn start(
        &self,
        connection: &mut Connection,
        items: &[usize],
        (others, room): (bool, usize),
    ) -> std::result::Result<Seen, NotStarted> {
        let requests = self.requests(items)?;
        let added = submit::submit_in_transaction(connection, &requests).await?;
        let mut rows = (Vec::new(), Vec::new());
        for (added, item) in added.iter().zip(items) {
            match added {
                Added::New { task, .. } => {
                    rows.0.push(i64::try_from(*item).unwrap_or(i64::MAX));
                    rows.1.push(task.0);
                }
                Added::Skipped { task } | Added::Used { task, .. } => {
                    let message = format!(
                        "{} is not started: a limit of its workflow skips it while task {task} runs",
                        self.named(*item)
                    );
                    return Err(NotStarted::Refused(StepError::permanent("CHILD_SKIPPED", message)));
                }
            }
        }
        let Attempt { lease, number, .. } = self.wanted.attempt;
        let children = Rows::new(vec![Column::Int(rows.0), Column::Int(rows.1.clone())]);
        let (parent, step) = (lease.task.0, self.wanted.step());
        let cascades = i64::from(self.wanted.config.cascade);
        let values = values![parent, step, i64::from(number), self.depth, cascades, &children];
        connection.execute(&sql::PUT_CHILDREN, values).await?;
        connection.execute(&sql::SET_PARENT, values![parent, rows.1]).await?;
        let queues = requests.into_iter().map(|request| request.task.queue).collect();
        Ok(Seen::Open { queues, more: others && items.len() < room })
    }

    /// What the tasks for these items are made of.
    fn requests(&self, items: &[usize]) -> std::result::Result<Vec<Request>, NotStarted> {
        let name = &*self.wanted.run;
        let refused = |item: usize, problem: &dyn std::fmt::Display| {
            let message = format!("{} of `{name}` cannot be started: {problem}", self.named(item));
            NotStarted::Refused(StepError::permanent("INVALID_CHILD_INPUT", message))
        };
        let request = |&item: &usize| {
            let submission = Submission::to(name)
                .json(self.wanted.contexts[item].clone())
                .priority(self.priority)
                .correlation_id(self.correlation_id);
            let made = submission::request(self.catalog, Uuid::now_v7(), submission, self.now);
            let (request, known) = made.map_err(|problem| refused(item, &problem))?;
            match &self.wanted.config.version {
                Some(version) if *version != known.template.version().to_string() => {
                    let has = known.template.version();
                    Err(refused(item, &format!("version {version} is asked for, and this program has {has}")))
                }
                _ => Ok(request),
            }
        };
        items.iter().map(request).collect()
    }

    /// A task in words.
    fn named(&self, item: usize) -> String {
        match self.wanted.contexts.len() {
            1 => "the task".to_owned(),
            count => format!("task {} of {count}", item + 1),
        }
    }
}

/// How a step ends whose tasks are all over, with the results of those that are complete.
pub(crate) fn end(wanted: &Wanted, children: &[Child], results: &BTreeMap<i64, Json>) -> WaitEnd {
    let config = &wanted.config;
    let failed: Vec<&Child> = children.iter().filter(|child| !child.is_complete()).collect();
    if config.on_failure == OnChildFailure::Fail && !failed.is_empty() {
        return WaitEnd::Failed(failure(wanted, &failed));
    }
    let text = |child: &Child| {
        let result = results.get(&child.task.0).cloned().unwrap_or_else(Json::null);
        match (config.on_failure, child.is_complete()) {
            (OnChildFailure::Fail, _) => result.as_str().to_owned(),
            (OnChildFailure::Collect, true) => format!("{{\"Ok\":{}}}", result.as_str()),
            (OnChildFailure::Collect, false) => {
                let known = child.known.as_ref();
                let failure = ChildFailure {
                    task: known.map(|known| known.uuid),
                    state: known.map(|known| known.state.to_string()),
                    cause: known.and_then(|known| known.cause.clone()),
                };
                format!("{{\"Err\":{}}}", serde_json::to_string(&failure).unwrap_or_default())
            }
        }
    };
    let texts: Vec<String> = children.iter().map(text).collect();
    let result = match (&config.input, &*texts) {
        (ChildInput::One(_), [text, ..]) => Json::stored(text),
        (ChildInput::One(_), []) => Json::null(),
        (ChildInput::Each(_), texts) => Json::stored(&format!("[{}]", texts.join(","))),
    };
    WaitEnd::Result(result, 0)
}

fn failure(wanted: &Wanted, failed: &[&Child]) -> StepError {
    let run = &wanted.run;
    let named = failed.iter().take(MOST_NAMED).map(|child| match &child.known {
        Some(Known { uuid, state, cause, .. }) => {
            let cause = cause.as_ref().map(|cause| format!(", {cause}")).unwrap_or_default();
            format!("{uuid} ({state}{cause})")
        }
        None => "one that is gone".to_owned(),
    });
    let mut named: Vec<String> = named.collect();
    if failed.len() > MOST_NAMED {
        named.push(format!("{} more", failed.len() - MOST_NAMED));
    }
    let count = match (failed.len(), wanted.contexts.len()) {
        (_, 1) => format!("the task of `{run}` did not complete"),
        (failed, count) => format!("{failed} of {count} tasks of `{run}` did not complete"),
    };
    StepError::permanent("CHILD_FAILED", format!("{count}: {}", named.join("; ")))
}
