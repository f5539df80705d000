//! Events that are delivered once more because an operator asks for it: dead letters, and what is in the log.

use uuid::Uuid;

use super::{error, rows};
use crate::{
    model::{StepError, Timestamp, subscription::ParkedEvent},
    store::{Connection, Error, Result, Row, sql, values},
};

/// An event that could not be delivered.
#[derive(Clone, Debug)]
pub(crate) struct DeadDelivery {
    pub subscription: String,
    pub position: i64,
    pub attempts: u32,
    pub error: Option<StepError>,
    /// Its name, when it happened and its task, where the log still has it.
    pub event: Option<(String, Timestamp)>,
    pub task: Option<Uuid>,
}

/// The events that could not be delivered, the latest first, `limit` of them at most.
pub(crate) async fn dead(connection: &mut Connection, limit: usize) -> Result<Vec<DeadDelivery>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let dead = |row: &Row| {
        let task = row.maybe_text(6)?.map(str::parse).transpose();
        let task =
            task.map_err(|problem: uuid::Error| Error::corrupt("tasks.uuid", "text", problem.to_string()))?;
        let at = row.maybe_int(5)?.map(Timestamp::from_micros);
        Ok(DeadDelivery {
            subscription: row.text(0)?.to_owned(),
            position: row.int(1)?,
            attempts: row.count(2, "parked.attempts")?,
            error: error(row, 3)?,
            event: row.maybe_text(4)?.map(str::to_owned).zip(at),
            task,
        })
    };
    connection.fetch(&sql::DEAD_DELIVERIES, values![limit]).await?.iter().map(dead).collect()
}

/// What an operator does with dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// They are delivered again, from this time on.
    Retry(Timestamp),
    Drop,
}

/// Treats the dead letters of a subscription, or the one at a position, and says how many those were; `None`: there is
/// no subscription of this name.
pub(crate) async fn treat(
    connection: &mut Connection,
    name: &str,
    position: Option<i64>,
    treatment: Treatment,
) -> Result<Option<u64>> {
    connection
        .transaction(async |connection| {
            let found = connection.fetch_first(&sql::BEGIN_ANEW, values![name]).await?;
            let Some(id) = found.map(|row| row.int(0)).transpose()? else { return Ok(None) };
            let treated = match treatment {
                Treatment::Retry(now) => {
                    connection.execute(&sql::RETRY_DEAD, values![id, position, now.as_micros()]).await?
                }
                Treatment::Drop => connection.execute(&sql::DROP_DEAD, values![id, position]).await?,
            };
            Ok(Some(treated))
        })
        .await
}

/// So many events are parked with one statement.
const LOT: usize = 1_000;

/// Lets events that a subscription is past be delivered to it once more; `false`: there is none of this name.
pub(crate) async fn replay(connection: &mut Connection, name: &str, events: &[ParkedEvent]) -> Result<bool> {
    connection
        .transaction(async |connection| {
            let found = connection.fetch_first(&sql::BEGIN_ANEW, values![name]).await?;
            let Some(id) = found.map(|row| row.int(0)).transpose()? else { return Ok(false) };
            for lot in events.chunks(LOT) {
                connection.execute(&sql::PARK, values![id, &rows(lot)]).await?;
            }
            Ok(true)
        })
        .await
}
