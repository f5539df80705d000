//! Finds at once what other processes write into a SQLite file: steps they offer, and what came of those this
//! process has lent.
//!
//! SQLite carries no notifications, but it tells in a few microseconds whether anybody has written since it was
//! last asked. Only then are offers looked at. A process that is alone and has lent nothing does not even ask.

use std::{sync::Arc, time::Duration};

use super::{loans::Loans, offers::Offers, permits::Permits, shared::Shared};

/// How long others wait at most.
const LOOK: Duration = Duration::from_millis(10);
/// How often it is looked whether there are others.
const ALONE: Duration = Duration::from_millis(200);
/// How long a file is left alone that could not be asked.
const AWAY: Duration = Duration::from_secs(1);

/// Looks for what others write until nothing is held or on loan any more.
pub(crate) async fn run(shared: Arc<Shared>, loans: Arc<Loans>, offers: Arc<Offers>, permits: Arc<Permits>) {
    let Some(mut changes) = shared.store.changes() else { return };
    let mut pause = LOOK;
    loop {
        tokio::select! {
            () = shared.over.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let lent = !loans.is_empty();
        if !lent && !permits.has_other_workers() {
            pause = ALONE;
            continue;
        }
        pause = LOOK;
        match changes.any().await {
            Ok(true) => {
                offers.changed();
                if lent {
                    loans.something_returned();
                }
            }
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, "what others write is found at the usual times for now");
                pause = AWAY;
            }
        }
    }
}
