//! Which handlers run in this process, and since when.
//!
//! A handler that is done at once is never noted here, so short steps cost nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use crate::{model::Timestamp, orchestration::activity};

/// So many attempts are told to other processes, the oldest first.
const MOST_TOLD: usize = 100;

/// The handlers that run in this process.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    /// By the steady clock, the oldest first; the second part of the key tells apart what was called at the same time.
    by_age: BTreeMap<(Duration, u64), Call>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Call {
    since: Timestamp,
    task: Uuid,
    step: Arc<str>,
    attempt: u32,
}

/// A handler runs as long as this is there.
#[derive(Debug)]
pub(crate) struct Noted<'a> {
    running: &'a Running,
    key: (Duration, u64),
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.running.lock().by_age.remove(&self.key);
    }
}

impl Running {
    /// Notes an attempt that was called at `since`, as the calendar and the steady clock showed it.
    pub(crate) fn note(
        &self,
        task: Uuid,
        step: Arc<str>,
        attempt: u32,
        (since, steady): (Timestamp, Duration),
    ) -> Noted<'_> {
        let mut calls = self.lock();
        let key = (steady, calls.next);
        calls.next += 1;
        calls.by_age.insert(key, Call { since, task, step, attempt });
        Noted { running: self, key }
    }

    /// What runs of `task`.
    pub(crate) fn of(&self, task: Uuid) -> Vec<activity::Running> {
        let calls = self.lock();
        calls.by_age.values().filter(|call| call.task == task).map(told).collect()
    }

    /// What has run since before `time`, by the steady clock, for other processes to read; `None` where it is what `told` says
    /// they know.
    pub(crate) fn news(&self, time: Duration, told_before: &str) -> Option<String> {
        let calls = self.lock();
        let long: Vec<_> =
            calls.by_age.range(..(time, 0)).take(MOST_TOLD).map(|(_, call)| told(call)).collect();
        drop(calls);
        let text = serde_json::to_string(&long).unwrap_or_default();
        (text != told_before).then_some(text)
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(call: &Call) -> activity::Running {
    let Call { since, task, step, attempt } = call;
    activity::Running { task: *task, step: step.to_string(), attempt: *attempt, since: since.as_micros() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    /// An attempt that was called then.
    fn note(running: &Running, second: u64) -> Noted<'_> {
        let since = Timestamp::default() + at(second);
        running.note(Uuid::nil(), "a".into(), 1, (since, at(second)))
    }

    fn since(text: &str) -> Vec<i64> {
        let running: Vec<activity::Running> = serde_json::from_str(text).unwrap();
        running.iter().map(|running| running.since / 1_000_000).collect()
    }

    #[test]
    fn only_what_changed_among_the_hundred_oldest_is_told() {
        let running = Running::default();
        assert_eq!(running.news(at(9), "[]"), None);
        let mut noted: Vec<_> = (0..150).rev().map(|second| note(&running, second)).collect();
        let text = running.news(at(120), "[]").unwrap();
        assert_eq!(since(&text), (0..100).collect::<Vec<_>>());
        assert_eq!(running.news(at(130), &text), None, "the younger ones are not told");
        assert_eq!(since(&running.news(at(5), &text).unwrap()), [0, 1, 2, 3, 4]);
        noted.pop();
        assert_eq!(since(&running.news(at(120), &text).unwrap()), (1..101).collect::<Vec<_>>());
        noted.clear();
        assert_eq!(running.news(at(120), &text).unwrap(), "[]");
    }
}
