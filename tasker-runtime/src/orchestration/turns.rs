//! The turns of tasks whose template limits how many run at once.
//!
//! Such a task is added with a row for each limit, and is in the queue once it has had its turn of all of them, one after
//! the other. Who has a turn follows from the rows of the tasks themselves: a turn is over when its task is, so a crash
//! between the end of a task and the turn of the next one costs at most the time until somebody looks. The lines of a key
//! are moved by one at a time, who holds its lock.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::submit::{Added, NewTask};
use crate::{
    model::{Command, Json, TaskNo, Timestamp},
    registry::catalog::full_name,
    store::{CallerTransaction, Column, Connection, Result, Row, Rows, Statement, Value, sql, values},
    template::{Concurrency, OnConflict, Template, context_path},
};

/// The turn that a new task needs for one of the limits of its template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The template and the value that is limited.
    pub key: String,
    /// How many tasks of the key may run at once.
    pub most: u32,
    pub on_conflict: OnConflict,
}

/// The longest value that is a key, in bytes.
const LONGEST: usize = 255;

/// Why a context has no key for a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoKey {
    #[error("the context has no `{0}`, by which the template limits how many of its tasks run at once")]
    Missing(String),
    #[error(
        "`{0}`, by which the template limits how many of its tasks run at once, must be text, a number, true or false"
    )]
    NoScalar(String),
    #[error(
        "`{field}`, by which the template limits how many of its tasks run at once, may have at most {LONGEST} bytes, and has {bytes}"
    )]
    TooLong { field: String, bytes: usize },
}

/// The turns that a task with this context needs, in their order.
///
/// # Errors
/// When the context has no key for one of them.
pub(crate) fn of(template: &Template, context: &Json) -> std::result::Result<Vec<Turn>, NoKey> {
    if template.concurrency().is_empty() {
        return Ok(Vec::new());
    }
    let (name, context) = (full_name(template), context.to_value());
    let turn = |limit: &Concurrency| {
        let value = limit.key.as_ref().map(|field| value(&context, field)).transpose()?;
        let key = match (&limit.key, value) {
            (Some(field), Some(value)) => format!("{name} {field} {value}"),
            _ => name.clone(),
        };
        Ok(Turn { key, most: limit.limit, on_conflict: limit.on_conflict })
    };
    template.concurrency().iter().map(turn).collect()
}

/// The value of a field of a context, as text that is the same for the same value.
fn value(context: &serde_json::Value, field: &str) -> std::result::Result<String, NoKey> {
    let path = context_path(field).unwrap_or_default();
    let found = path.iter().try_fold(context, |value, name| value.get(name));
    let (scalar, bytes) = match found {
        None | Some(serde_json::Value::Null) => return Err(NoKey::Missing(field.to_owned())),
        Some(serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
            return Err(NoKey::NoScalar(field.to_owned()));
        }
        Some(serde_json::Value::String(text)) => (found, text.len()),
        Some(_) => (found, 0),
    };
    match bytes {
        // With its quotes, so that `1` and `"1"` are two.
        0..=LONGEST => Ok(scalar.map(ToString::to_string).unwrap_or_default()),
        bytes => Err(NoKey::TooLong { field: field.to_owned(), bytes }),
    }
}

