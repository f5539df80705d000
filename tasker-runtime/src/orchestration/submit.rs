//! Adds tasks. Once this returns they are durable: a crash afterwards loses none of them.
//!
//! Tasks with an idempotency key go by statements of their own, because a key that another transaction is about
//! to use has to be waited for.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::turns::{self, Link, Turn};
use crate::{
    model::{Json, TaskNo, Timestamp, WorkerId},
    store::{CallerTransaction, Column, Connection, Error, Result, Row, Rows, Value, sql, values},
    template::{OnConflict, Template},
};

/// A task to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub uuid: Uuid,
    pub correlation_id: Uuid,
    /// The number of the template's content, which the task stays with.
    pub template: i64,
    pub context: Json,
    pub tags: Option<Json>,
    pub created_at: Timestamp,
    /// Not before this.
    pub run_at: Timestamp,
    /// Higher goes first.
    pub priority: i16,
    pub queue: String,
    /// What it waits for besides its time, one after the other.
    pub turns: Vec<Turn>,
}

impl NewTask {
    /// When its place in the queue is due: never by itself, where it waits for a turn.
    fn queued_at(&self) -> Timestamp {
        if self.turns.is_empty() { self.run_at } else { Timestamp::NEVER }
    }
}

/// An idempotency key, which belongs to a template, and the digest of the input it is used with.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub namespace: String,
    pub template: String,
    pub key: String,
    pub digest: String,
}

impl Key {
    pub(crate) fn new(template: &Template, key: String, context: &Json) -> Self {
        Self {
            namespace: template.namespace().to_owned(),
            template: template.name().to_owned(),
            key,
            digest: super::templates::digest(&context.canonical()),
        }
    }

    fn name(&self) -> (&str, &str, &str) {
        (&self.namespace, &self.template, &self.key)
    }
}

/// A task to be added, and the key that makes adding it idempotent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub task: NewTask,
    pub key: Option<Key>,
}

impl Request {
    /// Whether tasks that stand in its way are cancelled.
    pub(crate) fn cancels(&self) -> bool {
        self.task.turns.iter().any(|turn| turn.on_conflict == OnConflict::CancelRunning)
    }
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is a task now, and with `held` the worker's that was named.
    New { task: TaskNo, held: bool },
    /// Its key was used before.
    Used { task: Uuid, same_input: bool },
    /// As many tasks run as may, and this is one of them.
    Skipped { task: Uuid },
}

/// Who holds tasks from the moment they are added, under epoch 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    pub worker: WorkerId,
    /// Of each task, whether it is held.
    pub holds: &'a [bool],
}

/// How long one who adds tasks waits for another transaction that is about to use one of their keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Then it is refused, and nothing is written: others wait for the same commit.
    Short,
    /// Until that transaction ends.
    Endless,
}

/// Adds one task without a key, which nobody holds.
pub(crate) async fn submit_one(connection: &mut Connection, task: &NewTask) -> Result<Added> {
    let mut added = submit(connection, &[task], None).await?;
    added.pop().ok_or_else(not_added)
}

/// Adds tasks without keys, all or none.
pub(crate) async fn submit(
    connection: &mut Connection,
    tasks: &[&NewTask],
    holder: Option<Holder<'_>>,
) -> Result<Vec<Added>> {
    let rows = rows(tasks, holder);
    let rows = connection.script(&sql::SUBMIT, &[Value::Rows(&rows), worker(holder)]).await?;
    let added = placed(&rows, tasks.len())?.into_iter().collect::<Option<_>>();
    added.ok_or_else(not_added)
}

/// Adds the tasks whose keys were not used before; of many who try at once, one adds.
pub(crate) async fn submit_keyed(
    connection: &mut Connection,
    requests: &[(&NewTask, &Key)],
    holder: Option<Holder<'_>>,
    patience: Patience,
) -> Result<Vec<Added>> {
    let rows = keyed_rows(requests, holder);
    let values = [Value::Rows(&rows), worker(holder), Value::Text(patience.limit())];
    let added = connection.script(&sql::SUBMIT_KEYED, &values).await?;
    with_used(connection, requests, &added).await
}

