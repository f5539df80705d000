//! The signals that ask a command to stop, listened to once from its start to its end.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::Failure;

/// Signals that come so soon after the first are one with it: whoever forwards a signal to a group of processes that
/// got it already doubles it, and a service manager may send a second kind along.
const ONE: Duration = Duration::from_secs(2);

/// What was asked of the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum StopRequest {
    /// Nothing.
    #[default]
    Nothing,
    /// To stop in order.
    Stop,
    /// To stop at once.
    Abort,
}

/// Tells a second signal from the first.
#[derive(Debug, Default)]
struct Count {
    first: Option<Instant>,
}

impl Count {
    fn note(&mut self, now: Instant) -> StopRequest {
        let first = *self.first.get_or_insert(now);
        if now.duration_since(first) < ONE { StopRequest::Stop } else { StopRequest::Abort }
    }
}

/// SIGINT, SIGTERM and SIGHUP, or Ctrl-C where there are no signals. Clones hear the same.
#[derive(Clone)]
pub(crate) struct Signals {
    asked: watch::Receiver<StopRequest>,
    taken_over: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on, as far as [`Listening::until`] is running.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> io::Result<(Self, Listening)> {
        let (tell, asked) = watch::channel(StopRequest::Nothing);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let kinds = Kinds::listen()?;
        drop(entered);
        Ok((Self { asked, taken_over: Arc::default() }, Listening { runtime, kinds, tell }))
    }

    /// From now on the command itself stops when it is asked to. Until then a signal ends it at once, as it may
    /// while nothing is held and nothing has been written.
    pub(crate) fn take_over(&self) {
        self.taken_over.store(true, Ordering::SeqCst);
    }

    /// Waits until the command is asked to stop.
    pub(crate) async fn stop(&mut self) {
        self.wait_for(StopRequest::Stop).await;
    }

    /// Waits until the process is to end, whatever the command does.
    pub(crate) async fn end(mut self) -> Failure {
        self.wait_for(StopRequest::Stop).await;
        if !self.taken_over.load(Ordering::SeqCst) {
            return Failure::interrupted("interrupted");
        }
        self.wait_for(StopRequest::Abort).await;
        Failure::interrupted("stopped at once; whatever this process held is free once its lease runs out")
    }

    /// What `future` gives, unless the command is asked to stop first.
    pub(crate) async fn unless_stopped<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop() => None,
            value = future => Some(value),
        }
    }

    async fn wait_for(&mut self, least: StopRequest) {
        if self.asked.wait_for(|asked| *asked >= least).await.is_err() {
            // Whoever listens does so until the process ends.
            std::future::pending::<()>().await;
        }
    }
}

/// Hears the signals, on a thread that does nothing else: whatever blocks the others, signals are heard.
pub(crate) struct Listening {
    runtime: tokio::runtime::Runtime,
    kinds: Kinds,
    tell: watch::Sender<StopRequest>,
}

impl Listening {
    /// Listens on this thread until `end` comes.
    pub(crate) fn until<T>(self, end: impl Future<Output = T>) -> T {
        let Self { runtime, mut kinds, tell } = self;
        let listen = async {
            let mut count = Count::default();
            loop {
                kinds.next().await;
                tell.send_replace(count.note(Instant::now()));
            }
        };
        runtime.block_on(async {
            tokio::select! {
                never = listen => never,
                end = end => end,
            }
        })
    }
}

/// The signals that are meant.
#[cfg(unix)]
struct Kinds {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Kinds {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hang_up = (!ignores_hang_up()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
        })
    }

    async fn next(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }
}

/// Whether the process was started to go on when its terminal goes away, as `nohup` does it.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is the first signal.
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
struct Kinds;

#[cfg(not(unix))]
impl Kinds {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without a handler for it the process ends by itself.
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_within_two_seconds_are_one_and_a_later_one_aborts() {
        let (mut count, start) = (Count::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(count.note(at(0)), StopRequest::Stop);
        assert_eq!(count.note(at(1)), StopRequest::Stop);
        assert_eq!(count.note(at(1_999)), StopRequest::Stop);
        assert_eq!(count.note(at(2_000)), StopRequest::Abort);
    }
}
