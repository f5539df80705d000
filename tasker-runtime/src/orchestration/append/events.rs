//! Appends entries together with the domain events that tell of them: both are there, or neither is.

use super::{Entry, Right, Written, failure_rows, result_rows};
use crate::{
    model::{Attempt, DomainEvent, Json, TaskNo, Timestamp},
    store::{Column, Connection, Error, Result, Rows, Value, sql, values},
};

/// So many times in a row somebody else may have recorded for the same task at the same moment.
const MAX_RACES: u32 = 100;

/// As the other form of [`write`](super::write). Of two who record for one task at once the second finds the number
/// of its event taken, and goes on counting after the first.
///
/// # Errors
/// In a transaction that is open, such a race is an error that passes: the transaction is to be made again.
pub(super) async fn write(
    connection: &mut Connection,
    right: Right,
    entries: &[Entry],
) -> Result<Vec<Written>> {
    let (results, failures, events) = (result_rows(entries), failure_rows(entries), event_rows(entries));
    let owner = right.owner.map(|worker| worker.0);
    let values: &[Value<'_>] = values![&results, &failures, owner, right.by.0, &events];
    let mut races = 0;
    let rows = loop {
        let is_open = connection.in_transaction();
        let rows = match is_open {
            true => connection.fetch(&sql::APPEND_EVENTS_IN, values).await,
            false => connection.script(&sql::APPEND_EVENTS, values).await,
        };
        match rows {
            Err(error) if error.is_conflict() && (is_open || races == MAX_RACES) => {
                return Err(Error::timed_out());
            }
            Err(error) if error.is_conflict() => races += 1,
            rows => break rows?,
        }
    };
    let written =
        |row: &crate::store::Row| Ok((TaskNo(row.int(0)?), row.step(1, "steps.step")?, row.int(2)? == 1));
    rows.iter().map(written).collect()
}

/// An event as a row, with the attempt it tells of.
struct Told<'a> {
    attempt: Attempt,
    failed: bool,
    at: Timestamp,
    event: &'a DomainEvent,
}

fn told(entry: &Entry) -> impl Iterator<Item = Told<'_>> {
    let failed = matches!(entry.content, super::Content::Failure { .. });
    let events = entry.published.iter().flat_map(|published| &published.events);
    let kept = events.filter(|event| event.is_kept());
    kept.map(move |event| Told { attempt: entry.attempt, failed, at: entry.finished_at, event })
}

/// One column of all rows.
fn column<'a, T>(told: &[Told<'a>], value: impl Fn(&Told<'a>) -> T) -> Vec<T> {
    told.iter().map(value).collect()
}

fn event_rows(entries: &[Entry]) -> Rows {
    let told: Vec<Told<'_>> = entries.iter().flat_map(told).collect();
    let reason = |told: &Told<'_>| told.event.letter.as_ref().map(|letter| letter.reason.to_owned());
    let detail = |told: &Told<'_>| told.event.letter.as_ref().map(|letter| letter.detail.clone());
    let mut columns = super::keys(told.iter().map(|told| &told.attempt), i32::MAX as u32);
    columns.extend([
        Column::Int(column(&told, |told| i64::from(told.failed))),
        Column::Int(column(&told, |told| i64::from(told.event.place()))),
        Column::Int(column(&told, |told| told.at.as_micros())),
        Column::Int(column(&told, |told| told.event.mode_code())),
        Column::Int(column(&told, |told| told.event.outcome as i64)),
        Column::Text(column(&told, |told| told.event.name.to_string())),
        Column::Json(column(&told, |told| Json::clone(&told.event.payload))),
        Column::MaybeText(column(&told, reason)),
        Column::MaybeText(column(&told, detail)),
    ]);
    Rows::new(columns)
}
