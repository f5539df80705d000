//! Which workers are gone, as one sees who looks again and again.
//!
//! A worker whose lease ran out by the calendar is gone, and so is one that gave no sign of life for the length of
//! its lease by the steady clock of whoever looks on. So a calendar that is set back puts nothing off. One that is
//! set forwards makes every lease look as if it had run out: for the length of a lease afterwards only the steady
//! clock counts, and whoever lives has shown it by then.

use std::{collections::HashMap, time::Duration};

use crate::{
    model::{Timestamp, WorkerId},
    orchestration::recover::Worker,
};

/// What was seen of workers so far.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    /// Until when each said last that it lives, and by the steady clock, when that was seen first.
    said: HashMap<WorkerId, (Timestamp, Duration)>,
    /// What the two clocks showed at the last look.
    last: Option<(Timestamp, Duration)>,
    /// When the calendar was set forwards, by the steady clock.
    set_forwards: Option<Duration>,
}

/// A calendar that is further ahead than it could be was set; one that follows another is off by less.
const SET: Duration = Duration::from_secs(1);

impl Sightings {
    /// Looks at the workers that have not stopped, and returns those that are gone, each with what it said last.
    pub(crate) fn gone(
        &mut self,
        workers: &[Worker],
        now: Timestamp,
        steady: Duration,
    ) -> Vec<(WorkerId, Timestamp)> {
        if let Some((calendar, before)) = self.last.replace((now, steady))
            && now.since(calendar) > steady.saturating_sub(before) + SET
        {
            self.set_forwards = Some(steady);
        }
        let before = std::mem::take(&mut self.said);
        let mut gone = Vec::new();
        for worker in workers {
            let said = before.get(&worker.id).filter(|(said, _)| *said == worker.expires_at);
            let since = said.map_or(steady, |(_, since)| *since);
            self.said.insert(worker.id, (worker.expires_at, since));
            let lease = worker.expires_at.since(worker.seen_at);
            let silent = steady.saturating_sub(since) > lease;
            let trusted = self.set_forwards.is_none_or(|set| steady.saturating_sub(set) > lease);
            if silent || (trusted && worker.expires_at < now) {
                gone.push((worker.id, worker.expires_at));
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);
    const T0: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
    const TEN_MINUTES: i64 = 600_000_000;

    fn worker(id: i64, seen_at: Timestamp) -> Worker {
        Worker {
            id: WorkerId(id),
            name: String::new(),
            started_at: T0,
            seen_at,
            expires_at: seen_at + LEASE,
            handlers: Vec::new(),
            queues: None,
        }
    }

    /// Looks each five seconds, with a calendar that is set by so much after the second look, at a worker that is
    /// alive until that many looks were; how many looks it took to see that it is gone.
    fn looks(set: i64, alive: u64) -> Option<u64> {
        let mut sightings = Sightings::default();
        let mut seen_at = T0;
        (0..200).find(|look| {
            let steady = Duration::from_secs(look * 5);
            let now = (T0 + steady).shifted(if *look >= 2 { set } else { 0 });
            if *look < alive {
                seen_at = now;
            }
            // It beats after it was looked at.
            let shown = if *look == 2 && alive > 2 { T0 + Duration::from_secs(5) } else { seen_at };
            !sightings.gone(&[worker(1, shown)], now, steady).is_empty()
        })
    }

    #[test]
    fn who_gives_no_sign_of_life_for_a_lease_is_gone_however_the_calendar_was_set() {
        assert_eq!(looks(0, 1), Some(4), "at 20 seconds");
        assert_eq!(looks(-TEN_MINUTES, 1), Some(4));
        assert_eq!(looks(TEN_MINUTES, 1), Some(4));
    }

    #[test]
    fn who_lives_is_not_gone_however_the_calendar_was_set() {
        for set in [0, -TEN_MINUTES, TEN_MINUTES] {
            assert_eq!(looks(set, 200), None, "{set}");
        }
    }

    #[test]
    fn who_was_gone_before_anybody_looked_is_gone_at_the_first_look() {
        let mut sightings = Sightings::default();
        let gone = sightings.gone(&[worker(1, T0), worker(2, T0 + LEASE)], T0 + LEASE * 2, Duration::ZERO);
        assert_eq!(gone, [(WorkerId(1), T0 + LEASE)]);
    }
}
