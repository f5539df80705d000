//! Reads tasks for people.

use std::{collections::HashMap, time::Duration};

use uuid::Uuid;

use super::{
    fork::Origin,
    journal::{self, History},
    share::OnOffer,
};
use crate::{
    model::{Json, Start, StepIndex, TaskNo, TaskState, Timestamp, WorkerId},
    store::{Connection, Error, Result, Row, sql, values},
};

/// A task as the store has it.
#[derive(Clone, Debug)]
pub(crate) struct StoredTask {
    pub task: TaskNo,
    pub uuid: Uuid,
    pub template: i64,
    pub correlation_id: Uuid,
    pub created_at: Timestamp,
    pub context: Json,
    pub state: TaskState,
    pub run_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Who holds it, or did when it ended.
    pub owner: Option<i64>,
    pub cause: Option<String>,
    pub queue: String,
    pub priority: i64,
    pub namespace: String,
    pub name: String,
    pub version: String,
    /// Where it comes from, if another task was its model.
    pub origin: Option<Origin>,
    /// Another task started it.
    pub has_parent: bool,
}

/// One line of a list of tasks.
#[derive(Clone, Debug)]
pub(crate) struct TaskLine {
    pub task: TaskNo,
    pub uuid: Uuid,
    pub created_at: Timestamp,
    pub state: TaskState,
    pub run_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub cause: Option<String>,
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub queue: String,
    pub priority: i64,
    pub correlation_id: Uuid,
    /// Who holds it, or did when it ended.
    pub owner: Option<i64>,
    /// The number of the template it started with.
    pub template: i64,
}

/// The task and everything recorded about it.
pub(crate) async fn find(connection: &mut Connection, uuid: Uuid) -> Result<Option<(StoredTask, History)>> {
    let Some(row) = connection.fetch_first(&sql::FIND_TASK, values![uuid]).await? else { return Ok(None) };
    let task = stored(&row)?;
    let mut history = journal::of(connection, task.task).await?;
    history.start = Start { at: task.created_at, context: Some(task.context.clone()) };
    Ok(Some((task, history)))
}

/// The context of a task.
pub(crate) async fn context(connection: &mut Connection, task: TaskNo) -> Result<Option<Json>> {
    let row = connection.fetch_first(&sql::TASK_DATA, values![vec![task.0]]).await?;
    row.map(|row| row.json(5, "tasks.context")).transpose()
}

/// The number of the template the task started with; `None` when there is no such task.
pub(crate) async fn template(connection: &mut Connection, uuid: Uuid) -> Result<Option<i64>> {
    let row = connection.fetch_first(&sql::FIND_TASK, values![uuid]).await?;
    row.map(|row| row.int(2)).transpose()
}

/// The template a task started with.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    /// Its number.
    pub template: i64,
    /// Namespace, name and version, as far as it is kept.
    pub name: String,
}

/// The template the task started with, whether it is kept or not; `None` when there is no such task.
pub(crate) async fn pinned(connection: &mut Connection, uuid: Uuid) -> Result<Option<Pinned>> {
    let row = connection.fetch_first(&sql::PINNED_TEMPLATE, values![uuid]).await?;
    row.map(|row| {
        let (template, namespace) = (row.int(0)?, row.maybe_text(1)?);
        let name = match namespace {
            Some(namespace) => format!("{namespace}/{} {}", row.text(2)?, row.text(3)?),
            None => format!("number {template}"),
        };
        Ok(Pinned { template, name })
    })
    .transpose()
}

/// The namespace of the template of a task; `None` when there is no such task, or its template is kept no longer.
pub(crate) async fn namespace(connection: &mut Connection, uuid: Uuid) -> Result<Option<String>> {
    let row = connection.fetch_first(&sql::PINNED_TEMPLATE, values![uuid]).await?;
    row.map_or(Ok(None), |row| Ok(row.maybe_text(1)?.map(str::to_owned)))
}

/// How far tasks are: a text that is another one whenever something was recorded of a task. Of those that are not there
/// nothing is said.
pub(crate) async fn revisions(connection: &mut Connection, tasks: &[Uuid]) -> Result<HashMap<Uuid, String>> {
    let wanted: Vec<String> = tasks.iter().map(ToString::to_string).collect();
    let rows = connection.fetch(&sql::REVISIONS, values![wanted]).await?;
    let read = |row: &Row| {
        let parts: Result<Vec<Option<i64>>> = (1..7).map(|column| row.maybe_int(column)).collect();
        Ok((row.uuid(0)?, format!("{:?}", parts?)))
    };
    rows.iter().map(read).collect()
}

