//! What processes have had running for longer than a heartbeat, as they say beside their signs of life.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    model::Timestamp,
    store::{Connection, Result, sql, values},
};

/// An attempt that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub task: Uuid,
    /// Its name, as that of a batch instance or a compensation.
    pub step: String,
    pub attempt: u32,
    /// When it was called, in microseconds since 1970-01-01 UTC.
    pub since: i64,
}

/// The attempts at steps of `task` that the processes alive at `now` said they run.
pub(crate) async fn of(connection: &mut Connection, task: Uuid, now: Timestamp) -> Result<Vec<Running>> {
    let about = format!("%{task}%");
    let mut running = Vec::new();
    for row in connection.fetch(&sql::ACTIVITY, values![now.as_micros(), &*about]).await? {
        // Another version of this program may write it in another way.
        let of_worker: Vec<Running> = serde_json::from_str(row.text(0)?).unwrap_or_default();
        running.extend(of_worker.into_iter().filter(|running| running.task == task));
    }
    Ok(running)
}