/// Adds tasks with and without keys, all or none: where a key was used before with another input, the answer
/// says so and nothing is added.
pub(crate) async fn submit_all(
    connection: &mut Connection,
    requests: &[Request],
    holder: Option<Holder<'_>>,
) -> Result<Vec<Added>> {
    if requests.iter().all(|request| request.key.is_none() && request.task.turns.is_empty()) {
        let tasks: Vec<&NewTask> = requests.iter().map(|request| &request.task).collect();
        return submit(connection, &tasks, holder).await;
    }
    connection.begin().await?;
    let added = add_in(connection, requests, holder).await;
    let refused = |added: &Added| matches!(added, Added::Used { same_input: false, .. });
    match added {
        Ok(added) if !added.iter().any(refused) => connection.commit().await.map(|()| added),
        added => {
            connection.roll_back().await;
            added
        }
    }
}

/// Adds tasks with and without keys in the transaction that is open.
pub(crate) async fn submit_in_transaction(
    connection: &mut Connection,
    requests: &[Request],
) -> Result<Vec<Added>> {
    if requests.is_empty() { Ok(Vec::new()) } else { add_in(connection, requests, None).await }
}

/// Adds tasks in the transaction that is open, those that wait for a turn among them.
async fn add_in(
    connection: &mut Connection,
    requests: &[Request],
    holder: Option<Holder<'_>>,
) -> Result<Vec<Added>> {
    if requests.iter().all(|request| request.task.turns.is_empty()) {
        return submit_mixed(connection, requests, holder).await;
    }
    // Who waits is held by nobody.
    lined_up(connection, requests, async |connection, requests| {
        submit_mixed(connection, requests, None).await
    })
    .await
}

/// Adds tasks of which some wait for a turn, in a transaction of their own.
pub(crate) async fn submit_in_line(connection: &mut Connection, requests: &[Request]) -> Result<Vec<Added>> {
    connection.transaction(async |connection| submit_in_transaction(connection, requests).await).await
}

/// Leaves out the tasks that a limit says to skip, with one of those that run in their place, and lines up the others
/// once `add` has added them.
async fn lined_up<L: Link>(
    link: &mut L,
    requests: &[Request],
    add: impl AsyncFnOnce(&mut L, &[Request]) -> Result<Vec<Added>>,
) -> Result<Vec<Added>> {
    let skipped = skipped(link, requests).await?;
    let wanted: Vec<Request> = requests
        .iter()
        .zip(&skipped)
        .filter(|(_, skipped)| skipped.is_none())
        .map(|(request, _)| request.clone())
        .collect();
    let added = if wanted.is_empty() { Vec::new() } else { add(link, &wanted).await? };
    let tasks = wanted.iter().map(|request| &request.task).zip(added.iter().copied());
    turns::line_up(link, &tasks.collect::<Vec<_>>()).await?;
    let (mut added, mut answers) = (added.into_iter(), Vec::with_capacity(requests.len()));
    for (request, skipped) in requests.iter().zip(skipped) {
        answers.push(match (skipped, &request.key) {
            (None, _) => added.next().ok_or_else(not_added)?,
            (Some(task), None) => Added::Skipped { task },
            // One that was added before stays the answer.
            (Some(task), Some(key)) => {
                let (namespace, template, name) = key.name();
                let rows = link.ask(&sql::FIND_KEY, values![namespace, template, name]).await?;
                match rows.first() {
                    Some(row) => Added::Used { task: row.uuid(0)?, same_input: row.text(1)? == key.digest },
                    None => Added::Skipped { task },
                }
            }
        });
    }
    Ok(answers)
}

/// Of each request, the task that runs in its place, where a limit says that it is to be skipped.
async fn skipped(link: &mut impl Link, requests: &[Request]) -> Result<Vec<Option<Uuid>>> {
    let skips = |turn: &&Turn| turn.on_conflict == OnConflict::Skip;
    let turns = requests.iter().flat_map(|request| &request.task.turns);
    // All of them before anything is added, so that nobody waits for a line while others wait for what was added.
    turns::lock(link, turns.clone().map(|turn| &*turn.key).collect()).await?;
    let keys: BTreeSet<&str> = turns.filter(skips).map(|turn| &*turn.key).collect();
    if keys.is_empty() {
        return Ok(vec![None; requests.len()]);
    }
    let mut taken = turns::taken(link, keys).await?;
    let mut answer = Vec::with_capacity(requests.len());
    for Request { task, .. } in requests {
        let full = task.turns.iter().filter(skips).find_map(|turn| {
            let of_key = taken.get(&turn.key).filter(|of_key| of_key.len() >= turn.most as usize)?;
            of_key.first().copied()
        });
        if full.is_none() {
            for turn in task.turns.iter().filter(skips) {
                taken.entry(turn.key.clone()).or_default().push(task.uuid);
            }
        }
        answer.push(full);
    }
    Ok(answer)
}

