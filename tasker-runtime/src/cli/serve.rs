//! Runs tasks until it is told to stop.

use clap::Args;

use super::{Context, Done, Failure, output};

/// Run tasks until SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, context: Context) -> Done {
        let mut signals = Signals::new().map_err(|error| Failure::run(format!("no signals: {error}")))?;
        let database = crate::store::shown(&context.database());
        let tasker = context.builder().start().await?;
        let templates = tasker.catalog().iter().count();
        eprintln!("{} {templates} templates on {database}; stop with Ctrl-C", output::green("running"));
        for warning in tasker.warnings() {
            eprintln!("{} {warning}", output::yellow("warning:"));
        }
        signals.next().await;
        eprintln!("stopping: what runs may come to an end; a second signal stops at once");
        tokio::select! {
            stopped = tasker.stop() => stopped.map_err(Failure::from),
            () = signals.next() => Err(Failure { code: 130, message: "stopped at once; what was held is free when its lease runs out".to_owned(), hint: None }),
        }
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
