//! A process: task loops with their drivers, and the loops beside them that claim, keep alive, lend, borrow and
//! hand on commands. As in `tasker-runtime/src/dispatch`, whose statements and order they follow.

mod attempt;
mod borrow;
mod claimer;
mod driver;
mod heartbeat;
mod lend;
mod link;
mod record;
mod stop;
mod submit;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
};

use tasker_model::{
    Json, Lease, StepIndex, Target, TaskNo, Timestamp,
    task_loop::{Message, Route, Routes},
};

use crate::{
    checker::Promise,
    scenario::{EngineSpec, FaultKind, Scenario},
    store::Claimed,
    world::{Life, MS, Micros, SECOND, Signal, World},
};

/// How long a lease lives without renewal.
pub(crate) const LEASE: Micros = 3 * SECOND;
const POLL: Micros = SECOND;
const DRAIN: Micros = 1_500 * MS;
const GRACE: Micros = 100 * MS;
/// How long a database may take to answer one that stops.
const ANSWER: Micros = 10 * SECOND;

/// What a driver keeps of a task: the results, as its handlers see them.
#[derive(Debug)]
pub(crate) struct Body {
    /// Its workflow.
    template: usize,
    results: RefCell<BTreeMap<StepIndex, Json>>,
    /// What it runs is not wanted any more.
    cancel: Rc<Signal>,
    /// What it runs is to come to an end.
    stop: Rc<Signal>,
}

/// What a driver is told. Letters are few and short-lived.
pub(crate) enum Letter {
    Claimed(Claimed, tasker_model::History),
    Loop(Message<Body>),
}

#[derive(Default)]
struct Inbox {
    letters: RefCell<VecDeque<Letter>>,
    arrived: Signal,
}

/// One lent attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loan {
    lease: Lease,
    step: StepIndex,
    attempt: u32,
}

/// What happens to one process after the other that runs in one place.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    /// Steps of processes so far.
    points: Cell<u32>,
    lives: Cell<u32>,
    faults: RefCell<Vec<(u32, FaultKind)>>,
    /// When the next process is to start here; `None`: one runs.
    pub(crate) restart_at: Cell<Option<Micros>>,
}

impl Fate {
    pub(crate) fn new(scenario: &Scenario, engine: usize) -> Rc<Self> {
        let faults = scenario.faults.iter().filter(|fault| fault.engine == engine);
        let mut faults: Vec<_> = faults.map(|fault| (fault.at, fault.kind.clone())).collect();
        faults.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Rc::new(Self { faults: RefCell::new(faults), ..Self::default() })
    }

    fn next(&self) -> Option<FaultKind> {
        self.points.set(self.points.get() + 1);
        let mut faults = self.faults.borrow_mut();
        let due = faults.last().is_some_and(|(at, _)| *at <= self.points.get());
        if due { faults.pop().map(|(_, kind)| kind) } else { None }
    }
}

/// A running process.
pub(crate) struct Process {
    pub(crate) name: String,
    /// In which place it runs.
    pub(crate) at: usize,
    pub(crate) world: Rc<World>,
    pub(crate) scenario: Rc<Scenario>,
    pub(crate) spec: EngineSpec,
    pub(crate) life: Rc<Life>,
    fate: Rc<Fate>,
    /// Of each workflow.
    routes: Vec<Arc<Routes>>,
    ahead: Cell<Micros>,
    /// The latest that its clock has shown.
    latest: Cell<Timestamp>,
    pub(crate) worker: Cell<i64>,
    /// Tasks held, those on their way to a task loop included.
    pub(crate) held: Cell<usize>,
    /// Of these, tasks that are being submitted.
    reserved: Cell<usize>,
    room: Signal,
    hinted: Signal,
    /// The store may have given this worker tasks, or kept some for it, without its knowing.
    leases_unknown: Cell<bool>,
    lent: RefCell<BTreeMap<(TaskNo, StepIndex), Loan>>,
    loan_returned: Signal,
    /// When offers were last looked for that stand although their steps came back.
    tidied: Cell<Micros>,
    offered: Signal,
    offers_skipped: Cell<bool>,
    asked: Signal,
    permits: Cell<usize>,
    freed: Signal,
    /// How many other workers live.
    others: Cell<usize>,
    inboxes: Vec<Inbox>,
    stopping: Rc<Signal>,
    /// Set after `stopping`, once nothing is held or on loan here any more.
    idle: Rc<Signal>,
    /// Loops that have to end before the process has stopped.
    running_loops: Cell<usize>,
    claiming: Cell<bool>,
    loop_ended: Signal,
    pub(crate) stopped: Cell<bool>,
}

