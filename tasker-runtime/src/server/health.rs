//! Whether the database answers, asked by one probe for everybody.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Service;

/// The pause between two probes.
const EVERY: Duration = Duration::from_secs(2);
/// How long the database has to answer one.
const LIMIT: Duration = Duration::from_secs(1);
/// So many probes in a row have to fail before the database counts as away; one that is answered turns it back.
const FAILURES: u32 = 3;

/// What the last probes came to.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: AtomicU32,
    started: AtomicBool,
}

impl Health {
    /// Takes the outcome of one more probe.
    pub(super) fn note(&self, answered: bool) {
        if answered {
            self.started.store(true, Ordering::Relaxed);
            self.failures.store(0, Ordering::Relaxed);
        } else {
            let more = |failures: u32| Some(failures.saturating_add(1));
            let _ = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    /// The database has answered once.
    pub(super) fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// The database counts as away.
    pub(super) fn is_away(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }

    /// The last probe failed, and it may be away.
    pub(super) fn is_unsure(&self) -> bool {
        self.failures.load(Ordering::Relaxed) > 0
    }
}

impl Service {
    /// Asks the database for as long as the service is there.
    pub(super) async fn probe(self) {
        loop {
            // A look by index for a task that cannot be.
            let asked = timeout(LIMIT, self.tasker().show(Uuid::nil())).await;
            self.health().note(matches!(asked, Ok(Ok(_))));
            sleep(EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_counts_as_away_after_three_failures_in_a_row_and_as_back_after_one_answer() {
        let health = Health::default();
        assert!(!health.has_started() && !health.is_away());
        let outcomes = [true, false, false, true, false, false, false, false, true];
        let seen: Vec<bool> = outcomes
            .into_iter()
            .map(|answered| {
                health.note(answered);
                health.is_away()
            })
            .collect();
        assert_eq!(seen, [false, false, false, false, false, false, true, true, false]);
        assert!(health.has_started());
    }
}
