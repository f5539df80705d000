//! The claimer as others see it: how many tasks there is room for, and which queues may have some.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::{message::TaskLoops, shared::Shared};
use crate::{
    model::{Served, Timestamp, WorkerId},
    orchestration::claim::Claimed,
};

/// What the claimer is told of a queue.
#[derive(Debug)]
pub(super) enum Hint {
    /// It has tasks that are due.
    Now(String),
    /// It has a task that is due at this time.
    At(String, Timestamp),
}

/// The tasks of a process, by number, and what tells its claimer to claim more.
pub(crate) struct Claims {
    /// Tasks held at once.
    window: usize,
    /// Tasks held, those on their way to a task loop included.
    held: AtomicUsize,
    /// Wakes the claimer: a task was let go.
    room: Notify,
    /// Task loops that cannot write what they have: nothing more is claimed that could not be recorded either.
    unable: AtomicUsize,
    /// The store may have given this worker tasks, or kept some for it, without its knowing.
    leases_unknown: AtomicBool,
    /// The queues of the templates known here, as far as they are served.
    queues: Vec<String>,
    served: Served,
    hints: UnboundedSender<Hint>,
}

impl Claims {
    /// A process that holds `window` tasks at most, and what its claimer is told.
    pub(super) fn new(
        window: usize,
        queues: Vec<String>,
        served: Served,
    ) -> (Arc<Self>, UnboundedReceiver<Hint>) {
        let (hints, hinted) = unbounded_channel();
        let (held, room, leases_unknown) = (AtomicUsize::new(0), Notify::new(), AtomicBool::new(false));
        let unable = AtomicUsize::new(0);
        (Arc::new(Self { window, held, room, unable, leases_unknown, queues, served, hints }), hinted)
    }

    /// The queues of the templates known here, as far as they are served.
    pub(crate) fn queues(&self) -> &[String] {
        &self.queues
    }

    /// Says that `queue` has work, which matters where it is served.
    pub(crate) fn queue_has_work(&self, queue: &str) {
        if self.served.has(queue) {
            // Without a receiver the claimer has ended.
            let _ = self.hints.send(Hint::Now(queue.to_owned()));
        }
    }

    /// Says that `queue` has work that is due at `time`.
    pub(crate) fn queue_has_work_at(&self, queue: &str, time: Timestamp) {
        if self.served.has(queue) {
            let _ = self.hints.send(Hint::At(queue.to_owned(), time));
        }
    }

    /// Says that any queue may have work.
    pub(crate) fn any_queue_may_have_work(&self) {
        self.queues.iter().for_each(|queue| self.queue_has_work(queue));
    }

    /// Says that the store may have given this worker tasks, or kept some for it, without its knowing.
    pub(crate) fn leases_unknown(&self) {
        self.leases_unknown.store(true, Ordering::Relaxed);
    }

    /// Whether that was said since this was last asked.
    pub(super) fn take_leases_unknown(&self) -> bool {
        self.leases_unknown.swap(false, Ordering::Relaxed)
    }

    /// Notes that a task is held here no more, or will not come: there is room for another.
    pub(crate) fn task_left(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.room.notify_one();
    }

    /// Notes tasks that were claimed.
    pub(super) fn tasks_came(&self, count: usize) {
        self.held.fetch_add(count, Ordering::Relaxed);
    }

    /// Says that a task loop cannot write what it has.
    pub(super) fn cannot_write(&self) {
        self.unable.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that a task loop that could not can write again.
    pub(super) fn writes_again(&self) {
        self.unable.fetch_sub(1, Ordering::Relaxed);
        self.room.notify_one();
    }

    fn all_write(&self) -> bool {
        self.unable.load(Ordering::Relaxed) == 0
    }

    /// How many more tasks there is room for.
    pub(super) fn free(&self) -> usize {
        if !self.all_write() {
            return 0;
        }
        self.window.saturating_sub(self.held.load(Ordering::Relaxed))
    }

    /// Waits until a task was let go.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    /// Takes the room for one task of this queue; false: there is none, or the queue is not served.
    fn take_room(&self, queue: &str) -> bool {
        let room = |held| (held < self.window).then_some(held + 1);
        let served = self.all_write() && self.served.has(queue);
        served && self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }
}

/// Room for one task that this worker holds from the moment it is added.
pub(crate) struct Room {
    shared: Arc<Shared>,
    claims: Arc<Claims>,
    loops: TaskLoops,
    taken: bool,
}

impl Room {
    /// Reserves room for one task of this queue; `None` when there is none.
    pub(super) fn reserve(
        shared: &Arc<Shared>,
        claims: &Arc<Claims>,
        loops: &TaskLoops,
        queue: &str,
    ) -> Option<Self> {
        let reserved = !shared.stopping.is_cancelled() && claims.take_room(queue);
        reserved.then(|| Self {
            shared: shared.clone(),
            claims: claims.clone(),
            loops: loops.clone(),
            taken: false,
        })
    }

    /// The worker that is to hold the task.
    pub(crate) fn worker(&self) -> WorkerId {
        self.shared.worker()
    }

    /// Hands over the task, which this worker holds.
    pub(crate) fn take(mut self, task: Claimed) {
        self.taken = true;
        self.loops.claimed(vec![task]);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.taken {
            // The task may have been added all the same, and be held by this worker then.
            self.claims.leases_unknown();
            self.claims.task_left();
        }
    }
}
