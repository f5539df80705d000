//! The pauses between tries at something that passes, and the few words that are said of it meanwhile.

use std::{fmt::Display, time::Duration};

use tokio::time::Instant;

const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);
/// At least this long lies between two lines about the same trouble.
const QUIET: Duration = Duration::from_secs(10);

/// Tries again and again, slower each time. One of these is about one kind of trouble of one loop.
#[derive(Debug)]
pub(crate) struct Backoff {
    what: &'static str,
    pause: Duration,
    said: Option<Instant>,
    /// Failures since the last line.
    unsaid: u64,
}

impl Backoff {
    /// `what` says in the log what waits: "results wait for the database".
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, pause: SHORTEST, said: None, unsaid: 0 }
    }

    /// It worked: the next trouble begins anew.
    pub(crate) fn reset(&mut self) {
        self.pause = SHORTEST;
    }

    /// Notes a failure in the log, at once when it is the first for a while, else in the count of a later line.
    pub(crate) fn note(&mut self, error: &impl Display) {
        self.unsaid += 1;
        if self.said.is_none_or(|said| said.elapsed() >= QUIET) {
            tracing::warn!(%error, failures = self.unsaid, "{}", self.what);
            self.said = Some(Instant::now());
            self.unsaid = 0;
        }
    }

    /// Notes a failure and waits until it is time to try again: longer each time up to a second, and spread, so
    /// that processes do not try in step.
    pub(crate) async fn wait(&mut self, error: &impl Display) {
        self.note(error);
        let spread = 0.75 + 0.5 * fastrand::f64();
        tokio::time::sleep(self.pause.mul_f64(spread)).await;
        self.pause = (self.pause * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_become_rarer_up_to_one_a_second_and_lines_up_to_one_in_ten() {
        let mut backoff = Backoff::new("a test waits");
        let begun = Instant::now();
        let mut lines = 0;
        for _ in 0..100 {
            backoff.wait(&"away").await;
            lines += u64::from(backoff.unsaid == 0);
        }
        let seconds = begun.elapsed().as_secs_f64();
        assert!((60.0..=125.0).contains(&seconds), "{seconds}");
        assert!((2..=14).contains(&lines), "{lines}");
        backoff.reset();
        assert_eq!(backoff.pause, SHORTEST);
    }
}
