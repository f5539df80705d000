//! The running engine: its parts, started and stopped together.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{
        Notify,
        mpsc::{UnboundedSender, unbounded_channel},
    },
    task::{AbortHandle, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use super::{
    alive,
    announce::{Announcer, News},
    borrow::Borrower,
    driver::Driver,
    file_changes, lend, listen,
    loans::Loans,
    message::TaskLoops,
    permits::Permits,
    running::Running,
    settings::Settings,
    take::{Hint, Take},
    watch::Watchers,
};
use crate::{
    clock::Clock,
    config::Wake,
    handler::States,
    model::{Served, Timestamp, WorkerId, task_loop::Message},
    orchestration::{
        claim::Claimed,
        plans::CompiledTemplates,
        recover::{self, About},
    },
    registry::Registry,
    store::{self, Store, presence::Presence},
};

/// How long a database may take to answer one that stops.
const ANSWER: Duration = Duration::from_secs(10);

/// What an engine has done since it started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub claims: AtomicU64,
    pub writes: AtomicU64,
    pub results: AtomicU64,
    pub failures: AtomicU64,
    /// Outcomes that came after their lease was lost.
    pub late: AtomicU64,
}

/// What the engine's loops share.
pub(crate) struct Shared {
    pub store: Store,
    pub clock: Clock,
    pub settings: Settings,
    pub states: Arc<States>,
    pub plans: Arc<CompiledTemplates>,
    pub watchers: Watchers,
    pub counters: Counters,
    pub permits: Arc<Permits>,
    /// The handlers that run now.
    pub running: Arc<Running>,
    /// This worker's number; it changes when others took the process for dead.
    pub worker: AtomicI64,
    pub name: String,
    /// The queues of the templates known here, as far as they are served.
    pub queues: Vec<String>,
    pub served: Served,
    /// Tasks held, those on their way to a hold loop included.
    pub held: AtomicUsize,
    /// Says that a task was let go.
    pub room: Notify,
    /// The database did not answer something that gives this worker tasks or takes them away: it may hold
    /// some that no hold loop knows of.
    pub unsure: AtomicBool,
    /// Tells other processes.
    pub announcer: Announcer,
    /// This process's sign of life, under its number as a worker.
    presence: Mutex<Presence>,
    /// Says that a worker came or went.
    pub met: Notify,
    /// The steps this process has lent.
    pub lent: Loans,
    /// Says that other processes offer steps.
    pub offered: Notify,
    /// There may be offers that this process had no room for.
    pub passed_over: AtomicBool,
    /// Says that a lent step came back.
    pub returned: Notify,
    /// Says that an operator asked something of a task.
    pub asked: Notify,
    /// Other processes tell this one of what they make.
    pub listening: AtomicBool,
    pub stopping: CancellationToken,
    /// Set after `stopping`, once nothing is held or on loan here any more.
    pub over: CancellationToken,
    hints: UnboundedSender<Hint>,
}

impl Shared {
    pub(crate) fn worker(&self) -> WorkerId {
        WorkerId(self.worker.load(Ordering::Acquire))
    }

