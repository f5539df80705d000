//! The clock as a value, so that tests move time instead of waiting for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{Notify, watch};

use crate::model::Timestamp;

/// Says what time it is and waits for later times.
///
/// It is two clocks in one. The calendar says what is due: it is set now and then, forwards or back. What takes
/// so and so long is counted on a steady clock beside it, which nobody can set.
///
/// ```
/// use std::time::Duration;
/// use tasker_runtime::{clock::Clock, model::Timestamp};
///
/// let clock = Clock::manual(Timestamp::from_micros(0));
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.now(), Timestamp::from_micros(3_000_000));
/// clock.set(Timestamp::from_micros(1_000_000));
/// assert_eq!(clock.now(), Timestamp::from_micros(1_000_000));
/// assert_eq!(clock.steady(), Duration::from_secs(3));
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Runs with the machine's steady clock, with a calendar that is some microseconds ahead of where it started.
    System { start: Instant, at_start: i64, ahead: Arc<Ahead> },
    /// Stands still until a test moves it.
    Manual(Arc<watch::Sender<Time>>),
}

/// How far the calendar is ahead of the steady clock, in microseconds.
#[derive(Debug, Default)]
struct Ahead {
    by: AtomicI64,
    set: Notify,
}

impl Ahead {
    fn add(&self, micros: i64) {
        self.by.fetch_add(micros, Ordering::Relaxed);
        // Who waits for a time of the calendar reckons anew. Less than this nobody waits for.
        if micros.abs() > 1_000 {
            self.set.notify_waiters();
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Time {
    calendar: Timestamp,
    steady: Duration,
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
        let time = Time { calendar: start, steady: Duration::ZERO };
        Self(Kind::Manual(Arc::new(watch::Sender::new(time))))
    }

    /// What time it is, by the calendar.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.both().0
    }

    /// How much time has gone by since the clock was made, however often its calendar was set.
    #[must_use]
    pub fn steady(&self) -> Duration {
        match &self.0 {
            Kind::System { start, .. } => start.elapsed(),
            Kind::Manual(time) => time.borrow().steady,
        }
    }

    /// What the calendar and the steady clock show at one moment.
    pub(crate) fn both(&self) -> (Timestamp, Duration) {
        match &self.0 {
            Kind::System { start, at_start, ahead } => {
                let steady = start.elapsed();
                let passed = i64::try_from(steady.as_micros()).unwrap_or(i64::MAX);
                let now = at_start.saturating_add(passed) + ahead.by.load(Ordering::Relaxed);
                (Timestamp::from_micros(now), steady)
            }
            Kind::Manual(time) => {
                let Time { calendar, steady } = *time.borrow();
                (calendar, steady)
            }
        }
    }

    /// Lets time go by. What waits for a time that has come then goes on. The steady side of a system clock
    /// goes as it goes: of that, only the calendar moves.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Kind::System { ahead, .. } => ahead.add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
            Kind::Manual(time) => time.send_modify(|time| {
                time.calendar = time.calendar + by;
                time.steady += by;
            }),
        }
    }

    /// Sets the calendar, as somebody sets the clock of a machine. No time goes by.
    pub fn set(&self, to: Timestamp) {
        match &self.0 {
            Kind::System { ahead, .. } => ahead.add(to.as_micros().saturating_sub(self.now().as_micros())),
            Kind::Manual(time) => time.send_modify(|time| time.calendar = to),
        }
    }

    /// Lets the calendar follow the machine's, which is set now and then, and goes on while the machine
    /// sleeps: processes that started at different times would disagree for good.
    pub(crate) fn follow_machine(&self) {
        let asked = self.now();
        self.follow(machine_time(), asked);
    }

    /// Lets the calendar follow another one, such as the database's, that showed `time` at some moment since
    /// `asked`, by this clock. Between the two it may be right already, and is left alone: an answer that was
    /// long under way must not turn it back.
    pub(crate) fn follow(&self, time: Timestamp, asked: Timestamp) {
        if let Kind::System { ahead, .. } = &self.0 {
            let now = self.now();
            let right = now.clamp(time, time + now.since(asked));
            ahead.add(right.as_micros().saturating_sub(now.as_micros()));
        }
    }

    /// Waits until the calendar shows `time`.
    pub async fn sleep_until(&self, time: Timestamp) {
        match &self.0 {
            Kind::System { ahead, .. } => loop {
                let set = ahead.set.notified();
                let left = time.since(self.now());
                if left.is_zero() {
                    return;
                }
                // The calendar may be set meanwhile.
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    () = set => {}
                }
            },
            Kind::Manual(now) => {
                // The sender lives in this clock, so waiting cannot fail.
                let _ = now.subscribe().wait_for(|now| now.calendar >= time).await;
            }
        }
    }

    /// Waits for `duration`, whatever the calendar shows.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until_steady(self.steady() + duration).await;
    }

    /// Waits until so much time has gone by since the clock was made.
    pub(crate) async fn sleep_until_steady(&self, time: Duration) {
        match &self.0 {
            Kind::System { start, .. } => {
                tokio::time::sleep(time.saturating_sub(start.elapsed())).await;
            }
            Kind::Manual(now) => {
                let _ = now.subscribe().wait_for(|now| now.steady >= time).await;
            }
        }
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

    #[tokio::test]
    async fn calendar_that_is_set_ends_the_waiting_for_what_is_due_and_no_other() {
        for clock in [Clock::system(), Clock::manual(Timestamp::from_micros(1_000_000_000_000))] {
            let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
            let due = clock.now() + hour;
            let set = async {
                tokio::task::yield_now().await;
                clock.set(due);
            };
            tokio::select! {
                biased;
                ((), ()) = async { tokio::join!(clock.sleep_until(due), set) } => {}
                () = clock.sleep(minute) => unreachable!("an hour of the calendar is no minute"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_a_second_takes_a_second_however_the_calendar_is_set() {
        for minutes in [-10, 10] {
            let clock = Clock::manual(Timestamp::from_micros(1_000_000_000_000));
            let mut sleep = std::pin::pin!(clock.sleep(Duration::from_secs(1)));
            clock.set(Timestamp::from_micros(1_000_000_000_000 + minutes * 60_000_000));
            let waited = tokio::time::timeout(Duration::from_secs(5), &mut sleep).await;
            assert!(waited.is_err(), "no time went by");
            clock.advance(Duration::from_secs(1));
            sleep.await;
        }
    }
}
