//! The running engine: its loops, started and stopped together.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc::UnboundedReceiver, oneshot},
    task::{AbortHandle, JoinHandle},
};
use uuid::Uuid;

use super::{
    borrow::{self, Borrower},
    claimer::Claimer,
    claims::{Claims, Hint, Room},
    command_loop::{CommandLoop, Commands},
    counters::Counters,
    driver::{self, Driver},
    event_bus::EventBus,
    families::{Asked, Families, FamilyLoop},
    fast::{Fast, FastQueue},
    file_changes,
    heartbeat::{Heartbeat, Identity, Workers},
    keeper, lend,
    listen::Listening,
    loans::Loans,
    message::{Message, TaskLoops},
    notify::{Notification, Notifier},
    offers::Offers,
    permits::Permits,
    polling::Polling,
    prepare::Calls,
    pulse::Pulses,
    retention::Pruner,
    scheduler::{Scheduler, Schedules},
    settings::Settings,
    shared::Shared,
    sightings::Sightings,
    subscriptions::{self, Subscriptions},
    turnstile::{Turns, Turnstile},
    watch::Watchers,
};
use crate::{
    clock::Clock,
    handler::{States, Subscriber},
    model::{Served, TaskNo, WorkerId, task_loop},
    orchestration::{activity, plans::CompiledTemplates, recover},
    registry::{Catalog, Registry},
    store::{self, Session, Store, presence::Presence},
};

/// How long a database may take to answer one that stops.
const ANSWER: Duration = Duration::from_secs(10);

/// What an engine is started from.
pub(crate) struct EngineConfig {
    pub store: Store,
    pub states: Arc<States>,
    pub subscribers: Vec<Subscriber>,
    pub plans: Arc<CompiledTemplates>,
    /// What tasks are started of.
    pub catalog: Arc<Catalog>,
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
    parts: Parts,
    loops: Loops,
}

/// What the loops of an engine are made of: what all use, and a handle to each that others speak to.
struct Parts {
    shared: Arc<Shared>,
    plans: Arc<CompiledTemplates>,
    served: Served,
    polling: Polling,
    pulses: Pulses,
    task_loops: TaskLoops,
    claims: Arc<Claims>,
    commands: Arc<Commands>,
    schedules: Arc<Schedules>,
    turns: Turns,
    families: Families,
    catalog: Arc<Catalog>,
    workers: Arc<Workers>,
    loans: Arc<Loans>,
    offers: Arc<Offers>,
    calls: Calls,
    notifier: Notifier,
    watchers: Watchers,
    counters: Arc<Counters>,
    events: EventBus,
    /// Those that are durable.
    subscribers: Vec<Subscriber>,
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
        let EngineConfig {
            store,
            states,
            subscribers,
            plans,
            catalog,
            queues,
            served,
            settings,
            clock,
            notifier,
            watchers,
        } = config;
        let (fast, subscribers): (Vec<_>, Vec<_>) = subscribers.into_iter().partition(Subscriber::is_fast);
        subscriptions::put(&store, &subscribers, clock.now()).await?;
        let identity = Identity::new(plans.clone(), served.names());
        let mut sessions = own_sessions(&store, &settings).await?;
        let registered = register(&store, &identity, &settings, &clock).await;
        let needed = own_connections(&settings);
        let worker = registered.map_err(|error| error.of_connections(needed - 2, needed))?;
        let presence = Presence::show(&store, worker);
        notifier.notify(Notification::Workers);

