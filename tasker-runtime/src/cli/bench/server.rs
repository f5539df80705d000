//! What the database server uses: WAL, and processor time where it runs on this machine.

use std::time::Duration;

use super::machine::{self, process, processes};
use crate::{
    cli::Failure,
    store::{Store, sql},
};

/// How much was used up to a moment, by the server and by this process.
pub(super) struct Usage {
    wal: Option<i64>,
    server: Option<Duration>,
    here: Option<Duration>,
}

impl Usage {
    pub(super) async fn now(store: &Store) -> Result<Self, Failure> {
        let here = machine::processor_time();
        if !store.is_postgres() {
            return Ok(Self { wal: None, server: None, here });
        }
        let row = store.reader().await?.fetch_first(&sql::BENCH_SERVER, &[]).await?;
        let Some(row) = row else { return Ok(Self { wal: None, server: None, here }) };
        let near = row.int(1)? != 0;
        let backend = row.int(0)?.to_string();
        let server = if near { processor_time_of_server(&backend) } else { None };
        Ok(Self { wal: Some(row.int(2)?), server, here })
    }

    /// Bytes of WAL since `earlier`.
    pub(super) fn wal_since(&self, earlier: &Self) -> Option<f64> {
        Some((self.wal? - earlier.wal?) as f64)
    }

    /// Microseconds of the server's processor time since `earlier`.
    pub(super) fn server_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.server?.saturating_sub(earlier.server?).as_secs_f64() * 1e6)
    }

    /// Microseconds of this process's processor time since `earlier`.
    pub(super) fn here_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.here?.saturating_sub(earlier.here?).as_secs_f64() * 1e6)
    }
}

/// What all processes of the server have used to which the process `backend` belongs; `None` where this
/// machine shows no such server.
fn processor_time_of_server(backend: &str) -> Option<Duration> {
    let is_server = |name: &str| name.starts_with("postgres") || name.starts_with("postmaster");
    let postmaster = process(backend).filter(|backend| is_server(&backend.name))?.parent;
    let own = process(&postmaster.to_string()).filter(|process| is_server(&process.name))?;
    let children = processes().filter_map(|number| process(&number));
    let used = children.filter(|child| child.parent == postmaster).map(|child| child.processor);
    Some(own.processor + used.sum())
}
