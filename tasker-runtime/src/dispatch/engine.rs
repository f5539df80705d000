//! The running engine: its loops, started and stopped together.

use std::{sync::Arc, time::Duration};

use tokio::task::{AbortHandle, JoinHandle};
use uuid::Uuid;

use super::{
    borrow::{self, Borrower},
    claimer::Claimer,
    claims::{Claims, Room},
    command_loop::{CommandLoop, Commands},
    counters::Counters,
    driver::{self, Driver},
    file_changes,
    heartbeat::{Heartbeat, Identity, Workers},
    lend,
    listen::Listening,
    loans::Loans,
    message::TaskLoops,
    notify::{Notification, Notifier},
    offers::Offers,
    permits::Permits,
    polling::Polling,
    prepare::Calls,
    pulse::Pulses,
    running::Running,
    settings::Settings,
    shared::Shared,
    watch::Watchers,
};
use crate::{
    clock::Clock,
    handler::States,
    model::{Served, task_loop::Message},
    orchestration::{activity, plans::CompiledTemplates, recover},
    registry::Registry,
    store::{self, Store, presence::Presence},
};

/// How long a database may take to answer one that stops.
const ANSWER: Duration = Duration::from_secs(10);

/// What an engine is started from.
pub(crate) struct EngineConfig {
    pub store: Store,
    pub states: Arc<States>,
    pub plans: Arc<CompiledTemplates>,
    pub queues: Vec<String>,
    pub served: Served,
    pub settings: Settings,
    pub clock: Clock,
    pub notifier: Notifier,
    /// Who looks on from the first moment.
    pub watchers: Watchers,
}

/// A running engine.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    claims: Arc<Claims>,
    commands: Arc<Commands>,
    offers: Arc<Offers>,
    calls: Calls,
    watchers: Watchers,
    counters: Arc<Counters>,
    notifier: Notifier,
    pulses: Pulses,
    task_loops: TaskLoops,
    loops: Loops,
}

/// What runs, by when it ends.
struct Loops {
    claimer: JoinHandle<()>,
    drivers: Vec<JoinHandle<()>>,
    /// End when the engine is told to stop.
    first: Vec<JoinHandle<()>>,
    /// End once nothing is held or on loan any more.
    last: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Registers this process as a worker and starts its loops.
    pub(crate) async fn start(config: EngineConfig) -> store::Result<Self> {
        let EngineConfig { store, states, plans, queues, served, settings, clock, notifier, watchers } =
            config;
        let identity = Identity::new(plans.clone(), served.names());
        let worker = {
            let mut connection = store.writer().await?;
            recover::take_back_expired(&mut connection, clock.now()).await?;
            drop(connection);
            recover::take_back_gone(&store, clock.now()).await?;
            let mut connection = store.writer().await?;
            recover::register(&mut connection, &identity.about(), clock.now(), settings.lease).await?
        };
        let presence = Presence::show(&store, worker);
        notifier.notify(Notification::Workers);

        let shared = Arc::new(Shared::new(store, clock, settings, worker));
        let polling = Polling::new(shared.settings.wake, shared.store.is_postgres());
        let permits = Arc::new(Permits::new(shared.settings.concurrency, &plans.registry().current()));
        let (claims, hints) = Claims::new(shared.settings.window, queues, served.clone());
        let (commands, workers, loans): (Arc<Commands>, Arc<Workers>, Arc<Loans>) = Default::default();
        let offers = Arc::new(Offers::new(loans.clone(), permits.clone()));
        let (counters, running): (Arc<Counters>, Arc<Running>) = Default::default();
        let calls =
            Calls { shared: shared.clone(), states, permits: permits.clone(), running: running.clone() };

        let (task_loops, receivers) = TaskLoops::new(shared.settings.holds);
        let around = driver::Surroundings {
            calls: calls.clone(),
            plans: plans.clone(),
            claims: claims.clone(),
            commands: commands.clone(),
            loans: loans.clone(),
            offers: offers.clone(),
            notifier: notifier.clone(),
            watchers: watchers.clone(),
            counters: counters.clone(),
        };
        let pulses = Pulses::new();
        let drive = |receiver| {
            let driver = Driver::new(around.clone(), task_loops.clone(), pulses.of("task loop"));
            spawn(&pulses, "task loop", driver.run(receiver))
        };
        let drivers = receivers.into_iter().map(drive).collect();
        let seen = (counters.clone(), polling.clone());
        let beat = pulses.of("claimer");
        let claimer = Claimer::new(shared.clone(), claims.clone(), hints, seen, (task_loops.clone(), beat));
        let heartbeat = Heartbeat {
            shared: shared.clone(),
            identity,
            workers: workers.clone(),
            claims: claims.clone(),
            permits: permits.clone(),
            running,
            notifier: notifier.clone(),
            loops: task_loops.clone(),
            presence,
            pulses: pulses.clone(),
        };
        let command_loop = CommandLoop {
            shared: shared.clone(),
            commands: commands.clone(),
            polling: polling.clone(),
            plans: plans.clone(),
            claims: claims.clone(),
            loops: task_loops.clone(),
            pulse: pulses.of("command loop"),
        };
        let borrower = borrow::Surroundings {
            polling: polling.clone(),
            plans,
            served,
            offers: offers.clone(),
            loans: loans.clone(),
            notifier: notifier.clone(),
            counters: counters.clone(),
            pulse: pulses.of("borrower"),
        };
        let borrower = Borrower::new(calls.clone(), borrower);
        let lend = lend::run(shared.clone(), loans.clone(), task_loops.clone(), pulses.of("lender"));
        let look = file_changes::run(shared.clone(), loans.clone(), offers.clone(), permits);
        let last = vec![
            spawn(&pulses, "heartbeat", heartbeat.run()),
            spawn(&pulses, "lender", lend),
            spawn(&pulses, "look at the file", look),
        ];
        let mut first = vec![
            spawn(&pulses, "command loop", command_loop.run()),
            spawn(&pulses, "borrower", borrower.run()),
        ];
        if shared.settings.wake.listens() && shared.store.is_postgres() {
            let (claims, commands, offers) = (claims.clone(), commands.clone(), offers.clone());
            let listening =
                Listening { shared: shared.clone(), polling, claims, commands, offers, loans, workers };
            first.push(spawn(&pulses, "listener", listening.run()));
        }
        let loops = Loops { claimer: spawn(&pulses, "claimer", claimer.run()), drivers, first, last };
        Ok(Self {
            shared,
            claims,
            commands,
            offers,
            calls,
            watchers,
            counters,
            notifier,
            pulses,
            task_loops,
            loops,
        })
    }