        let polling = Polling::new(settings.wake, store.can_listen());
        let permits = Arc::new(Permits::new(settings.concurrency, &plans.registry().current()));
        let (claims, hints) = Claims::new(settings.window, queues, served.clone());
        let (task_loops, receivers) = TaskLoops::new(settings.holds);
        let shared = Arc::new(Shared::new(store, clock, settings, worker));
        let loans: Arc<Loans> = Arc::default();
        let (turns, over) = Turns::new();
        let (families, asked) = Families::new();
        let parts = Parts {
            offers: Arc::new(Offers::new(loans.clone(), permits.clone())),
            calls: Calls { shared: shared.clone(), states, permits, running: Arc::default() },
            shared,
            plans,
            served,
            polling,
            pulses: Pulses::new(),
            task_loops,
            claims,
            commands: Arc::default(),
            schedules: Arc::default(),
            turns,
            families,
            catalog,
            workers: Arc::default(),
            loans,
            notifier,
            watchers,
            counters: Arc::default(),
            events: EventBus::new(fast.into_iter().map(|subscriber| Arc::new(FastQueue::new(subscriber)))),
            subscribers,
        };
        let claimer = sessions.pop().unwrap_or_else(|| parts.shared.store.session());
        let last = parts.kept_alive(identity, presence, (over, asked)).await?;
        let loops = Loops {
            last,
            drivers: parts.drivers(sessions.into_iter().zip(receivers)),
            claimer: parts.claimer(claimer, hints),
            first: parts.first(),
        };
        Ok(Self { parts, loops })
    }

    /// Who watches what in this process.
    pub(crate) fn watchers(&self) -> &Watchers {
        &self.parts.watchers
    }

    /// What tells of events whose steps ran here.
    pub(crate) fn events(&self) -> &EventBus {
        &self.parts.events
    }

    /// What was done here since the start.
    pub(crate) fn counters(&self) -> &Counters {
        &self.parts.counters
    }

    /// Returns once one of the loops has failed: this process is no worker any more.
    pub(crate) async fn broken(&self) {
        self.parts.pulses.broken().await;
    }

    /// What runs here of the task.
    pub(crate) fn running_of(&self, task: Uuid) -> Vec<activity::Running> {
        self.parts.calls.running.of(task)
    }

    /// Says that `queue` has work.
    pub(crate) fn queue_has_work(&self, queue: &str) {
        self.parts.claims.queue_has_work(queue);
    }

    /// Says that an operator asked something of a task.
    pub(crate) fn command_pending(&self) {
        self.parts.commands.pending();
    }

    /// Says that a schedule was made or changed.
    pub(crate) fn schedules_changed(&self) {
        self.parts.schedules.changed();
    }

    /// Goes on with the handlers that came: others are told of them, and what waits for them is looked at.
    pub(crate) async fn gain(&self, registry: &Registry) -> store::Result<()> {
        self.parts.calls.permits.add(registry);
        let mut connection = self.parts.shared.store.writer().await?;
        recover::set_handlers(&mut connection, self.parts.shared.worker(), &registry.keys()).await?;
        self.parts.offers.changed();
        Ok(())
    }

    /// Reserves room for one task of this queue, to be handed over; `None` when there is none.
    pub(crate) fn reserve(&self, queue: &str) -> Option<Room> {
        Room::reserve(&self.parts.shared, &self.parts.claims, &self.parts.task_loops, queue)
    }

    /// Stops: claims nothing more, lets what runs come to an end for as long as the settings say, gives
    /// the rest back for others to claim at once. A database that does not answer is waited for ten seconds
    /// longer; then everything is dropped, and the lease runs out.
    pub(crate) async fn stop(self) -> store::Result<()> {
        let shared = self.parts.shared.clone();
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
        let Self { parts: Parts { shared, claims, notifier, task_loops, .. }, loops } = self;
        let Loops { claimer, drivers, first, last } = loops;
        shared.stopping.cancel();
        // The loops end by themselves; a panic in one of them was reported where it happened.
        let _ = claimer.await;
        task_loops.all(|| task_loop::Message::Drain);
        let drained = async {
            for part in drivers.into_iter().chain(first) {
                let _ = part.await;
            }
        };
        let mut drained = std::pin::pin!(drained);
        if tokio::time::timeout(shared.settings.drain, &mut drained).await.is_err() {
            task_loops.all(|| task_loop::Message::GiveBack);
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
        let (worker, now) = (shared.worker(), shared.clock.now());
        recover::take_back(&mut connection, worker, now, recover::Why::Stopped).await?;
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

/// How many connections to a PostgreSQL server a worker cannot do without: one for each task loop, one to claim, one
/// for the heartbeat, and one of its pool.
pub(crate) const fn own_connections(settings: &Settings) -> usize {
    settings.holds + 3
}

/// The connections of the task loops and, last, of the claimer, each of them open: what is held must be recordable.
async fn own_sessions(store: &Store, settings: &Settings) -> store::Result<Vec<Session>> {
    let mut sessions = Vec::with_capacity(settings.holds + 1);
    while sessions.len() <= settings.holds {
        let mut session = store.session();
        let opened = session.ready().await;
        opened.map_err(|error| error.of_connections(sessions.len() + 1, own_connections(settings)))?;
        sessions.push(session);
    }
    Ok(sessions)
}

/// Frees what processes that are gone held, and registers this one.
async fn register(
    store: &Store,
    identity: &Identity,
    settings: &Settings,
    clock: &Clock,
) -> store::Result<WorkerId> {
    recover::take_back_expired(&mut store.writer().await?, clock.now()).await?;
    recover::take_back_gone(store, clock.now()).await?;
    let mut connection = store.writer().await?;
    recover::register(&mut connection, &identity.about(), clock.now(), settings.lease).await
}

impl Parts {
    fn drivers(
        &self,
        loops: impl Iterator<Item = (Session, UnboundedReceiver<Message>)>,
    ) -> Vec<JoinHandle<()>> {
        let around = driver::Surroundings {
            calls: self.calls.clone(),
            plans: self.plans.clone(),
            claims: self.claims.clone(),
            commands: self.commands.clone(),
            loans: self.loans.clone(),
            turns: self.turns.clone(),
            families: self.families.clone(),
            offers: self.offers.clone(),
            notifier: self.notifier.clone(),
            watchers: self.watchers.clone(),
            counters: self.counters.clone(),
            events: self.events.clone(),
        };
        let drive = |(session, receiver)| {
            let pulse = self.pulses.of("task loop");
            let driver = Driver::new(around.clone(), session, self.task_loops.clone(), pulse);
            spawn(&self.pulses, "task loop", driver.run(receiver))
        };
        loops.map(drive).collect()
    }

    fn claimer(&self, session: Session, hints: UnboundedReceiver<Hint>) -> JoinHandle<()> {
        let seen = (self.counters.clone(), self.polling.clone());
        let told = (self.task_loops.clone(), self.pulses.of("claimer"));
        let claimer = Claimer::new((self.shared.clone(), session), self.claims.clone(), hints, seen, told);
        spawn(&self.pulses, "claimer", claimer.run())
    }

    /// The loops that end when the engine is told to stop.
    fn first(&self) -> Vec<JoinHandle<()>> {
        let command_loop = CommandLoop {
            shared: self.shared.clone(),
            commands: self.commands.clone(),
            polling: self.polling.clone(),
            plans: self.plans.clone(),
            claims: self.claims.clone(),
            turns: self.turns.clone(),
            loops: self.task_loops.clone(),
            pulse: self.pulses.of("command loop"),
        };
        let around = borrow::Surroundings {
            polling: self.polling.clone(),
            plans: self.plans.clone(),
            served: self.served.clone(),
            offers: self.offers.clone(),
            loans: self.loans.clone(),
            notifier: self.notifier.clone(),
            counters: self.counters.clone(),
            events: self.events.clone(),
            pulse: self.pulses.of("borrower"),
        };
        let borrower = Borrower::new(self.calls.clone(), around);
        let mut first = vec![
            spawn(&self.pulses, "command loop", command_loop.run()),
            spawn(&self.pulses, "borrower", borrower.run()),
        ];
        // Without templates there is nothing that could start.
        if self.catalog.iter().next().is_some() {
            first.push(spawn(&self.pulses, "scheduler", self.scheduler().run()));
        }
        self.add_subscribers(&mut first);
        if self.shared.settings.retention.is_limited() {
            let pruner = Pruner { shared: self.shared.clone(), pulse: self.pulses.of("pruner") };
            first.push(spawn(&self.pulses, "pruner", pruner.run()));
        }
        if self.shared.settings.wake.listens() && self.shared.store.can_listen() {
            let listening = Listening {
                shared: self.shared.clone(),
                polling: self.polling.clone(),
                claims: self.claims.clone(),
                commands: self.commands.clone(),
                offers: self.offers.clone(),
                loans: self.loans.clone(),
                workers: self.workers.clone(),
                schedules: self.schedules.clone(),
            };
            first.push(spawn(&self.pulses, "listener", listening.run()));
        }
        first
    }

    /// The loops that tell the subscribers of this process of events; none where there are no subscribers.
    fn add_subscribers(&self, loops: &mut Vec<JoinHandle<()>>) {
        let Self { shared, pulses, calls, .. } = self;
        if !self.subscribers.is_empty() {
            let subscriptions = Subscriptions {
                shared: shared.clone(),
                plans: self.plans.clone(),
                states: calls.states.clone(),
                subscribers: self.subscribers.clone(),
                events: self.events.clone(),
                polling: self.polling.clone(),
                pulse: pulses.of("subscriptions"),
            };
            loops.push(spawn(pulses, "subscriptions", subscriptions.run()));
        }
        for queue in self.events.queues() {
            let fast = Fast { shared: shared.clone(), states: calls.states.clone(), queue: queue.clone() };
            loops.push(spawn(pulses, "fast subscriber", fast.run()));
        }
    }

    fn turnstile(&self) -> Turnstile {
        Turnstile {
            shared: self.shared.clone(),
            claims: self.claims.clone(),
            notifier: self.notifier.clone(),
            pulse: self.pulses.of("turnstile"),
            looks: self.catalog.iter().any(|template| !template.concurrency().is_empty()),
        }
    }

    fn family_loop(&self) -> FamilyLoop {
        FamilyLoop {
            shared: self.shared.clone(),
            catalog: self.catalog.clone(),
            plans: self.plans.clone(),
            claims: self.claims.clone(),
            notifier: self.notifier.clone(),
            loops: self.task_loops.clone(),
            pulse: self.pulses.of("family loop"),
        }
    }

    fn scheduler(&self) -> Scheduler {
        Scheduler {
            shared: self.shared.clone(),
            schedules: self.schedules.clone(),
            catalog: self.catalog.clone(),
            plans: self.plans.clone(),
            polling: self.polling.clone(),
            claims: self.claims.clone(),
            commands: self.commands.clone(),
            notifier: self.notifier.clone(),
            pulse: self.pulses.of("scheduler"),
        }
    }

    /// Starts the loops that end once nothing is held or on loan any more, as soon as the heartbeat has given its
    /// first sign of life.
    async fn kept_alive(
        &self,
        identity: Identity,
        presence: Presence,
        asked: (UnboundedReceiver<TaskNo>, Asked),
    ) -> store::Result<Vec<JoinHandle<()>>> {
        let (ready, is_ready) = oneshot::channel();
        let last = self.last(identity, presence, (asked, ready));
        // Without a word it has failed, which is told where it did.
        let Err(error) = is_ready.await.unwrap_or(Ok(())) else { return Ok(last) };
        self.shared.over.cancel();
        for part in last {
            let _ = part.await;
        }
        let needed = own_connections(&self.shared.settings);
        Err(error.of_connections(needed - 1, needed))
    }

    /// The loops that end once nothing is held or on loan any more.
    fn last(
        &self,
        identity: Identity,
        presence: Presence,
        ((over, asked), ready): ((UnboundedReceiver<TaskNo>, Asked), oneshot::Sender<store::Result<()>>),
    ) -> Vec<JoinHandle<()>> {
        let Self { shared, loans, offers, calls, pulses, .. } = self;
        let heartbeat = Heartbeat {
            shared: shared.clone(),
            identity,
            workers: self.workers.clone(),
            claims: self.claims.clone(),
            permits: calls.permits.clone(),
            running: calls.running.clone(),
            notifier: self.notifier.clone(),
            loops: self.task_loops.clone(),
            presence,
            pulses: pulses.clone(),
            store: shared.store.clone(),
            blocked: Arc::default(),
            threads: tokio::runtime::Handle::current().metrics().num_workers(),
            sightings: Sightings::default(),
            ready: Some(ready),
        };
        let (loops, pulse) = (self.task_loops.clone(), pulses.of("lender"));
        let lend = lend::run(shared.clone(), loans.clone(), loops, pulse);
        let look = file_changes::run(shared.clone(), loans.clone(), offers.clone(), calls.permits.clone());
        vec![
            keeper::spawn(pulses, "heartbeat", heartbeat.run()),
            spawn(pulses, "lender", lend),
            spawn(pulses, "turnstile", self.turnstile().run(over)),
            spawn(pulses, "family loop", self.family_loop().run(asked)),
            spawn(pulses, "look at the file", look),
        ]
    }
}