    /// What this process says of itself.
    pub(crate) fn about(&self) -> About<'_> {
        let handlers = self.plans.registry().current().keys();
        About { name: &self.name, handlers, queues: self.served.names() }
    }

    /// Notes that a task is held here no more, or will not come: there is room for another.
    pub(crate) fn make_room(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.room.notify_one();
    }

    /// Has offers looked at again, if there is room now: those passed over for want of it, and this process's
    /// own that nobody has taken.
    pub(crate) fn look_at_offers(&self) {
        let any = self.passed_over.load(Ordering::SeqCst) || !self.lent.is_empty();
        if any && self.permits.free() > 0 {
            self.offered.notify_one();
        }
    }

    /// Goes on with the handlers that came: others are told of them, and what waits for them is looked at.
    pub(crate) async fn gain(&self, registry: &Registry) -> store::Result<()> {
        self.permits.add(registry);
        let mut connection = self.store.writer().await?;
        recover::set_handlers(&mut connection, self.worker(), &registry.keys()).await?;
        self.offered.notify_one();
        Ok(())
    }

    /// Goes on under a new number.
    pub(crate) fn become_worker(&self, worker: WorkerId) {
        let presence = Presence::show(&self.store, worker);
        *self.presence.lock().unwrap_or_else(PoisonError::into_inner) = presence;
        self.worker.store(worker.0, Ordering::Release);
    }

    /// How often what others make is looked for, where nobody tells of it: `usual`, and a tenth as often while
    /// they do tell.
    pub(crate) fn pause(&self, usual: Duration) -> Duration {
        let told = match self.settings.wake {
            Wake::PollingOnly => false,
            Wake::EventDrivenOnly => self.store.is_postgres(),
            Wake::Hybrid => self.listening.load(Ordering::Relaxed),
        };
        if told { usual * 10 } else { usual }
    }

    /// Says that `queue` has work, which matters where it is served.
    pub(crate) fn hint(&self, queue: &str) {
        if self.served.has(queue) {
            let _ = self.hints.send(Hint::Now(queue.to_owned()));
        }
    }

    /// Says that `queue` has work that is due at `time`.
    pub(crate) fn hint_at(&self, queue: &str, time: Timestamp) {
        if self.served.has(queue) {
            let _ = self.hints.send(Hint::At(queue.to_owned(), time));
        }
    }

    /// Says that the store may have given this worker tasks, or kept some for it, without its knowing.
    pub(crate) fn leases_unknown(&self) {
        self.unsure.store(true, Ordering::Relaxed);
    }

    /// Says that any queue may have work.
    pub(crate) fn hint_all(&self) {
        for queue in &self.queues {
            self.hint(queue);
        }
    }
}

/// What an engine is started from.
pub(crate) struct Parts {
    pub store: Store,
    pub states: Arc<States>,
    pub plans: Arc<CompiledTemplates>,
    pub queues: Vec<String>,
    pub served: Served,
    pub settings: Settings,
    pub clock: Clock,
    pub announcer: Announcer,
    /// Who looks on from the first moment.
    pub watchers: Watchers,
}

/// A running engine.
pub(crate) struct Engine {
    pub shared: Arc<Shared>,
    task_loops: TaskLoops,
    hold_loops: Vec<JoinHandle<()>>,
    take_loop: JoinHandle<()>,
    /// Loops that end when the engine is told to stop.
    loops: Vec<JoinHandle<()>>,
    /// Loops that end once nothing is held or on loan any more.
    last_loops: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Registers this process as a worker and starts its loops.
    pub(crate) async fn start(parts: Parts) -> store::Result<Self> {
        let Parts { store, states, plans, queues, served, settings, clock, announcer, watchers } = parts;
        let name = format!("{}@{}", std::process::id(), host());
        let registry = plans.registry().current();
        let permits = Arc::new(Permits::new(settings.concurrency, &registry));
        let worker = {
            let mut connection = store.writer().await?;
            recover::take_back_expired(&mut connection, clock.now()).await?;
            drop(connection);
            recover::take_back_gone(&store, clock.now()).await?;
            let mut connection = store.writer().await?;
            let about = About { name: &name, handlers: registry.keys(), queues: served.names() };
            recover::register(&mut connection, &about, clock.now(), settings.lease).await?
        };
        let (hints, hinted) = unbounded_channel();
        let shared = Arc::new(Shared {
            permits,
            running: Arc::default(),
            worker: AtomicI64::new(worker.0),
            held: AtomicUsize::new(0),
            room: Notify::new(),
            unsure: AtomicBool::new(false),
            announcer,
            presence: Mutex::new(Presence::show(&store, worker)),
            met: Notify::new(),
            lent: Loans::default(),
            offered: Notify::new(),
            passed_over: AtomicBool::new(false),
            returned: Notify::new(),
            asked: Notify::new(),
            listening: AtomicBool::new(false),
            stopping: CancellationToken::new(),
            over: CancellationToken::new(),
            watchers,
            counters: Counters::default(),
            store,
            clock,
            settings,
            states,
            plans,
            name,
            queues,
            served,
            hints,
        });
        shared.announcer.tell(News::Company);
        let (task_loops, receivers) = TaskLoops::new(shared.settings.holds);
        let drive = |receiver| tokio::spawn(Driver::new(shared.clone(), task_loops.clone()).run(receiver));
        let hold_loops = receivers.into_iter().map(drive).collect();
        let take_loop = tokio::spawn(Take::new(shared.clone(), task_loops.clone(), hinted).run());
        let last_loops = vec![
            tokio::spawn(alive::run(shared.clone(), task_loops.clone())),
            tokio::spawn(lend::run(shared.clone(), task_loops.clone())),
            tokio::spawn(file_changes::run(shared.clone())),
        ];
        let mut loops = vec![
            tokio::spawn(alive::run_commands(shared.clone(), task_loops.clone())),
            tokio::spawn(Borrower::new(shared.clone()).run()),
        ];
        if shared.settings.wake.listens() && shared.store.is_postgres() {
            loops.push(tokio::spawn(listen::run(shared.clone())));
        }
        Ok(Self { shared, task_loops, hold_loops, take_loop, loops, last_loops })
    }

