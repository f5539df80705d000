//! The clock as a value, so that tests move time instead of waiting for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

use crate::model::Timestamp;

/// Says what time it is and waits for later times.
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::{clock::Clock, model::Timestamp};
///
/// let clock = Clock::manual(Timestamp::from_micros(0));
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.now(), Timestamp::from_micros(3_000_000));
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Runs with the machine's steady clock, `ahead` microseconds ahead of where it started.
    System { start: Instant, at_start: i64, ahead: Arc<AtomicI64> },
    /// Stands still until a test moves it.
    Manual(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// The machine's time, which never goes back while the process runs.
    #[must_use]
    pub fn system() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_start = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Self(Kind::System { start: Instant::now(), at_start, ahead: Arc::default() })
    }

    /// A clock that stands at `start` until it is advanced.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(watch::Sender::new(start))))
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System { start, at_start, ahead } => {
                let passed = i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX);
                Timestamp::from_micros(at_start.saturating_add(passed) + ahead.load(Ordering::Relaxed))
            }
            Kind::Manual(time) => *time.borrow(),
        }
    }

    /// Moves the clock on. What waits for a time that has come then goes on.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Kind::System { ahead, .. } => {
                ahead.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
            }
            Kind::Manual(time) => time.send_modify(|time| *time = *time + by),
        }
    }

    /// Lets the clock follow another one, such as the database's, that shows `time` now.
    pub(crate) fn follow(&self, time: Timestamp) {
        if let Kind::System { ahead, .. } = &self.0 {
            ahead.fetch_add(time.as_micros().saturating_sub(self.now().as_micros()), Ordering::Relaxed);
        }
    }

    /// Waits until `time` has come.
    pub async fn sleep_until(&self, time: Timestamp) {
        match &self.0 {
            Kind::System { .. } => tokio::time::sleep(time.since(self.now())).await,
            Kind::Manual(now) => {
                // The sender lives in this clock, so waiting cannot fail.
                let _ = now.subscribe().wait_for(|now| *now >= time).await;
            }
        }
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }
}
