//! Runs tasks until it is told to stop.

use std::time::{Duration, Instant};

use clap::Args;

use super::{Context, Done, Failure, output};
use crate::api::{Checked, StartError, Tasker};

/// Run tasks until SIGINT or SIGTERM; waits for a database that is away.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, context: Context) -> Done {
        let mut signals = Signals::new().map_err(|error| Failure::run(format!("no signals: {error}")))?;
        let database = crate::store::shown(&context.database());
        let prepared = context.builder().check()?;
        let Some(tasker) = start(&prepared, &database, &mut signals).await? else { return Ok(()) };
        let templates = tasker.catalog().iter().count();
        output::say!("{} {templates} templates on {database}; stop with Ctrl-C", output::green("running"));
        for warning in tasker.warnings() {
            output::say!("{} {warning}", output::yellow("warning:"));
        }
        signals.next().await;
        output::say!("stopping: what runs may come to an end; a second signal stops at once");
        tokio::select! {
            stopped = tasker.stop() => stopped.map_err(Failure::from),
            () = signals.next() => Err(Failure { code: 130, message: "stopped at once; what was held is free when its lease runs out".to_owned(), hint: None }),
        }
    }
}

/// Starts, as soon as the database answers; `None` when a signal came first.
async fn start(prepared: &Checked, database: &str, signals: &mut Signals) -> Result<Option<Tasker>, Failure> {
    let mut tries = Tries::default();
    loop {
        let error = tokio::select! {
            started = prepared.start() => match started {
                Ok(tasker) => return Ok(Some(tasker)),
                Err(StartError::Store(error)) if error.is_away() => error,
                Err(error) => return Err(error.into()),
            },
            () = signals.next() => return Ok(None),
        };
        if tries.is_time_to_tell(Instant::now()) {
            let waiting = output::yellow("waiting");
            output::say!("{waiting} for {database}: {error}; trying on, stop with Ctrl-C");
        }
        tokio::select! {
            () = tokio::time::sleep(tries.pause()) => {}
            () = signals.next() => return Ok(None),
        }
    }
}

/// How often a database that does not answer yet is tried, and how often that is told.
#[derive(Debug, Default)]
struct Tries {
    failed: u32,
    told: Option<Instant>,
}

impl Tries {
    /// The pause after one more try failed: 250 ms, then always twice as long, up to 5 s.
    fn pause(&mut self) -> Duration {
        let pause = Duration::from_millis(250) * 2_u32.pow(self.failed.min(5));
        self.failed = self.failed.saturating_add(1);
        pause.min(Duration::from_secs(5))
    }

    /// Whether to tell of a failure at `now`: the first time, and once ten seconds have gone by since.
    fn is_time_to_tell(&mut self, now: Instant) -> bool {
        let time = self.told.is_none_or(|told| now.duration_since(told) >= Duration::from_secs(10));
        if time {
            self.told = Some(now);
        }
        time
    }
}

/// SIGINT and SIGTERM, or Ctrl-C where there are no signals.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next one.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        // Without a handler for it the process ends by itself.
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_is_tried_ever_less_often() {
        let mut tries = Tries::default();
        let pauses: Vec<_> = (0..8).map(|_| tries.pause().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
        tries.failed = u32::MAX;
        assert_eq!(tries.pause().as_secs(), 5);
    }

    #[test]
    fn silence_is_told_at_most_every_ten_seconds() {
        let (mut tries, start) = (Tries::default(), Instant::now());
        let told: Vec<u64> =
            (0..25).filter(|second| tries.is_time_to_tell(start + Duration::from_secs(*second))).collect();
        assert_eq!(told, [0, 10, 20]);
    }
}