impl Process {
    /// Starts a process in the place `at`.
    pub(crate) fn start(world: &Rc<World>, scenario: &Rc<Scenario>, at: usize, fate: &Rc<Fate>) -> Rc<Self> {
        let lives = fate.lives.get();
        fate.lives.set(lives + 1);
        let spec = scenario.engines[at].clone();
        let routes =
            (0..scenario.workflows.len()).map(|workflow| routes(scenario, &spec, workflow)).collect();
        let process = Rc::new(Self {
            name: format!("process {at}.{lives}"),
            at,
            world: world.clone(),
            scenario: scenario.clone(),
            life: Rc::default(),
            fate: fate.clone(),
            routes,
            ahead: Cell::new(if world.rough.get() { spec.ahead } else { 0 }),
            latest: Cell::default(),
            worker: Cell::new(0),
            held: Cell::new(0),
            reserved: Cell::new(0),
            room: Signal::default(),
            hinted: Signal::default(),
            leases_unknown: Cell::new(false),
            lent: RefCell::default(),
            loan_returned: Signal::default(),
            tidied: Cell::new(world.now()),
            offered: Signal::default(),
            offers_skipped: Cell::new(false),
            asked: Signal::default(),
            permits: Cell::new(spec.concurrency),
            freed: Signal::default(),
            others: Cell::new(0),
            inboxes: (0..spec.loops).map(|_| Inbox::default()).collect(),
            stopping: Signal::for_good(),
            idle: Signal::for_good(),
            running_loops: Cell::new(0),
            claiming: Cell::new(true),
            loop_ended: Signal::default(),
            stopped: Cell::new(false),
            spec,
        });
        fate.restart_at.set(None);
        world.trace(|| format!("{} starts", process.name));
        let me = process.clone();
        world.spawn(&process.life, async move { me.run().await });
        process
    }

    async fn run(self: Rc<Self>) {
        let worker = loop {
            self.follow_clock();
            let now = self.now().as_micros();
            let registered = self
                .ask("register", move |db| {
                    db.take_back_expired(now);
                    Ok(db.register(now, LEASE))
                })
                .await;
            match registered {
                Ok(worker) => break worker,
                Err(_) => self.world.sleep(100 * MS).await,
            }
        };
        self.worker.set(worker);
        for at in 0..self.inboxes.len() {
            self.spawn_loop(driver::run(self.clone(), at));
        }
        self.spawn_loop(heartbeat::run_commands(self.clone()));
        self.spawn_loop(borrow::run(self.clone()));
        self.world.spawn(&self.life, claimer::run(self.clone()));
        self.world.spawn(&self.life, heartbeat::run(self.clone()));
        self.world.spawn(&self.life, lend::bring_home(self.clone()));
    }

    fn spawn_loop(self: &Rc<Self>, run: impl Future<Output = ()> + 'static) {
        self.running_loops.set(self.running_loops.get() + 1);
        let me = self.clone();
        self.world.spawn(&self.life, async move {
            run.await;
            me.running_loops.set(me.running_loops.get() - 1);
            me.loop_ended.give(&me.world);
        });
    }

    /// What time it is here.
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::from_micros(self.world.now() + self.ahead.get());
        self.latest.set(self.latest.get().max(now));
        now
    }

    /// The latest that the clock here has shown.
    pub(crate) fn latest(&self) -> Timestamp {
        self.latest.get()
    }

    fn follow_clock(&self) {
        if self.scenario.one_clock || !self.world.rough.get() {
            self.ahead.set(0);
        }
    }

    /// When, by the world's time, the clock here will show `time` if nobody sets it.
    fn when(&self, time: Timestamp) -> Micros {
        time.as_micros().saturating_sub(self.ahead.get()).max(self.world.now())
    }

    /// Tells the process to stop.
    pub(crate) fn stop(self: &Rc<Self>) {
        stop::begin(self, i64::MAX / 2);
    }

    fn send(&self, task: TaskNo, letter: Letter) {
        let place = usize::try_from(task.0).unwrap_or_default() % self.inboxes.len();
        self.inboxes[place].letters.borrow_mut().push_back(letter);
        self.inboxes[place].arrived.give(&self.world);
    }

    fn tell(&self, task: TaskNo, message: Message<Body>) {
        self.send(task, Letter::Loop(message));
    }

    fn tell_all(&self, message: impl Fn() -> Message<Body>) {
        for inbox in &self.inboxes {
            inbox.letters.borrow_mut().push_back(Letter::Loop(message()));
            inbox.arrived.give(&self.world);
        }
    }

    /// Hears that steps are offered.
    pub(crate) fn hear_offer(&self) {
        self.offered.give(&self.world);
    }

    /// Hears that a lent step came back.
    pub(crate) fn hear_return(&self) {
        self.loan_returned.give(&self.world);
    }

    fn make_room(&self) {
        if self.held.get() == 0 {
            self.world
                .watch
                .borrow_mut()
                .break_promise(Promise::NoHoldLeaks, || format!("{} let go of more than it held", self.name));
        }
        self.held.set(self.held.get().saturating_sub(1));
        self.room.give(&self.world);
    }

    /// Tasks held of which no task loop knows, or ever will once the process stops.
    pub(crate) fn under_way(&self) -> usize {
        let letters = self.inboxes.iter().map(|inbox| {
            let letters = inbox.letters.borrow();
            letters.iter().filter(|letter| matches!(letter, Letter::Claimed(..))).count()
        });
        self.reserved.get() + letters.sum::<usize>()
    }
}

fn routes(scenario: &Scenario, spec: &EngineSpec, at: usize) -> Arc<Routes> {
    let workflow = &scenario.workflows[at];
    let has = &spec.has[at];
    let steps = workflow.steps.iter().enumerate().map(|(number, step)| {
        let queue = step.queue.unwrap_or(workflow.queue);
        Route {
            target: Arc::new(Target {
                handler: (&*handler(at, number)).into(),
                namespace: None,
                queue: Some(queue.to_string().into()),
            }),
            priority: step.priority,
            runs_here: has[number] && spec.serves[queue],
            compensates_here: has[number] && step.compensated,
        }
    });
    Arc::new(Routes { rules: workflow.rules(|number| has[number]), steps: steps.collect() })
}

/// The name of the handler of a step.
pub(crate) fn handler(workflow: usize, step: usize) -> String {
    format!("w{workflow}s{step}")
}
