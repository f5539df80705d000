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
    /// The machine's time, or the database's where that has a clock. Between two signs of life of its process it
    /// never goes back.
    #[must_use]
    pub fn system() -> Self {
        let at_start = machine_time().as_micros();
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

    /// Lets the clock follow the machine's calendar, which is set now and then, and goes on while the machine
    /// sleeps: processes that started at different times would disagree for good.
    pub(crate) fn follow_machine(&self) {
        let asked = self.now();
        self.follow(machine_time(), asked);
    }

    /// Lets the clock follow another one, such as the database's, that showed `time` at some moment since
    /// `asked`, by this clock. Between the two it may be right already, and is left alone: an answer that was
    /// long under way must not turn it back.
    pub(crate) fn follow(&self, time: Timestamp, asked: Timestamp) {
        if let Kind::System { ahead, .. } = &self.0 {
            let now = self.now();
            let right = now.clamp(time, time + now.since(asked));
            ahead.fetch_add(right.as_micros().saturating_sub(now.as_micros()), Ordering::Relaxed);
        }
    }

    /// Waits until `time` has come.
    pub async fn sleep_until(&self, time: Timestamp) {
        match &self.0 {
            Kind::System { .. } => loop {
                let left = time.since(self.now());
                if left.is_zero() {
                    return;
                }
                // The clock may be set back meanwhile.
                tokio::time::sleep(left).await;
            },
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

fn machine_time() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_follows_another_as_far_as_it_must() {
        let clock = Clock::system();
        let second = Duration::from_secs(1);
        let asked = clock.now();
        clock.follow(asked + second * 60, asked);
        let ahead = clock.now().since(asked);
        assert!((60..90).contains(&ahead.as_secs()), "{ahead:?}");

        // An answer that was under way for ten seconds: anything between is as good as the other.
        let (before, asked) = (clock.now(), Timestamp::from_micros(clock.now().as_micros() - 10_000_000));
        clock.follow(Timestamp::from_micros(before.as_micros() - 5_000_000), asked);
        assert!(clock.now() >= before, "turned back without need");
        clock.follow(Timestamp::from_micros(before.as_micros() - 60_000_000), asked);
        assert!(before.since(clock.now()) > second * 20, "50 seconds, since the other is no further");
    }
}
