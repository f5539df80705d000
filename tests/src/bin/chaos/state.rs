//! What is in the database at the end, read by plain SQL and nothing of the engine's.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use tasker_runtime::model::Timestamp;
use uuid::Uuid;

use super::{Outcome, database::Database, ledger::Micros};

/// A task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) uuid: Uuid,
    pub(crate) workflow: String,
    /// The number of the submission, from its context; of a task that started by itself, that of its schedule.
    pub(crate) number: u64,
    pub(crate) tick: Option<Tick>,
    /// Another task started it.
    pub(crate) is_child: bool,
    /// As `runs.state` has it.
    pub(crate) state: i64,
    pub(crate) finished_at: Option<Micros>,
    /// How often it was taken from the queue.
    pub(crate) lease: i64,
    /// Who holds it, since when, what it waits for: for people.
    pub(crate) about: String,
}

/// A recorded result.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) attempt: u32,
    pub(crate) worker: i64,
    pub(crate) kind: i64,
    pub(crate) finished_at: Micros,
    pub(crate) result: String,
}

/// A recorded failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    pub(crate) attempt: u32,
    /// Whether no attempt was to follow.
    pub(crate) for_good: bool,
}

/// How far a batch got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) cursor: u64,
    /// The execution that saved it.
    pub(crate) by: u64,
}

/// A process as a worker.
#[derive(Clone, Debug)]
pub(crate) struct Tenure {
    pub(crate) pid: u32,
    pub(crate) started_at: Micros,
    pub(crate) stopped_at: Option<Micros>,
}

/// What started a task by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    /// The schedule.
    pub(crate) schedule: String,
    /// The second since 1970 that the context has.
    pub(crate) second: i64,
}

/// A task that another one started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Child {
    pub(crate) item: u64,
    pub(crate) attempt: u32,
    pub(crate) task: i64,
    pub(crate) ended: bool,
}

/// A schedule, how far it came.
#[derive(Clone, Debug)]
pub(crate) struct Ticking {
    pub(crate) created_at: Micros,
    pub(crate) last_at: Option<Micros>,
    pub(crate) next_at: Option<Micros>,
}

/// An event in the log.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) sequence: u32,
    pub(crate) step: i64,
    pub(crate) attempt: u32,
    pub(crate) name: String,
    pub(crate) payload: serde_json::Value,
}

impl Logged {
    /// Step, attempt, name and what it says.
    pub(crate) fn told(&self) -> (i64, u32, String, String) {
        (self.step, self.attempt, self.name.clone(), self.payload.to_string())
    }
}

/// The whole of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// By number.
    pub(crate) tasks: BTreeMap<i64, Task>,
    /// By task and number of the step, the batch or the compensation.
    pub(crate) results: HashMap<(i64, i64), Recorded>,
    /// The attempts that failed, likewise.
    pub(crate) failures: HashMap<(i64, i64), Vec<Failure>>,
    /// When the next attempt was to follow these, by task, number and attempt.
    pub(crate) retries: HashMap<(i64, i64, u32), Micros>,
    /// The workers that recorded these.
    pub(crate) failed_by: HashMap<(i64, i64, u32), i64>,
    /// The checkpoints of batches, likewise.
    pub(crate) checkpoints: HashMap<(i64, i64), Kept>,
    /// By number.
    pub(crate) workers: HashMap<i64, Tenure>,
    /// The events of each task, in their order.
    pub(crate) events: HashMap<i64, Vec<Logged>>,
    /// How many signals there are of each task.
    pub(crate) signals: HashMap<i64, u32>,
    /// The tasks that each task started: which of them, in which attempt of its step, and whether it was told of the end.
    pub(crate) children: HashMap<i64, Vec<Child>>,
    /// By name.
    pub(crate) schedules: BTreeMap<String, Ticking>,
    /// The tasks of idempotency keys.
    pub(crate) keys: Vec<Uuid>,
    /// Rows that should not be there, for people.
    pub(crate) stray: Vec<String>,
}

/// The state of a task that is complete.
pub(crate) const COMPLETE: i64 = 10;

/// The state of a task that failed.
pub(crate) const FAILED: i64 = 11;

/// The state of a task that was rolled back.
pub(crate) const COMPENSATED: i64 = 13;

/// A row whose columns are read by place.
struct Row(Vec<Option<String>>);

impl Row {
    fn text(&self, column: usize) -> &str {
        self.0.get(column).and_then(Option::as_deref).unwrap_or_default()
    }

    fn get<T: FromStr>(&self, column: usize) -> Outcome<T> {
        let text = self.text(column);
        text.parse().map_err(|_| format!("column {column} of a row holds `{text}`").into())
    }

    fn maybe<T: FromStr>(&self, column: usize) -> Outcome<Option<T>> {
        self.0.get(column).is_some_and(Option::is_some).then(|| self.get(column)).transpose()
    }
}

async fn rows(database: &Database, columns: &[&str], from: &str) -> Outcome<Vec<Row>> {
    let columns: Vec<String> = columns.iter().map(|column| format!("cast({column} as text)")).collect();
    let rows = database.rows(&format!("select {} from {from}", columns.join(", "))).await?;
    Ok(rows.into_iter().map(Row).collect())
}