/// The queue of a task; `None` when there is no such task.
pub(crate) async fn queue(connection: &mut Connection, uuid: Uuid) -> Result<Option<String>> {
    let row = connection.fetch_first(&sql::FIND_TASK, values![uuid]).await?;
    row.map(|row| row.text(12).map(str::to_owned)).transpose()
}

/// Which worker made the last attempt at each step of `task` that was attempted.
pub(crate) async fn workers(
    connection: &mut Connection,
    task: TaskNo,
) -> Result<HashMap<StepIndex, WorkerId>> {
    let mut workers = HashMap::new();
    for row in connection.fetch(&sql::STEP_WORKERS, values![task.0]).await? {
        workers.insert(row.step(0, "steps.step")?, WorkerId(row.int(2)?));
    }
    Ok(workers)
}

/// A task that was set aside.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub uuid: Uuid,
    pub namespace: String,
    pub name: String,
    pub since: Timestamp,
    pub reason: String,
}

/// The tasks that were set aside and not taken up since, newest first.
pub(crate) async fn dead_letters(connection: &mut Connection, limit: usize) -> Result<Vec<DeadLetter>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection.fetch(&sql::DEAD_LETTERS, values![limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(DeadLetter {
                uuid: row.uuid(0)?,
                namespace: row.text(1)?.to_owned(),
                name: row.text(2)?.to_owned(),
                since: Timestamp::from_micros(row.int(3)?),
                reason: row.text(4)?.to_owned(),
            })
        })
        .collect()
}

/// Where a task stands, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The number of the template the task started with.
    pub template: i64,
    pub state: TaskState,
    pub cause: Option<String>,
    /// Of the steps that were asked about, those that have results; empty until the task is complete.
    pub results: Vec<(StepIndex, Json)>,
}

/// Where a task stands and, once it is complete, the results of `steps`; `None` when there is no such task.
pub(crate) async fn standing(
    connection: &mut Connection,
    uuid: Uuid,
    steps: &[StepIndex],
) -> Result<Option<Standing>> {
    let steps: Vec<i64> = steps.iter().map(|step| i64::from(step.code())).collect();
    let complete = i64::from(TaskState::Complete.code());
    let rows = connection.fetch(&sql::OUTCOME, values![uuid, steps, complete]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut standing = Standing {
        template: first.int(0)?,
        state: first.state(1, 5)?,
        cause: first.maybe_text(2)?.map(str::to_owned),
        results: Vec::with_capacity(rows.len()),
    };
    for row in &rows {
        if row.maybe_int(3)?.is_some() {
            standing.results.push((row.step(3, "steps.step")?, row.json(4, "steps.result")?));
        }
    }
    Ok(Some(standing))
}

/// Which tasks are wanted; where nothing is said, all are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub state: Option<TaskState>,
    pub namespace: Option<String>,
    pub template: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub correlation_id: Option<Uuid>,
    /// With a step that has no result and whose last attempt failed with this code.
    pub error: Option<String>,
    /// Not over.
    pub open: bool,
}

/// At most `limit` of those that are wanted among the `window` tasks before the task `before`, newest first.
pub(crate) async fn list(
    connection: &mut Connection,
    wanted: &Wanted,
    before: TaskNo,
    window: i64,
    limit: usize,
) -> Result<Vec<TaskLine>> {
    let correlation_id = wanted.correlation_id.map(|id| id.to_string());
    let phases = wanted.state.map(TaskState::phases);
    let code = |state: TaskState| i64::from(state.code());
    let values = values![
        before.0,
        window,
        phases.map(|(from, ..)| code(from)),
        wanted.namespace.as_deref(),
        wanted.template.as_deref(),
        wanted.since.map(Timestamp::as_micros),
        wanted.until.map(Timestamp::as_micros),
        correlation_id.as_deref(),
        i64::try_from(limit).unwrap_or(i64::MAX),
        phases.map(|(_, to, _)| code(to)),
        phases.and_then(|(.., held)| held.map(i64::from)),
        wanted.error.as_deref(),
        i64::from(wanted.open)
    ];
    let rows = connection.fetch(&sql::LIST_TASKS, values).await?;
    rows.iter().map(line).collect()
}

/// The last of the `window` tasks before the task `before`, and when the latest of them was submitted; `None` when
/// there is none.
pub(crate) async fn edge(
    connection: &mut Connection,
    before: TaskNo,
    window: i64,
) -> Result<Option<(TaskNo, Timestamp)>> {
    let row = connection.fetch_first(&sql::LIST_EDGE, values![before.0, window]).await?;
    let Some(row) = row else { return Ok(None) };
    let (last, latest) = (row.maybe_int(0)?, row.maybe_int(1)?);
    Ok(last.zip(latest).map(|(last, latest)| (TaskNo(last), Timestamp::from_micros(latest))))
}

