//! Runs tasks until it is told to stop.

use std::time::{Duration, Instant};

use clap::Args;

use super::{
    Context, Done, Failure, output, printable::printable, program, service::Service, signals::Signals,
};
use crate::{
    api::{Checked, StartError, Tasker},
    config::redact,
    store::Location,
};

/// Run tasks, and serve them by HTTP, until SIGINT, SIGTERM or SIGHUP; waits for a database that is unavailable.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, context: Context, mut signals: Signals) -> Done {
        let (database, patience) = (context.location()?, context.patience());
        if database.is_in_memory() {
            let message = format!(
                "the database {database} is seen by this process alone, so nobody could submit a task to it: name a \
                 file, or a server"
            );
            return Err(Failure::usage(message));
        }
        let service = Service::bind(&context).await?;
        let prepared = context.builder()?.check()?;
        signals.take_over();
        let Some(tasker) = start(&prepared, &database, &mut signals).await? else { return Ok(()) };
        if let Err(failure) = service.check(&tasker).await {
            super::stopped(tasker, patience).await?;
            return Err(failure);
        }
        let templates = tasker.catalog().iter().count();
        let shown = printable(&database.to_string()).into_owned();
        output::say!("{} {templates} templates on {shown}; stop with Ctrl-C", output::green("running"));
        tasker.warnings().iter().for_each(|warning| output::warn(warning));
        service.say()?;
        let mut broken = false;
        let end = async {
            broken = signals.unless_stopped(tasker.broken()).await.is_some();
            output::say!(
                "stopping: waiting for running handlers; a second signal after two seconds stops at once"
            );
        };
        service.serve(&tasker, end).await;
        let stopped = super::stopped(tasker, patience).await;
        if broken {
            return Err(Failure::run(
                "a part of this worker failed, as the log says; it gave back what it could",
            )
            .try_all_this(format!("start it again: {}", program::command("serve"))));
        }
        stopped
    }
}

/// Starts, as soon as the database answers; `None` when a signal came first.
async fn start(
    prepared: &Checked,
    database: &Location,
    signals: &mut Signals,
) -> Result<Option<Tasker>, Failure> {
    let mut tries = Tries::default();
    loop {
        let error = match signals.unless_stopped(prepared.start()).await {
            None => return Ok(None),
            Some(Ok(tasker)) => return Ok(Some(tasker)),
            Some(Err(StartError::Store(error))) if error.is_away() => error,
            Some(Err(error)) => return Err(error.into()),
        };
        if tries.is_time_to_tell(Instant::now()) {
            let (waiting, error) = (output::yellow("waiting"), redact(&error.to_string()));
            let (database, error) = (database.to_string(), printable(&error));
            output::say!("{waiting} for {}: {error}; trying again, stop with Ctrl-C", printable(&database));
        }
        if signals.unless_stopped(tokio::time::sleep(tries.pause())).await.is_none() {
            return Ok(None);
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
