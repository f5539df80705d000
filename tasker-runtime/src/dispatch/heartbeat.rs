//! Keeps this process's leases alive and looks for those of processes that are gone.
//!
//! Recovery is the expiry of leases and nothing else, by whichever process looks next. A crash here lets the
//! leases of this process run out.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, oneshot};

use super::{
    backoff::Backoff,
    blocking::Blocked,
    claims::Claims,
    message::TaskLoops,
    notify::{Notification, Notifier},
    permits::Permits,
    pulse::Pulses,
    running::Running,
    shared::Shared,
    sightings::Sightings,
};
use crate::{
    model::{Timestamp, WorkerId, task_loop::Message},
    orchestration::{
        plans::CompiledTemplates,
        recover::{self, About},
    },
    store::{Result, Store, presence::Presence},
};

/// Tells the heartbeat of a process that a worker came or went.
#[derive(Debug, Default)]
pub(crate) struct Workers(Notify);

impl Workers {
    pub(crate) fn changed(&self) {
        self.0.notify_one();
    }
}

/// What a process says of itself.
pub(crate) struct Identity {
    name: String,
    plans: Arc<CompiledTemplates>,
    queues: Option<Vec<String>>,
}

impl Identity {
    /// Of a process that works for these queues; `None`: for all there are.
    pub(super) fn new(plans: Arc<CompiledTemplates>, queues: Option<Vec<String>>) -> Self {
        Self { name: format!("{}@{}", std::process::id(), host()), plans, queues }
    }

    pub(super) fn about(&self) -> About<'_> {
        let handlers = self.plans.registry().current().keys();
        About { name: &self.name, handlers, queues: self.queues.clone() }
    }
}