/// What started a task with this context by itself.
fn tick_of(context: &serde_json::Value) -> Outcome<Option<Tick>> {
    let (Some(schedule), Some(at)) = (context["schedule"].as_str(), context["tick"].as_str()) else {
        return Ok(None);
    };
    let at: Timestamp = serde_json::from_value(at.into())?;
    Ok(Some(Tick { schedule: schedule.to_owned(), second: at.as_micros() / 1_000_000 }))
}

/// Reads everything.
pub(crate) async fn read(database: &Database) -> Outcome<State> {
    let mut state = State::default();
    let columns = [
        "t.id",
        "t.uuid",
        "p.name",
        "t.context",
        "r.state",
        "r.finished_at",
        "r.owner",
        "r.lease",
        "r.run_at",
        "r.takeovers",
        "r.cause",
    ];
    let from = "tasker.tasks t left join tasker.runs r on r.task_id = t.id \
                left join tasker.templates p on p.id = t.template_id";
    for row in rows(database, &columns, from).await? {
        let context: serde_json::Value = serde_json::from_str(row.text(3))?;
        let about = format!(
            "state {}, owner {}, lease {}, due {}, takeovers {}, cause `{}`",
            row.text(4),
            row.text(6),
            row.text(7),
            row.text(8),
            row.text(9),
            row.text(10)
        );
        let task = Task {
            uuid: row.get(1)?,
            workflow: row.text(2).to_owned(),
            number: context["n"].as_u64().unwrap_or_default(),
            tick: tick_of(&context)?,
            is_child: context["child"].is_u64(),
            state: row.maybe(4)?.unwrap_or(-1),
            finished_at: row.maybe(5)?,
            lease: row.maybe(7)?.unwrap_or_default(),
            about,
        };
        state.tasks.insert(row.get(0)?, task);
    }
    let columns = ["task_id", "step", "attempt", "worker", "kind", "result", "finished_at"];
    for row in rows(database, &columns, "tasker.steps").await? {
        let recorded = Recorded {
            attempt: row.get(2)?,
            worker: row.get(3)?,
            kind: row.get(4)?,
            finished_at: row.get(6)?,
            result: row.text(5).to_owned(),
        };
        if state.results.insert((row.get(0)?, row.get(1)?), recorded).is_some() {
            state.stray.push(format!("a second result of step {} of task {}", row.text(1), row.text(0)));
        }
    }
    for row in
        rows(database, &["task_id", "step", "attempt", "retry_at", "worker", "error"], "tasker.attempts")
            .await?
    {
        let failure = Failure { attempt: row.get(2)?, for_good: row.maybe::<Micros>(3)?.is_none() };
        if let Some(at) = row.maybe(3)? {
            state.retries.insert((row.get(0)?, row.get(1)?, failure.attempt), at);
        }
        if row.text(5).starts_with("{\"round\":") {
            // No failure: it ended a round.
            continue;
        }
        state.failed_by.insert((row.get(0)?, row.get(1)?, failure.attempt), row.get(4)?);
        state.failures.entry((row.get(0)?, row.get(1)?)).or_default().push(failure);
    }
    for row in rows(database, &["task_id", "step", "cursor", "partial"], "tasker.checkpoints").await? {
        let kept = Kept { cursor: row.get(2)?, by: row.get(3)? };
        state.checkpoints.insert((row.get(0)?, row.get(1)?), kept);
    }
    for row in rows(database, &["id", "name", "started_at", "stopped_at"], "tasker.workers").await? {
        let pid = row.text(1).split('@').next().unwrap_or_default().parse()?;
        let tenure = Tenure { pid, started_at: row.get(2)?, stopped_at: row.maybe(3)? };
        state.workers.insert(row.get(0)?, tenure);
    }
    let columns = ["task_id", "seq", "step", "attempt", "name", "payload"];
    for row in rows(database, &columns, "tasker.events").await? {
        let logged = Logged {
            sequence: row.get(1)?,
            step: row.get(2)?,
            attempt: row.get(3)?,
            name: row.text(4).to_owned(),
            payload: serde_json::from_str(row.text(5))?,
        };
        state.events.entry(row.get(0)?).or_default().push(logged);
    }
    state.events.values_mut().for_each(|events| events.sort_by_key(|event| event.sequence));
    for row in rows(database, &["task_id"], "tasker.signals").await? {
        *state.signals.entry(row.get(0)?).or_default() += 1;
    }
    for row in
        rows(database, &["parent_id", "item", "attempt", "child_id", "ended"], "tasker.children").await?
    {
        let ended = row.get::<u8>(4)? > 0;
        let child = Child { item: row.get(1)?, attempt: row.get(2)?, task: row.get(3)?, ended };
        state.children.entry(row.get(0)?).or_default().push(child);
    }
    for row in rows(database, &["name", "created_at", "last_at", "next_at"], "tasker.schedules").await? {
        let ticking = Ticking { created_at: row.get(1)?, last_at: row.maybe(2)?, next_at: row.maybe(3)? };
        state.schedules.insert(row.text(0).to_owned(), ticking);
    }
    for row in rows(database, &["task_uuid"], "tasker.idempotency_keys").await? {
        state.keys.push(row.get(0)?);
    }
    let unresolved = "dead_letters where resolved_at is null";
    for table in [unresolved, "offers", "commands"] {
        for row in rows(database, &["task_id"], &format!("tasker.{table}")).await? {
            state.stray.push(format!("a row in {table} for task {}", row.text(0)));
        }
    }
    Ok(state)
}
