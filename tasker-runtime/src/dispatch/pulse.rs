//! Whether the loops of a process get on with their work: a lease is renewed only while they do.
//!
//! A loop that waits for something to do is well. One that does something has to be back, or to have heard from
//! the database at least, within a lease; else the process goes on renewing what it cannot move on, and nobody
//! else may. A loop that panicked is never well again.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::call::{Caught, panic_message};

/// The pulses of a process's loops.
#[derive(Clone, Debug)]
pub(crate) struct Pulses {
    start: Instant,
    loops: Arc<Mutex<Vec<Pulse>>>,
    /// A loop panicked.
    broken: CancellationToken,
}

/// The pulse of one loop.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    name: &'static str,
    start: Instant,
    /// Milliseconds since the start when it was last heard of, plus one; 0 while it waits for something to do.
    heard: Arc<AtomicU64>,
}

impl Pulses {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), loops: Arc::default(), broken: CancellationToken::new() }
    }

    /// The pulse of a further loop; `name` is for the log.
    pub(super) fn of(&self, name: &'static str) -> Pulse {
        let pulse = Pulse { name, start: self.start, heard: Arc::default() };
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).push(pulse.clone());
        pulse
    }

    /// The loop that has not been heard of for longer than `limit`, if there is one.
    pub(super) fn stuck(&self, limit: Duration) -> Option<&'static str> {
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.iter().find(|pulse| pulse.silence() > limit).map(|pulse| pulse.name)
    }

    /// Returns once a loop has panicked: this process cannot go on.
    pub(crate) async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// Says that this process cannot go on, and why.
    pub(super) fn fail(&self, why: &str) {
        tracing::error!("{why}; the leases of this worker are no longer renewed");
        self.broken.cancel();
    }

    /// Runs a loop; when it panics, says so and breaks the process.
    pub(super) async fn watch(self, name: &'static str, work: impl Future<Output = ()> + Send) {
        let work = pin!(work);
        if let Err(panic) = Caught(work).await {
            let message = panic_message(&*panic);
            self.fail(&format!("the {name} of this worker failed and cannot go on: {message}"));
        }
    }
}

impl Pulse {
    /// Says that the loop does something, or got on with it.
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.heard.store(now + 1, Ordering::Relaxed);
    }

    /// Says that the loop waits for something to do.
    pub(super) fn rest(&self) {
        self.heard.store(0, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        match self.heard.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            heard => self.start.elapsed().saturating_sub(Duration::from_millis(heard - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loop_that_is_at_work_for_too_long_is_stuck_and_one_that_waits_is_not() {
        let mut pulses = Pulses::new();
        let (busy, idle) = (pulses.of("claimer"), pulses.of("driver"));
        busy.beat();
        idle.beat();
        idle.rest();
        assert_eq!(pulses.stuck(Duration::from_secs(1)), None);
        // As if all this had been a minute ago.
        let earlier = Instant::now().checked_sub(Duration::from_secs(60)).unwrap_or(pulses.start);
        pulses.start = earlier;
        pulses
            .loops
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter_mut()
            .for_each(|p| p.start = earlier);
        assert_eq!(pulses.stuck(Duration::from_secs(1)), Some("claimer"));
        let busy = Pulse { start: earlier, ..busy };
        busy.beat();
        assert_eq!(pulses.stuck(Duration::from_secs(1)), None, "it got on");
    }

    #[tokio::test]
    async fn process_whose_loop_panics_is_broken() {
        let pulses = Pulses::new();
        pulses.clone().watch("claimer", async {}).await;
        assert!(!pulses.broken.is_cancelled(), "it ended as it should");
        #[allow(clippy::panic)]
        let work = async { panic!("out of luck") };
        pulses.clone().watch("driver", work).await;
        pulses.broken().await;
    }
}