fn host() -> String {
    std::fs::read_to_string("/etc/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// The heartbeat of a process.
pub(crate) struct Heartbeat {
    pub shared: Arc<Shared>,
    pub identity: Identity,
    pub workers: Arc<Workers>,
    pub claims: Arc<Claims>,
    pub permits: Arc<Permits>,
    pub running: Arc<Running>,
    pub notifier: Notifier,
    pub loops: TaskLoops,
    /// This process's sign of life, under its number as a worker.
    pub presence: Presence,
    /// Whether the leases are worth renewing.
    pub pulses: Pulses,
    /// The database, over connections that nobody else uses once this runs.
    pub store: Store,
    /// The handlers that keep threads of the process's runtime to themselves.
    pub blocked: Arc<Blocked>,
    /// How many threads that runtime has.
    pub threads: usize,
    pub sightings: Sightings,
    /// Is told what came of the first beat.
    pub ready: Option<oneshot::Sender<Result<()>>>,
}

/// What others know of what runs here.
struct Told {
    activity: String,
    /// When they were told, by the steady clock.
    at: Duration,
}

impl Heartbeat {
    /// Beats until nothing is held or on loan any more, at a third of the lease, and looks for handlers that keep
    /// others waiting. It runs on a runtime of its own.
    pub(crate) async fn run(self) {
        let blocked = self.blocked.clone();
        tokio::select! {
            () = self.beat_on() => {}
            () = blocked.watch() => {}
        }
    }

    async fn beat_on(mut self) {
        match self.store.apart().await {
            Ok(store) => self.store = store,
            Err(error) => tracing::warn!(%error, "the lease is renewed over connections that others use too"),
        }
        let shared = self.shared.clone();
        let period = shared.settings.lease / 3;
        let mut trouble = Backoff::new("the lease could not be renewed");
        let mut stuck = Backoff::new("the lease is not renewed");
        let mut told = self.nothing_told();
        // The first beat only looks around: who else is there?
        let mut next = shared.clock.steady() + period;
        let first = self.beat(&mut told).await;
        if let Some(ready) = self.ready.take() {
            // Whoever started this may have stopped waiting.
            let _ = ready.send(first.map(drop));
        }
        loop {
            tokio::select! {
                () = shared.over.cancelled() => break,
                () = self.pulses.broken() => break,
                () = self.workers.0.notified() => {
                    if let Err(error) = self.look_around().await {
                        tracing::debug!(%error, "the next beat sees who else is there");
                    }
                    continue;
                }
                () = shared.clock.sleep_until_steady(next) => {}
            }
            // Counted from the beginning: one that takes long makes the next one no later.
            next = shared.clock.steady() + period;
            if let Err(error) = self.store.check_file() {
                // Whatever is done from here on is lost.
                return self.pulses.fail(&error.to_string());
            }
            let stuck_loop = self.pulses.stuck(shared.settings.lease);
            // What handlers keep from getting on gets on once they are done.
            if let Some(name) = stuck_loop.filter(|_| !self.blocked.keep_all(self.threads)) {
                // Others may have better luck with its tasks.
                stuck.note(&format!("the {name} has not got on for longer than a lease"));
                continue;
            }
            match self.beat(&mut told).await {
                Ok(true) => trouble.reset(),
                Ok(false) => {
                    self.replace_worker().await;
                    told = self.nothing_told();
                }
                Err(error) => trouble.note(&error),
            }
        }
    }

    /// A new worker: nothing is known of it.
    fn nothing_told(&self) -> Told {
        Told { activity: "[]".to_owned(), at: self.shared.clock.steady() }
    }

    async fn beat(&mut self, told: &mut Told) -> Result<bool> {
        let shared = self.shared.clone();
        let asked = shared.clock.now();
        match self.store.now().await? {
            Some(time) => shared.clock.follow(time, asked),
            None => shared.clock.follow_machine(),
        }
        let mut connection = self.store.writer().await?;
        let (now, steady) = shared.clock.both();
        let news = self.running.news(told.at, &told.activity);
        let (worker, lease) = (shared.worker(), shared.settings.lease);
        let alive = recover::heartbeat(&mut connection, worker, now, lease, news.as_deref()).await?;
        told.activity = news.unwrap_or_else(|| std::mem::take(&mut told.activity));
        told.at = steady;
        drop(connection);
        let mut freed = recover::take_back_gone(&self.store, now).await?;
        // The common case, in which nobody is gone, costs one question.
        let gone = self.look_around().await?;
        if !gone.is_empty() {
            freed += recover::take_back_all(&mut self.store.writer().await?, &gone, now).await?;
            self.look_around().await?;
        }
        if freed > 0 {
            tracing::info!(tasks = freed, "freed the tasks of a process that is gone");
            self.claims.any_queue_may_have_work();
        }
        Ok(alive)
    }

    /// Notes how many other workers there are to lend steps to, and says which of them are gone.
    async fn look_around(&mut self) -> Result<Vec<(WorkerId, Timestamp)>> {
        let shared = &self.shared;
        let mut workers = recover::live(&mut self.store.reader().await?).await?;
        workers.retain(|other| other.id != shared.worker());
        self.permits.set_other_workers(workers.len());
        let (now, steady) = shared.clock.both();
        Ok(self.sightings.gone(&workers, now, steady))
    }

    /// This process was taken for dead: others have its tasks. It forgets them and goes on as a new worker.
    async fn replace_worker(&mut self) {
        tracing::warn!("this worker was given up by others; it starts anew and drops what it held");
        self.loops.all(|| Message::Forget);
        match register(&self.store, &self.shared, &self.identity).await {
            Ok(worker) => {
                self.presence = Presence::show(&self.store, worker);
                self.shared.become_worker(worker);
                // What it held before is as free as that of any other.
                self.claims.any_queue_may_have_work();
                self.notifier.notify(Notification::Workers);
            }
            Err(error) => tracing::error!(%error, "could not register anew"),
        }
    }
}

async fn register(store: &Store, shared: &Shared, identity: &Identity) -> Result<WorkerId> {
    let mut connection = store.writer().await?;
    recover::register(&mut connection, &identity.about(), shared.clock.now(), shared.settings.lease).await
}
