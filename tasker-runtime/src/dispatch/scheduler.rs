//! Starts the tasks of schedules when their ticks come. Every process does, for the templates it knows; who comes first
//! does it.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    backoff::Backoff,
    claims::Claims,
    command_loop::Commands,
    notify::{Notification, Notifier},
    polling::Polling,
    pulse::Pulse,
    shared::Shared,
};
use crate::{
    model::{Command, Timestamp},
    orchestration::{
        commands::{self, Delivery, Refused},
        plans::CompiledTemplates,
        schedules::{self, Look},
        view,
    },
    registry::{Catalog, catalog::full_name},
    store::Result,
};

/// How long it takes at most until a schedule is seen that another process made, where nobody tells of it.
const LOOK: Duration = Duration::from_secs(2);

/// How many schedules are moved on in one transaction.
const LOT: usize = 100;

/// How long those are left alone that another process has just locked.
const LOCKED: Duration = Duration::from_millis(50);

/// Tells the scheduler of a process that schedules were made or changed.
#[derive(Debug, Default)]
pub(crate) struct Schedules(Notify);

impl Schedules {
    pub(crate) fn changed(&self) {
        self.0.notify_one();
    }
}

/// The loop that starts the tasks of schedules.
pub(crate) struct Scheduler {
    pub shared: Arc<Shared>,
    pub schedules: Arc<Schedules>,
    pub catalog: Arc<Catalog>,
    pub plans: Arc<CompiledTemplates>,
    pub polling: Polling,
    pub claims: Arc<Claims>,
    pub commands: Arc<Commands>,
    pub notifier: Notifier,
    pub pulse: Pulse,
}

impl Scheduler {
    /// Runs until the engine stops.
    pub(crate) async fn run(self) {
        let templates: Vec<String> = self.catalog.iter().map(|template| full_name(template)).collect();
        let mut trouble = Backoff::new("schedules wait for the database");
        loop {
            self.pulse.beat();
            let next = match self.look(&templates).await {
                Ok(next) => {
                    trouble.reset();
                    next
                }
                Err(error) => {
                    tokio::select! {
                        () = self.shared.stopping.cancelled() => return,
                        () = trouble.wait(&error) => continue,
                    }
                }
            };
            self.pulse.rest();
            let pause = self.shared.clock.sleep(self.polling.spread(LOOK));
            tokio::select! {
                () = self.shared.stopping.cancelled() => return,
                () = self.schedules.0.notified() => {}
                () = self.shared.clock.sleep_until(next) => {}
                () = pause => {}
            }
        }
    }

    /// Moves on what is due, and says when the next one is.
    async fn look(&self, templates: &[String]) -> Result<Timestamp> {
        let shared = &self.shared;
        loop {
            let mut connection = shared.store.reader().await?;
            let limit = i64::try_from(LOT).unwrap_or(i64::MAX);
            let first = schedules::first(&mut connection, templates.to_vec(), limit).await?;
            drop(connection);
            let now = shared.clock.now();
            let (due, later): (Vec<Look>, Vec<Look>) = first.into_iter().partition(|look| look.at <= now);
            if due.is_empty() {
                return Ok(later.first().map_or(Timestamp::NEVER, |look| look.at));
            }
            for look in &due {
                if let Some(task) = look.cancels {
                    self.cancel(&look.name, task).await?;
                }
            }
            let names = due.into_iter().map(|look| look.name).collect();
            let mut connection = shared.store.writer().await?;
            let fired = schedules::fire(&mut connection, names, &self.catalog, now).await?;
            drop(connection);
            self.pulse.beat();
            for queue in fired.queues {
                self.claims.queue_has_work(&queue);
                self.notifier.notify(Notification::Queue(queue));
            }
            if fired.cancels {
                self.commands.pending();
                self.notifier.notify(Notification::Command);
            }
            if fired.seen == 0 {
                // Somebody else is about to.
                tokio::select! {
                    () = shared.stopping.cancelled() => return Ok(Timestamp::NEVER),
                    () = tokio::time::sleep(LOCKED) => {}
                }
            }
        }
    }

    /// Cancels the task of the last tick, unless it is over.
    async fn cancel(&self, schedule: &str, task: uuid::Uuid) -> Result<()> {
        let template = view::template(&mut self.shared.store.reader().await?, task).await?;
        let Some(template) = template else { return Ok(()) };
        // Known before a connection is held: to read it with another one, all may be waiting for each other.
        if let Err(error) = self.plans.kept(template).await {
            tracing::warn!(schedule, %task, %error, "the task of the last tick cannot be cancelled here");
            return Ok(());
        }
        let actor = format!("schedule {schedule}");
        let mut connection = self.shared.store.writer().await?;
        let known = |template| self.plans.known(template);
        let now = self.shared.clock.now();
        let by = Some(commands::Asker::without_reason(&actor));
        let asked = commands::ask(&mut connection, task, &Command::Cancel, by, now, known).await;
        drop(connection);
        match asked {
            Ok(Some(Delivery::LeftToHolder(_))) => {
                self.commands.pending();
                self.notifier.notify(Notification::Command);
                Ok(())
            }
            // It is over, or gone.
            Ok(_) | Err(Refused::Command(_)) => Ok(()),
            Err(Refused::Store(error)) => Err(error),
        }
    }
}