async fn submit_mixed(
    connection: &mut Connection,
    requests: &[Request],
    holder: Option<Holder<'_>>,
) -> Result<Vec<Added>> {
    let (mut plain, mut keyed) = ((Vec::new(), Vec::new(), Vec::new()), (Vec::new(), Vec::new(), Vec::new()));
    for (place, Request { task, key }) in requests.iter().enumerate() {
        let holds = holder.is_some_and(|holder| holder.holds.get(place).copied().unwrap_or(false));
        match key {
            None => {
                plain.0.push(place);
                plain.1.push(task);
                plain.2.push(holds);
            }
            Some(key) => {
                keyed.0.push(place);
                keyed.1.push((task, key));
                keyed.2.push(holds);
            }
        }
    }
    let holder = |holds| holder.map(|holder| Holder { worker: holder.worker, holds });
    let mut places: Vec<(usize, Added)> = Vec::with_capacity(requests.len());
    if !plain.0.is_empty() {
        let holder = holder(&*plain.2);
        let rows = rows(&plain.1, holder);
        let rows = connection.fetch(&sql::SUBMIT_IN, &[Value::Rows(&rows), worker(holder)]).await?;
        let added = placed(&rows, plain.0.len())?;
        places.extend(plain.0.into_iter().zip(added).filter_map(|(place, added)| Some((place, added?))));
    }
    let holder = holder(&*keyed.2);
    let rows = keyed_rows(&keyed.1, holder);
    let values = [Value::Rows(&rows), worker(holder), Value::Text(Patience::Endless.limit())];
    let added = connection.fetch(&sql::SUBMIT_KEYED_IN, &values).await?;
    let added = with_used(connection, &keyed.1, &added).await?;
    places.extend(keyed.0.into_iter().zip(added));
    places.sort_unstable_by_key(|(place, _)| *place);
    Ok(places.into_iter().map(|(_, added)| added).collect())
}

/// Adds a task in a transaction of the caller's own: it is there when, and only when, that commits.
pub(crate) async fn submit_in(transaction: &mut CallerTransaction<'_>, request: &Request) -> Result<Added> {
    if request.task.turns.is_empty() {
        return add_alone(transaction, request).await;
    }
    let add = async |transaction: &mut CallerTransaction<'_>, requests: &[Request]| {
        let mut added = Vec::with_capacity(requests.len());
        for request in requests {
            added.push(add_alone(transaction, request).await?);
        }
        Ok(added)
    };
    let mut added = lined_up(transaction, std::slice::from_ref(request), add).await?;
    added.pop().ok_or_else(not_added)
}

async fn add_alone(
    transaction: &mut CallerTransaction<'_>,
    Request { task, key }: &Request,
) -> Result<Added> {
    if let Some(key) = key {
        let (namespace, template, name) = key.name();
        let created = task.created_at.as_micros();
        let values = values![namespace, template, name, task.uuid, &*key.digest, created];
        if transaction.fetch(&sql::ADD_KEY, values).await?.is_empty() {
            let row = transaction.fetch(&sql::FIND_KEY, values![namespace, template, name]).await?;
            let Some(row) = row.first() else { return Err(vanished(key)) };
            return Ok(Added::Used { task: row.uuid(0)?, same_input: row.text(1)? == key.digest });
        }
    }
    let rows = rows(&[task], None);
    let rows = transaction.fetch(&sql::SUBMIT_IN, &[Value::Rows(&rows), Value::MaybeInt(None)]).await?;
    placed(&rows, 1)?.pop().flatten().ok_or_else(not_added)
}

impl Patience {
    /// Whether it has an end.
    pub(crate) const fn is_short(self) -> bool {
        matches!(self, Self::Short)
    }

    /// As PostgreSQL takes it.
    const fn limit(self) -> &'static str {
        match self {
            Self::Short => "100ms",
            Self::Endless => "0",
        }
    }
}

