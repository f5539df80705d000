//! Time, and what runs in it: fibers that wait for signals and for times, one at a time, in an order that
//! follows from the seed alone.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::BinaryHeap,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::{
    checker::Watch,
    scenario::{Link, Temper},
    store::Db,
};

/// Microseconds of the world's own time, which nobody in it knows.
pub(crate) type Micros = i64;

pub(crate) const MS: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000_000;
/// What the clocks show at the beginning.
const EPOCH: Micros = 1_000 * SECOND;

type Action = Box<dyn FnOnce(&Rc<World>)>;

enum Event {
    Wake(usize),
    Do(Action),
}

/// Something that happens at a time; `order` decides between those of one time.
struct Due {
    at: Micros,
    order: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Whether a process lives, and whether it is awake.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) dead: Cell<bool>,
    pub(crate) paused_until: Cell<Micros>,
}

struct Fiber {
    life: Rc<Life>,
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

/// Everything there is.
pub(crate) struct World {
    now: Cell<Micros>,
    order: Cell<u64>,
    events: RefCell<BinaryHeap<Reverse<Due>>>,
    fibers: RefCell<Vec<Fiber>>,
    free: RefCell<Vec<usize>>,
    current: Cell<usize>,
    rng: RefCell<fastrand::Rng>,
    pub(crate) db: RefCell<Db>,
    pub(crate) watch: RefCell<Watch>,
    pub(crate) link: Link,
    pub(crate) temper: Temper,
    /// Faults happen.
    pub(crate) rough: Cell<bool>,
    healed_at: Cell<Micros>,
    lines: Option<RefCell<Vec<String>>>,
}

impl World {
    pub(crate) fn new(seed: u64, link: Link, temper: Temper, traced: bool) -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(EPOCH),
            order: Cell::new(0),
            events: RefCell::default(),
            fibers: RefCell::default(),
            free: RefCell::default(),
            current: Cell::new(usize::MAX),
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
            db: RefCell::default(),
            watch: RefCell::default(),
            link,
            temper,
            rough: Cell::new(true),
            healed_at: Cell::new(Micros::MAX),
            lines: traced.then(RefCell::default),
        })
    }

    pub(crate) fn now(&self) -> Micros {
        self.now.get()
    }

    /// From here on nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.rough.set(false);
        self.healed_at.set(self.now() + 12 * SECOND);
    }

    /// Whether what went wrong has had the time to be put right.
    pub(crate) fn has_healed(&self) -> bool {
        self.now() >= self.healed_at.get()
    }

    /// A number below `limit`.
    pub(crate) fn below(&self, limit: i64) -> i64 {
        self.rng.borrow_mut().i64(0..limit.max(1))
    }

    /// Whether something happens that happens `of_thousand` times in a thousand.
    pub(crate) fn chance(&self, of_thousand: u32) -> bool {
        of_thousand > 0 && self.rng.borrow_mut().u32(0..1000) < of_thousand
    }

    /// Notes a line of the history, where somebody wants to read it.
    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let since = self.now() - EPOCH;
            lines.borrow_mut().push(format!("{:>3}.{:06} {}", since / SECOND, since % SECOND, line()));
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.as_ref().map(|lines| lines.borrow().clone()).unwrap_or_default()
    }

    fn push(&self, at: Micros, event: Event) {
        let order = self.order.get();
        self.order.set(order + 1);
        self.events.borrow_mut().push(Reverse(Due { at: at.max(self.now()), order, event }));
    }

    /// Has `action` happen `after` this long.
    pub(crate) fn later(&self, after: Micros, action: impl FnOnce(&Rc<World>) + 'static) {
        self.push(self.now() + after, Event::Do(Box::new(action)));
    }

    fn wake_at(&self, fiber: usize, at: Micros) {
        self.push(at, Event::Wake(fiber));
    }

    /// Starts a fiber of a process.
    pub(crate) fn spawn(&self, life: &Rc<Life>, future: impl Future<Output = ()> + 'static) {
        let fiber = Fiber { life: life.clone(), future: Some(Box::pin(future)) };
        let place = self.free.borrow_mut().pop();
        let mut fibers = self.fibers.borrow_mut();
        let place = match place {
            Some(place) => {
                fibers[place] = fiber;
                place
            }
            None => {
                fibers.push(fiber);
                fibers.len() - 1
            }
        };
        self.wake_at(place, self.now());
    }

    /// Ends a process where it stands.
    pub(crate) fn kill(&self, life: &Rc<Life>) {
        life.dead.set(true);
        let mut dropped = Vec::new();
        for (place, fiber) in self.fibers.borrow_mut().iter_mut().enumerate() {
            if Rc::ptr_eq(&fiber.life, life) && place != self.current.get() {
                dropped.extend(fiber.future.take());
            }
        }
        // What its fibers had may have something to say when it goes.
        drop(dropped);
    }

    /// Lets everything happen until `end` or until `done`, which is asked now and then.
    pub(crate) fn run(self: &Rc<Self>, end: Micros, mut done: impl FnMut() -> bool) -> bool {
        let mut look = self.now();
        loop {
            if self.now() >= look {
                if done() {
                    return true;
                }
                look = self.now() + 20 * MS;
            }
            let next = self.events.borrow_mut().pop();
            let Some(Reverse(Due { at, event, .. })) = next else { return done() };
            if at > end {
                self.push(at, event);
                return false;
            }
            self.now.set(at);
            match event {
                Event::Wake(fiber) => self.poll(fiber),
                Event::Do(action) => action(self),
            }
        }
    }

    fn poll(&self, place: usize) {
        let (life, future) = {
            let mut fibers = self.fibers.borrow_mut();
            let fiber = &mut fibers[place];
            (fiber.life.clone(), fiber.future.take())
        };
        let Some(mut future) = future else { return };
        let awake = life.paused_until.get();
        if awake > self.now() {
            self.fibers.borrow_mut()[place].future = Some(future);
            return self.wake_at(place, awake);
        }
        self.current.set(place);
        let over = future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        self.current.set(usize::MAX);
        if over || life.dead.get() {
            drop(future);
            self.fibers.borrow_mut()[place].future = None;
            return self.free.borrow_mut().push(place);
        }
        self.fibers.borrow_mut()[place].future = Some(future);
    }

    /// Waits until one of `signals` is given, and says which, or until the time `until`.
    pub(crate) async fn wait(&self, signals: &[&Signal], until: Option<Micros>) -> Option<usize> {
        let mut first = true;
        poll_fn(|_| {
            if let Some(given) = signals.iter().position(|signal| signal.take()) {
                return Poll::Ready(Some(given));
            }
            if until.is_some_and(|until| until <= self.now()) {
                return Poll::Ready(None);
            }
            let me = self.current.get();
            signals.iter().for_each(|signal| signal.register(me));
            if let Some(until) = until.filter(|_| std::mem::take(&mut first)) {
                self.wake_at(me, until);
            }
            Poll::Pending
        })
        .await
    }

    /// Lets others go first, for ever where the process of this fiber is dead.
    pub(crate) async fn step_aside(&self) {
        let mut first = true;
        poll_fn(|_| {
            if std::mem::take(&mut first) {
                self.wake_at(self.current.get(), self.now());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    pub(crate) async fn sleep(&self, for_micros: Micros) {
        self.wait(&[], Some(self.now() + for_micros)).await;
    }

    /// Drops all that still runs, so that nothing holds on to the world.
    pub(crate) fn end(&self) {
        let fibers: Vec<_> = self.fibers.borrow_mut().iter_mut().map(|fiber| fiber.future.take()).collect();
        drop(fibers);
        let events = std::mem::take(&mut *self.events.borrow_mut());
        drop(events);
    }
}

/// Something to wait for: given once it is taken, or for good.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    given: Cell<bool>,
    stays: bool,
    waiters: RefCell<Vec<usize>>,
}

impl Signal {
    /// One that stays given.
    pub(crate) fn for_good() -> Rc<Self> {
        Rc::new(Self { stays: true, ..Self::default() })
    }

    pub(crate) fn is_given(&self) -> bool {
        self.given.get()
    }

    pub(crate) fn give(&self, world: &World) {
        self.given.set(true);
        for waiter in self.waiters.borrow_mut().drain(..) {
            world.wake_at(waiter, world.now());
        }
    }

    fn take(&self) -> bool {
        let given = self.given.get();
        self.given.set(given && self.stays);
        given
    }

    fn register(&self, fiber: usize) {
        let mut waiters = self.waiters.borrow_mut();
        if !waiters.contains(&fiber) {
            waiters.push(fiber);
        }
    }
}