    /// Reserves room for one task of this queue, to be handed over; `None` when there is none.
    pub(crate) fn reserve(&self, queue: &str) -> Option<Room> {
        let Shared { held, settings, stopping, served, .. } = &*self.shared;
        let room = |held| (held < settings.window).then_some(held + 1);
        let reserved = served.has(queue)
            && !stopping.is_cancelled()
            && held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok();
        reserved.then(|| Room {
            shared: self.shared.clone(),
            task_loops: self.task_loops.clone(),
            taken: false,
        })
    }

    /// Stops: takes nothing more, lets what runs come to an end for as long as the settings say, gives
    /// the rest back for others to take at once. A database that does not answer is waited for ten seconds
    /// longer; then everything is dropped, and the lease runs out.
    pub(crate) async fn stop(self) -> store::Result<()> {
        let shared = self.shared.clone();
        let all = self.hold_loops.iter().chain(&self.loops).chain(&self.last_loops);
        let all: Vec<_> = all.chain([&self.take_loop]).map(JoinHandle::abort_handle).collect();
        tokio::select! {
            stopped = self.give_everything_back() => stopped,
            () = shared.clock.sleep(shared.settings.drain + ANSWER) => {
                all.iter().for_each(AbortHandle::abort);
                Err(store::Error::timed_out())
            }
        }
    }

    async fn give_everything_back(self) -> store::Result<()> {
        let Self { shared, task_loops, hold_loops, take_loop, loops, last_loops } = self;
        shared.stopping.cancel();
        // The loops end by themselves; a panic in one of them was reported where it happened.
        let _ = take_loop.await;
        task_loops.all(|| Message::Drain);
        let drained = async {
            for part in hold_loops.into_iter().chain(loops) {
                let _ = part.await;
            }
        };
        let mut drained = std::pin::pin!(drained);
        if tokio::time::timeout(shared.settings.drain, &mut drained).await.is_err() {
            task_loops.all(|| Message::GiveBack);
            drained.await;
        }
        shared.over.cancel();
        for part in last_loops {
            let _ = part.await;
        }
        for queue in &shared.queues {
            shared.announcer.tell(News::Queue(queue.clone()));
        }
        shared.announcer.flush().await;
        let mut connection = shared.store.writer().await?;
        // What slipped in between is freed as well.
        recover::take_back(&mut connection, shared.worker(), shared.clock.now()).await?;
        shared.announcer.tell(News::Company);
        Ok(())
    }
}

/// Room for one task that this worker holds from the moment it is added.
pub(crate) struct Room {
    shared: Arc<Shared>,
    task_loops: TaskLoops,
    taken: bool,
}

impl Room {
    /// The worker that is to hold the task.
    pub(crate) fn worker(&self) -> WorkerId {
        self.shared.worker()
    }

    /// Hands over the task, which this worker holds.
    pub(crate) fn take(mut self, task: Claimed) {
        self.taken = true;
        self.task_loops.claimed(vec![task]);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.taken {
            // The task may have been added all the same, and be held by this worker then.
            self.shared.unsure.store(true, Ordering::Relaxed);
            self.shared.make_room();
        }
    }
}

fn host() -> String {
    std::fs::read_to_string("/etc/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}