    /// Who watches what in this process.
    pub(crate) fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// What was done here since the start.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns once one of the loops has failed: this process is no worker any more.
    pub(crate) async fn broken(&self) {
        self.pulses.broken().await;
    }

    /// What runs here of the task.
    pub(crate) fn running_of(&self, task: Uuid) -> Vec<activity::Running> {
        self.calls.running.of(task)
    }

    /// Says that `queue` has work.
    pub(crate) fn queue_has_work(&self, queue: &str) {
        self.claims.queue_has_work(queue);
    }

    /// Says that an operator asked something of a task.
    pub(crate) fn command_pending(&self) {
        self.commands.pending();
    }

    /// Goes on with the handlers that came: others are told of them, and what waits for them is looked at.
    pub(crate) async fn gain(&self, registry: &Registry) -> store::Result<()> {
        self.calls.permits.add(registry);
        let mut connection = self.shared.store.writer().await?;
        recover::set_handlers(&mut connection, self.shared.worker(), &registry.keys()).await?;
        self.offers.changed();
        Ok(())
    }

    /// Reserves room for one task of this queue, to be handed over; `None` when there is none.
    pub(crate) fn reserve(&self, queue: &str) -> Option<Room> {
        Room::reserve(&self.shared, &self.claims, &self.task_loops, queue)
    }

    /// Stops: claims nothing more, lets what runs come to an end for as long as the settings say, gives
    /// the rest back for others to claim at once. A database that does not answer is waited for ten seconds
    /// longer; then everything is dropped, and the lease runs out.
    pub(crate) async fn stop(self) -> store::Result<()> {
        let shared = self.shared.clone();
        let Loops { claimer, drivers, first, last } = &self.loops;
        let all = drivers.iter().chain(first).chain(last).chain([claimer]);
        let all: Vec<_> = all.map(JoinHandle::abort_handle).collect();
        tokio::select! {
            stopped = self.give_everything_back() => stopped,
            () = shared.clock.sleep(shared.settings.drain + ANSWER) => {
                all.iter().for_each(AbortHandle::abort);
                Err(store::Error::timed_out())
            }
        }
    }

    async fn give_everything_back(self) -> store::Result<()> {
        let Self { shared, claims, notifier, task_loops, loops, .. } = self;
        let Loops { claimer, drivers, first, last } = loops;
        shared.stopping.cancel();
        // The loops end by themselves; a panic in one of them was reported where it happened.
        let _ = claimer.await;
        task_loops.all(|| Message::Drain);
        let drained = async {
            for part in drivers.into_iter().chain(first) {
                let _ = part.await;
            }
        };
        let mut drained = std::pin::pin!(drained);
        if tokio::time::timeout(shared.settings.drain, &mut drained).await.is_err() {
            task_loops.all(|| Message::GiveBack);
            drained.await;
        }
        shared.over.cancel();
        for part in last {
            let _ = part.await;
        }
        for queue in claims.queues() {
            notifier.notify(Notification::Queue(queue.clone()));
        }
        notifier.flush().await;
        let mut connection = shared.store.writer().await?;
        // What slipped in between is freed as well.
        recover::take_back(&mut connection, shared.worker(), shared.clock.now()).await?;
        notifier.notify(Notification::Workers);
        Ok(())
    }
}

/// Runs a loop under the eyes of `pulses`.
fn spawn(
    pulses: &Pulses,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(pulses.clone().watch(name, work))
}
