//! Deletes tasks that are over, a lot at a time.

use std::time::Duration;

use crate::{
    model::{TaskNo, TaskState, Timestamp},
    store::{Connection, Result, Value, sql, values},
};

/// Which tasks are to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Old {
    /// Those that ended before.
    pub before: Timestamp,
    /// The first and the last of the states that they ended in, by their numbers.
    states: (TaskState, TaskState),
}

impl Old {
    /// Those that ended in whatever state, or in this one.
    pub(crate) fn ended(before: Timestamp, state: Option<TaskState>) -> Self {
        let all = (TaskState::Complete, TaskState::Compensated);
        Self { before, states: state.map_or(all, |state| (state, state)) }
    }

    /// Those that are complete.
    pub(crate) fn complete(before: Timestamp) -> Self {
        Self::ended(before, Some(TaskState::Complete))
    }

    /// Those that ended in any other state.
    pub(crate) fn not_complete(before: Timestamp) -> Self {
        Self { before, states: (TaskState::Error, TaskState::Compensated) }
    }

    /// The values of a statement about those of a lot.
    fn of(self, lot: Lot) -> [Value<'static>; 5] {
        let (from, to) = self.states;
        let [from, to] = [from, to].map(|state| Value::Int(state.code().into()));
        [lot.0.0.into(), lot.1.0.into(), self.before.as_micros().into(), from, to]
    }
}

/// When what is so old now ended at the latest.
pub(crate) fn before(now: Timestamp, age: Duration) -> Timestamp {
    let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.as_micros().saturating_sub(micros))
}

/// Some tasks in the order they were submitted: after the first number, up to the second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lot(TaskNo, TaskNo);

impl Lot {
    /// Its last task.
    pub(crate) const fn end(self) -> TaskNo {
        self.1
    }
}

/// The next `size` tasks after one; `None` when there are none, or all of them were submitted too late to be old.
pub(crate) async fn next(
    connection: &mut Connection,
    after: TaskNo,
    size: i64,
    old: Old,
) -> Result<Option<Lot>> {
    let Some(row) = connection.fetch_first(&sql::PRUNE_EDGE, values![after.0, size]).await? else {
        return Ok(None);
    };
    let (last, submitted) = (row.maybe_int(0)?, row.maybe_int(1)?);
    let lot = last.zip(submitted).filter(|(_, submitted)| *submitted < old.before.as_micros());
    Ok(lot.map(|(last, _)| Lot(after, TaskNo(last))))
}

/// How many tasks of a lot are to go.
pub(crate) async fn count(connection: &mut Connection, lot: Lot, old: Old) -> Result<u64> {
    let row = connection.fetch_first(&sql::PRUNABLE, &old.of(lot)).await?;
    row.map_or(Ok(0), |row| row.int(0)).map(|count| u64::try_from(count).unwrap_or(0))
}

/// Deletes what is to go of a lot, with everything that belongs to it, and says how many tasks that were.
pub(crate) async fn delete(connection: &mut Connection, lot: Lot, old: Old) -> Result<u64> {
    let gone = connection.script(&sql::PRUNE, &old.of(lot)).await?;
    Ok(gone.len() as u64)
}

/// An idempotency key with the template it belongs to, as they are sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyPlace {
    namespace: String,
    template: String,
    key: String,
}

/// Deletes those of the `size` keys after one that were used before `before` and whose tasks are gone. Where the next
/// ones begin, and how many were deleted; `None` when there are no more.
pub(crate) async fn delete_keys(
    connection: &mut Connection,
    after: &KeyPlace,
    size: i64,
    before: Timestamp,
) -> Result<Option<(KeyPlace, u64)>> {
    let KeyPlace { namespace, template, key } = after;
    let start = values![&**namespace, &**template, &**key, size];
    let Some(row) = connection.fetch_first(&sql::KEYS_EDGE, start).await? else { return Ok(None) };
    let end = KeyPlace {
        namespace: row.text(0)?.to_owned(),
        template: row.text(1)?.to_owned(),
        key: row.text(2)?.to_owned(),
    };
    let values = values![
        &**namespace,
        &**template,
        &**key,
        &*end.namespace,
        &*end.template,
        &*end.key,
        before.as_micros()
    ];
    let deleted = connection.execute(&sql::PRUNE_KEYS, values).await?;
    Ok(Some((end, deleted)))
}
