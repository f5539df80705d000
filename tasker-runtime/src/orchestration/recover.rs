//! Keeps this process's leases alive and frees those of processes that are gone.
//!
//! Every lease of a worker lives as long as its one row does. When that runs out, whichever process sees
//! it first makes the tasks due again; nothing else recovers from a crash.

use std::time::Duration;

use crate::{
    model::{HandlerKey, Timestamp, WorkerId},
    store::{Column, Connection, Result, Rows, Store, presence, sql, values},
};

/// A worker that has not stopped.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub id: WorkerId,
    pub name: String,
    pub started_at: Timestamp,
    pub seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub handlers: Vec<String>,
    pub queues: Option<Vec<String>>,
}

/// What a worker says of itself.
#[derive(Clone, Debug)]
pub(crate) struct About<'a> {
    pub name: &'a str,
    /// The keys of its handlers.
    pub handlers: Vec<HandlerKey>,
    /// `None`: all.
    pub queues: Option<Vec<String>>,
}

/// Registers a worker whose leases live for `lease` from `now` on.
pub(crate) async fn register(
    connection: &mut Connection,
    about: &About<'_>,
    now: Timestamp,
    lease: Duration,
) -> Result<WorkerId> {
    let handlers = keys(&about.handlers);
    let queues = about.queues.as_ref().map(|queues| serde_json::to_string(queues).unwrap_or_default());
    let until = (now + lease).as_micros();
    let rows = connection
        .fetch(&sql::ADD_WORKER, values![about.name, now.as_micros(), until, &*handlers, queues.as_deref()])
        .await?;
    rows.first().map_or(Ok(0), |row| row.int(0)).map(WorkerId)
}

/// Says which handlers the worker has from now on.
pub(crate) async fn set_handlers(
    connection: &mut Connection,
    worker: WorkerId,
    handlers: &[HandlerKey],
) -> Result<()> {
    connection.execute(&sql::SET_HANDLERS, values![worker.0, &*keys(handlers)]).await.map(drop)
}

fn keys(handlers: &[HandlerKey]) -> String {
    let keys: Vec<&str> = handlers.iter().map(HandlerKey::as_str).collect();
    serde_json::to_string(&keys).unwrap_or_default()
}

/// Lets the worker's leases live for `lease` from `now` on, and says what it has running where `activity` does. False: it was given up, and all it held with it.
pub(crate) async fn heartbeat(
    connection: &mut Connection,
    worker: WorkerId,
    now: Timestamp,
    lease: Duration,
    activity: Option<&str>,
) -> Result<bool> {
    let values = values![worker.0, now.as_micros(), (now + lease).as_micros(), activity];
    Ok(connection.fetch_first(&sql::HEARTBEAT, values).await?.is_some())
}

/// Frees what workers hold whose leases ran out before `now`, by the calendar; says how many tasks that were.
pub(crate) async fn take_back_expired(connection: &mut Connection, now: Timestamp) -> Result<u64> {
    let workers = live(connection).await?;
    let expired = workers.iter().filter(|worker| worker.expires_at < now);
    let gone: Vec<_> = expired.map(|worker| (worker.id, worker.expires_at)).collect();
    take_back_all(connection, &gone, now).await
}

/// Frees what these workers hold, each of which said last that it lives until then, and has said no more since; says
/// how many tasks that were.
pub(crate) async fn take_back_all(
    connection: &mut Connection,
    gone: &[(WorkerId, Timestamp)],
    now: Timestamp,
) -> Result<u64> {
    if gone.is_empty() {
        return Ok(0);
    }
    let rows = Rows::new(vec![
        Column::Int(gone.iter().map(|(worker, _)| worker.0).collect()),
        Column::Int(gone.iter().map(|(_, said)| said.as_micros()).collect()),
    ]);
    connection
        .transaction(async |connection| {
            let mut freed = 0;
            for row in connection.fetch(&sql::EXPIRED_WORKERS, values![&rows]).await? {
                freed += free(connection, WorkerId(row.int(0)?), now, Why::Died).await?;
            }
            Ok(freed)
        })
        .await
}

/// Frees what workers hold whose processes are gone, where that can be seen before their leases run out.
pub(crate) async fn take_back_gone(store: &Store, now: Timestamp) -> Result<u64> {
    if store.path().is_none() {
        return Ok(0);
    }
    let mut reader = store.reader().await?;
    let workers = live(&mut reader).await?;
    drop(reader);
    let mut freed = 0;
    for worker in workers.iter().filter(|worker| presence::is_gone(store, worker.id)) {
        freed += take_back(&mut store.writer().await?, worker.id, now, Why::Died).await?;
    }
    Ok(freed)
}

/// Why a worker is one no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its process is gone, as far as can be seen: that counts for the tasks it held and the steps it ran for
    /// others.
    Died,
    /// It stopped.
    Stopped,
}

/// Frees what `worker` holds and notes that it stopped.
pub(crate) async fn take_back(
    connection: &mut Connection,
    worker: WorkerId,
    now: Timestamp,
    why: Why,
) -> Result<u64> {
    let taken_back = connection.transaction(async |connection| {
        connection.fetch(&sql::LOCK_WORKER, values![worker.0]).await?;
        free(connection, worker, now, why).await
    });
    taken_back.await
}

/// The row of the worker is locked.
async fn free(connection: &mut Connection, worker: WorkerId, now: Timestamp, why: Why) -> Result<u64> {
    let deaths = i64::from(why == Why::Died);
    let freed = connection.execute(&sql::TAKE_BACK, values![worker.0, now.as_micros(), deaths]).await?;
    connection.execute(&sql::FREE_OFFERS, values![worker.0, deaths]).await?;
    connection.execute(&sql::STOP_WORKER, values![worker.0, now.as_micros()]).await?;
    Ok(freed)
}

/// The workers that have not stopped.
pub(crate) async fn live(connection: &mut Connection) -> Result<Vec<Worker>> {
    let rows = connection.fetch(&sql::LIVE_WORKERS, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Worker {
                id: WorkerId(row.int(0)?),
                name: row.text(1)?.to_owned(),
                started_at: Timestamp::from_micros(row.int(2)?),
                seen_at: Timestamp::from_micros(row.int(3)?),
                expires_at: Timestamp::from_micros(row.int(4)?),
                handlers: serde_json::from_str(row.text(5)?).unwrap_or_default(),
                queues: row.maybe_text(6)?.and_then(|queues| serde_json::from_str(queues).ok()),
            })
        })
        .collect()
}