/// The clocks of two who submit may differ by so much.
const SKEW: Duration = Duration::from_secs(3_600);

/// A number before which all tasks stand that were submitted before `time`, and of the later ones few. Tasks are
/// numbered about in the order they are submitted in, so that it is found with a look at a few of them.
pub(crate) async fn submitted_before(connection: &mut Connection, time: Timestamp) -> Result<TaskNo> {
    // All before `early` count; before `late` are all that count.
    let (mut early, mut late, mut asked) = (0, i64::MAX, i64::MAX);
    while early < late {
        let row = connection.fetch_first(&sql::LAST_TASK, values![asked]).await?;
        match row {
            Some(row) if row.int(1)? >= (time + SKEW).as_micros() => late = row.int(0)?,
            Some(_) | None if asked == i64::MAX => break,
            Some(_) | None => early = asked + 1,
        }
        asked = early + (late - early) / 2;
    }
    Ok(TaskNo(late))
}

/// The task that was submitted with this idempotency key.
pub(crate) async fn of_key(
    connection: &mut Connection,
    namespace: &str,
    template: &str,
    key: &str,
) -> Result<Option<TaskNo>> {
    let used = connection.fetch_first(&sql::FIND_KEY, values![namespace, template, key]).await?;
    let Some(used) = used else { return Ok(None) };
    let task = connection.fetch_first(&sql::TASK_NUMBER, values![used.uuid(0)?]).await?;
    task.map(|row| row.int(0).map(TaskNo)).transpose()
}

/// What is on offer of `tasks`, with one question for all.
pub(crate) async fn offers_of(
    connection: &mut Connection,
    tasks: &[TaskNo],
) -> Result<HashMap<TaskNo, Vec<OnOffer>>> {
    let mut offers: HashMap<TaskNo, Vec<OnOffer>> = HashMap::new();
    if tasks.is_empty() {
        return Ok(offers);
    }
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    for row in connection.fetch(&sql::OFFERS_OF, values![numbers]).await? {
        offers.entry(TaskNo(row.int(0)?)).or_default().push(OnOffer {
            step: row.step(1, "offers.step")?,
            handler: row.text(2)?.to_owned(),
            since: Timestamp::from_micros(row.int(3)?),
            taken: row.maybe_int(4)?.is_some(),
        });
    }
    Ok(offers)
}

fn line(row: &Row) -> Result<TaskLine> {
    Ok(TaskLine {
        task: TaskNo(row.int(0)?),
        uuid: row.uuid(1)?,
        created_at: Timestamp::from_micros(row.int(2)?),
        state: row.state(3, 13)?,
        run_at: Timestamp::from_micros(row.int(4)?),
        finished_at: row.maybe_int(5)?.map(Timestamp::from_micros),
        cause: row.maybe_text(6)?.map(str::to_owned),
        namespace: row.text(7)?.to_owned(),
        name: row.text(8)?.to_owned(),
        version: row.text(9)?.to_owned(),
        queue: row.text(10)?.to_owned(),
        priority: row.int(11)?,
        correlation_id: row.uuid(12)?,
        owner: row.maybe_int(13)?,
        template: row.int(14)?,
    })
}

fn stored(row: &Row) -> Result<StoredTask> {
    Ok(StoredTask {
        task: TaskNo(row.int(0)?),
        uuid: row.uuid(1)?,
        template: row.int(2)?,
        correlation_id: row.uuid(3)?,
        created_at: Timestamp::from_micros(row.int(4)?),
        context: row.json(5, "tasks.context")?,
        state: row.state(6, 8)?,
        run_at: Timestamp::from_micros(row.int(7)?),
        finished_at: row.maybe_int(10)?.map(Timestamp::from_micros),
        owner: row.maybe_int(8)?,
        cause: row.maybe_text(11)?.map(str::to_owned),
        queue: row.text(12)?.to_owned(),
        priority: row.int(13)?,
        namespace: row.text(14)?.to_owned(),
        name: row.text(15)?.to_owned(),
        version: row.text(16)?.to_owned(),
        origin: row.maybe_text(17)?.map(origin).transpose()?,
        has_parent: row.maybe_int(18)?.is_some(),
    })
}

fn origin(text: &str) -> Result<Origin> {
    serde_json::from_str(text)
        .map_err(|problem| Error::corrupt("tasks.origin", "text", format!("is not an origin: {problem}")))
}

/// The number of a task; `None` when there is no such task.
pub(crate) async fn number(connection: &mut Connection, task: Uuid) -> Result<Option<TaskNo>> {
    let row = connection.fetch_first(&sql::TASK_NUMBER, values![task]).await?;
    row.map(|row| row.int(0).map(TaskNo)).transpose()
}
