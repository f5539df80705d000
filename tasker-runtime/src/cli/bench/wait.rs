//! Waiting for work to be done, and for all of it.

use std::time::{Duration, Instant};

use super::{PATIENCE, scratch::complete};
use crate::{
    api::Tasker,
    cli::{Done, Failure},
    store::Store,
};

/// Waits until `tasker` has recorded this many results; fails when nothing moves for a minute or a step
/// failed. It asks the process, not the database, so that looking costs nothing.
pub(super) async fn until_recorded(tasker: &Tasker, results: u64) -> Done {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let stats = tasker.stats();
        if stats.results >= results {
            return Ok(());
        }
        if stats.results != last {
            (last, since) = (stats.results, Instant::now());
        }
        if since.elapsed() > PATIENCE || stats.failures > 0 {
            return Err(Failure::run(format!("the measured tasks do not come to an end: {stats:?}")));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// How many tasks of the benchmark will be complete on its database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected(u64);

impl Expected {
    /// `tasks` more than are complete now.
    pub(super) async fn after(store: &Store, tasks: u64) -> Result<Self, Failure> {
        Ok(Self(complete(store).await? + tasks))
    }

    pub(super) fn is_met(self, complete: u64) -> bool {
        complete >= self.0
    }

    /// A measurement during which work was lost, or done that nobody gave, is none.
    pub(super) fn check(self, complete: u64) -> Done {
        if complete == self.0 {
            return Ok(());
        }
        Err(Failure::run(format!(
            "{complete} tasks are complete, {} should be: the numbers are void",
            self.0
        )))
    }
}