/// What turns are read and written by: a connection, or a transaction of a caller's own.
pub(super) trait Link {
    /// Runs a statement and returns its rows.
    async fn ask(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>>;
}

impl Link for Connection {
    async fn ask(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>> {
        self.fetch(sql, values).await
    }
}

impl Link for CallerTransaction<'_> {
    async fn ask(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>> {
        self.fetch(sql, values).await
    }
}

/// Queues that have work, each with the time from which.
pub(crate) type Due = BTreeMap<String, Timestamp>;

/// Locks the lines of these keys until the transaction ends.
pub(super) async fn lock(link: &mut impl Link, keys: BTreeSet<&str>) -> Result<()> {
    let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
    link.ask(&sql::LOCK_TURNS, values![keys]).await.map(drop)
}

/// The tasks of each key, whose lines are locked, that have their turn.
pub(super) async fn taken(link: &mut impl Link, keys: BTreeSet<&str>) -> Result<BTreeMap<String, Vec<Uuid>>> {
    let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
    let mut taken: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
    for row in link.ask(&sql::TAKEN_TURNS, values![keys]).await? {
        taken.entry(row.text(0)?.to_owned()).or_default().push(row.uuid(1)?);
    }
    Ok(taken)
}

/// Lines up tasks that were just added in the transaction that is open, whose lines are locked, and gives turns to those
/// who are next.
pub(super) async fn line_up(link: &mut impl Link, added: &[(&NewTask, Added)]) -> Result<Due> {
    let (mut rows, mut first) = (Vec::new(), BTreeSet::new());
    for (task, added) in added {
        let Added::New { task: number, .. } = added else { continue };
        supersede(link, task, *number).await?;
        for (slot, turn) in (0_i64..).zip(&task.turns) {
            rows.push((*number, slot, turn, *task));
            if slot == 0 {
                first.insert(turn.key.clone());
            }
        }
    }
    if rows.is_empty() {
        return Ok(Due::new());
    }
    let columns = Rows::new(vec![
        Column::Int(rows.iter().map(|row| row.0.0).collect()),
        Column::Int(rows.iter().map(|row| row.1).collect()),
        Column::Text(rows.iter().map(|row| row.2.key.clone()).collect()),
        Column::Int(rows.iter().map(|row| row.2.most.into()).collect()),
        Column::Int(rows.iter().map(|row| if row.1 == 0 { 0 } else { 2 }).collect()),
        Column::Int(rows.iter().map(|row| row.3.priority.into()).collect()),
        Column::Int(rows.iter().map(|row| row.3.run_at.as_micros()).collect()),
    ]);
    link.ask(&sql::PUT_TURNS, values![&columns]).await?;
    give_locked(link, first).await
}

/// Gives turns to those who are next in the lines of these keys, in the transaction that is open.
async fn give(link: &mut impl Link, keys: BTreeSet<String>) -> Result<Due> {
    lock(link, keys.iter().map(|key| &**key).collect()).await?;
    give_locked(link, keys).await
}

/// The same where the lines are locked already.
async fn give_locked(link: &mut impl Link, mut keys: BTreeSet<String>) -> Result<Due> {
    let mut due = Due::new();
    while !keys.is_empty() {
        let named: Vec<String> = std::mem::take(&mut keys).into_iter().collect();
        for row in link.ask(&sql::GIVE_TURNS, values![named]).await? {
            let text = row.text(1)?.to_owned();
            if row.int(0)? == 1 {
                keys.insert(text);
                continue;
            }
            let at = Timestamp::from_micros(row.int(2)?);
            due.entry(text).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
        // What comes next are lines of limits further on.
        if !keys.is_empty() {
            lock(link, keys.iter().map(|key| &**key).collect()).await?;
        }
    }
    Ok(due)
}

/// Gives the turns of tasks that are over to those who are next.
pub(crate) async fn pass_on(connection: &mut Connection, tasks: &[TaskNo]) -> Result<Due> {
    let tasks: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let rows = connection.fetch(&sql::TURN_KEYS, values![tasks]).await?;
    let keys = rows.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<_>>()?;
    connection.transaction(async |connection| give(connection, keys).await).await
}

/// Looks at the lines after a key, some at a time, for turns whose tasks ended without anybody passing them on; where
/// the next ones begin, and `None` after the last.
pub(crate) async fn look(connection: &mut Connection, after: &str) -> Result<(Due, Option<String>)> {
    let rows = connection.fetch(&sql::TURN_LINES, values![after]).await?;
    let keys: BTreeSet<String> =
        rows.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<_>>()?;
    let last = keys.last().cloned();
    let due = connection.transaction(async |connection| give(connection, keys).await).await?;
    Ok((due, last))
}

/// What a task waits for, in a sentence; `None` when it is not in line.
pub(crate) async fn waits_for(connection: &mut Connection, task: TaskNo) -> Result<Option<String>> {
    let Some(row) = connection.fetch_first(&sql::TURN_OF, values![task.0]).await? else { return Ok(None) };
    let (key, most, before) = (row.text(0)?, row.int(1)?, row.int(2)?);
    let place = match before {
        0 => "it is the next in line".to_owned(),
        1 => "one task is before it".to_owned(),
        1_000.. => "1,000 tasks or more are before it".to_owned(),
        before => format!("{before} tasks are before it"),
    };
    Ok(Some(format!("its turn, at most {most} of `{key}` at once: {place}")))
}

/// Lines a task up anew that is taken up after it was over, in the transaction that is open.
pub(super) async fn again(connection: &mut Connection, task: TaskNo) -> Result<()> {
    connection.execute(&sql::REOPEN_TURNS, values![task.0]).await.map(drop)
}

/// Gives the task that was lined up anew its turn, if it is the next, in the transaction that is open.
pub(super) async fn give_again(connection: &mut Connection, task: TaskNo) -> Result<()> {
    let rows = connection.fetch(&sql::TURN_KEYS, values![vec![task.0]]).await?;
    let keys = rows.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<_>>()?;
    give(connection, keys).await.map(drop)
}

/// Ends the wait of a task that is over before its turn came, in the transaction that is open.
pub(super) async fn leave(connection: &mut Connection, task: TaskNo) -> Result<()> {
    connection.execute(&sql::LEAVE_LINE, values![task.0]).await.map(drop)
}

/// Asks that what stands in the way of a new task is cancelled, where a limit says so: the tasks that wait, and of those
/// that have their turn the oldest.
async fn supersede(link: &mut impl Link, task: &NewTask, number: TaskNo) -> Result<()> {
    for turn in task.turns.iter().filter(|turn| turn.on_conflict == OnConflict::CancelRunning) {
        let rows = link.ask(&sql::TURNS_BEFORE, values![&*turn.key, number.0]).await?;
        let before: Vec<(i64, bool)> =
            rows.iter().map(|row| Ok((row.int(0)?, row.int(1)? == 1))).collect::<Result<_>>()?;
        let (actor, now) = (format!("limit {}", turn.key), task.created_at.as_micros());
        let detail = serde_json::to_string(&Command::Cancel).unwrap_or_default();
        for task in in_the_way(&before, turn.most) {
            let audit = values![task, now, &*actor, Command::Cancel.verb(), &*detail, None::<&str>];
            let line = link.ask(&sql::AUDIT, audit).await?.first().map(|row| row.int(0)).transpose()?;
            link.ask(&sql::ADD_COMMAND, values![task, now, &*detail, line]).await?;
        }
    }
    Ok(())
}

/// Of the tasks before a new one, oldest first and each with whether it has its turn, those that are to give way.
fn in_the_way(before: &[(i64, bool)], most: u32) -> Vec<i64> {
    let taken = before.iter().filter(|(_, taken)| *taken).count();
    let mut give_way = (taken + 1).saturating_sub(most as usize);
    let gives_way = |&&(_, taken): &&(i64, bool)| {
        let first = taken && give_way > 0;
        give_way -= usize::from(first);
        first || !taken
    };
    before.iter().filter(gives_way).map(|(task, _)| *task).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::template::Step;
    use serde_json::json;

    #[test]
    fn what_waits_gives_way_to_the_newest_and_of_what_runs_the_oldest() {
        assert_eq!(in_the_way(&[(1, true), (2, false), (3, false)], 1), [1, 2, 3]);
        assert_eq!(in_the_way(&[(1, true), (2, true), (3, false)], 2), [1, 3]);
        assert_eq!(in_the_way(&[(1, true)], 2), [0; 0]);
    }

    fn key(field: &str, context: serde_json::Value) -> std::result::Result<String, NoKey> {
        let limit = Concurrency::of(1).key(field);
        let template = Template::builder("t").step(Step::new("a")).concurrency(limit).build().unwrap();
        of(&template, &Json::of(&context).unwrap()).map(|turns| turns[0].key.clone())
    }

    #[test]
    fn key_is_a_scalar_of_the_context() {
        assert_eq!(key("$.a.b", json!({"a": {"b": "x"}})).unwrap(), "default/t $.a.b \"x\"");
        assert_ne!(key("$.a", json!({"a": 1})).unwrap(), key("$.a", json!({"a": "1"})).unwrap());
        for nothing in [json!({}), json!({"a": null}), json!(3)] {
            assert_eq!(key("$.a", nothing), Err(NoKey::Missing("$.a".to_owned())));
        }
        assert_eq!(key("$.a", json!({"a": [1]})), Err(NoKey::NoScalar("$.a".to_owned())));
        let long = "x".repeat(256);
        assert_eq!(
            key("$.a", json!({ "a": long })),
            Err(NoKey::TooLong { field: "$.a".to_owned(), bytes: 256 })
        );
    }
}