/// What was added, and of the others what their keys were used for.
async fn with_used(
    connection: &mut Connection,
    requests: &[(&NewTask, &Key)],
    rows: &[Row],
) -> Result<Vec<Added>> {
    let added = placed(rows, requests.len())?;
    let missing = requests.iter().zip(&added).filter(|(_, added)| added.is_none());
    let missing: BTreeSet<_> = missing.map(|((_, key), _)| key.name()).collect();
    let mut used = HashMap::new();
    if !missing.is_empty() {
        let column = |of: fn(&(&str, &str, &str)) -> String| Column::Text(missing.iter().map(of).collect());
        let names = Rows::new(vec![
            column(|key| key.0.to_owned()),
            column(|key| key.1.to_owned()),
            column(|key| key.2.to_owned()),
        ]);
        for row in connection.fetch(&sql::FIND_KEYS, &[Value::Rows(&names)]).await? {
            let name = (row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.text(2)?.to_owned());
            used.insert(name, (row.uuid(3)?, row.text(4)?.to_owned()));
        }
    }
    let found = |key: &Key| {
        let name = (key.namespace.clone(), key.template.clone(), key.key.clone());
        let (task, digest) = used.get(&name).ok_or_else(|| vanished(key))?;
        Ok(Added::Used { task: *task, same_input: *digest == key.digest })
    };
    requests.iter().zip(added).map(|((_, key), added)| added.map_or_else(|| found(key), Ok)).collect()
}

/// A key was used a moment ago and is not there any more.
fn vanished(key: &Key) -> Error {
    Error::Corrupt { what: format!("the idempotency key `{}` was removed while it was looked up", key.key) }
}

fn not_added() -> Error {
    Error::Corrupt { what: "a task was not added, and nobody said why".to_owned() }
}

/// What was added, each in its place, from rows of the place, the number and whether it is held.
fn placed(rows: &[Row], count: usize) -> Result<Vec<Option<Added>>> {
    let mut added = vec![None; count];
    for row in rows {
        let place = usize::try_from(row.int(0)?).ok().and_then(|place| added.get_mut(place));
        let unknown = || Error::Corrupt { what: "a task was added that nobody asked for".to_owned() };
        *place.ok_or_else(unknown)? = Some(Added::New { task: TaskNo(row.int(1)?), held: row.int(2)? != 0 });
    }
    Ok(added)
}

fn worker(holder: Option<Holder<'_>>) -> Value<'static> {
    Value::MaybeInt(holder.map(|holder| holder.worker.0))
}

fn columns(tasks: &[&NewTask], holder: Option<Holder<'_>>) -> Vec<Column> {
    let holds = |place: usize| holder.is_some_and(|holder| holder.holds.get(place).copied().unwrap_or(false));
    vec![
        Column::Uuid(tasks.iter().map(|t| t.uuid).collect()),
        Column::Uuid(tasks.iter().map(|t| t.correlation_id).collect()),
        Column::Int(tasks.iter().map(|t| t.template).collect()),
        Column::Json(tasks.iter().map(|t| t.context.clone()).collect()),
        Column::MaybeText(
            tasks.iter().map(|t| t.tags.as_ref().map(|tags| tags.as_str().to_owned())).collect(),
        ),
        Column::Int(tasks.iter().map(|t| t.created_at.as_micros()).collect()),
        Column::Int(tasks.iter().map(|t| t.queued_at().as_micros()).collect()),
        Column::Int(tasks.iter().map(|t| i64::from(t.priority)).collect()),
        Column::Text(tasks.iter().map(|t| t.queue.clone()).collect()),
        Column::Int((0..tasks.len()).map(|place| i64::from(holds(place))).collect()),
    ]
}

fn rows(tasks: &[&NewTask], holder: Option<Holder<'_>>) -> Rows {
    Rows::new(columns(tasks, holder))
}

fn keyed_rows(requests: &[(&NewTask, &Key)], holder: Option<Holder<'_>>) -> Rows {
    let tasks: Vec<&NewTask> = requests.iter().map(|(task, _)| *task).collect();
    let mut columns = columns(&tasks, holder);
    let text =
        |of: fn(&Key) -> &String| Column::Text(requests.iter().map(|(_, key)| of(key).clone()).collect());
    columns.extend([
        text(|key| &key.namespace),
        text(|key| &key.template),
        text(|key| &key.key),
        text(|key| &key.digest),
    ]);
    Rows::new(columns)
}
