//! Adds tasks, those that arrive together in one commit.
//!
//! Who submits while nothing is being written starts to write at once; what arrives meanwhile goes into the next
//! commit, and each caller hears of its own task after the commit it is in. What the database refuses is halved
//! until it stands alone, so that it fails its caller and nobody else. A caller that stops waiting changes
//! nothing: its task is added all the same, and held here if it was to be. A crash before the commit adds none
//! of the tasks in it, and none was promised.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::oneshot;

use super::claims::Room;
use crate::{
    model::{Lease, TaskState},
    orchestration::{
        claim::Claimed,
        journal::History,
        submit::{self, Added, Holder, Key, NewTask, Patience, Request},
    },
    store::{Connection, Error, Result, Store},
};

/// So many tasks go into one commit at most.
const BATCH: usize = 1000;

/// Adds tasks for everybody in this process who submits any. Clones share their commits.
#[derive(Clone)]
pub(crate) struct Submitter {
    store: Store,
    plain: Arc<Lane>,
    /// Tasks with idempotency keys: they may have to wait for transactions of others, and nobody else for that.
    keyed: Arc<Lane>,
    /// Tasks that wait for a turn: the lines of their keys are locked meanwhile.
    lined: Arc<Lane>,
    commits: Arc<AtomicU64>,
}

/// A task to be added, and the room that is reserved for it where this process is to hold it from the start.
pub(crate) struct Order {
    pub request: Request,
    pub room: Option<Room>,
}

/// An order, and who waits for what comes of it.
struct Waiting {
    order: Order,
    answer: oneshot::Sender<Result<Added>>,
}

/// Orders that are written one batch after the other.
#[derive(Default)]
struct Lane(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Somebody writes, and will come back for what waits.
    writing: bool,
}

impl Lane {
    /// Whether nobody writes; then whoever asks does, and has a [`Turn`].
    fn take_turn(self: &Arc<Self>, submitter: &Submitter) -> Option<Turn> {
        let mut queue = self.lock();
        let is_free = !std::mem::replace(&mut queue.writing, true);
        is_free.then(|| Turn { lane: self.clone(), submitter: submitter.clone() })
    }

    /// Lines up; true when nobody writes, and whoever asks has to.
    fn line_up(&self, waiting: Waiting) -> bool {
        let mut queue = self.lock();
        queue.waiting.push(waiting);
        !std::mem::replace(&mut queue.writing, true)
    }

    /// What is to be written next; with nothing left, nobody writes any more.
    fn next(&self) -> Vec<Waiting> {
        let mut queue = self.lock();
        let count = queue.waiting.len().min(BATCH);
        queue.writing = count > 0;
        if count == queue.waiting.len() {
            return std::mem::take(&mut queue.waiting);
        }
        queue.waiting.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one caller who writes its own order, while others line up behind it.
struct Turn {
    lane: Arc<Lane>,
    submitter: Submitter,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.lane.lock();
        queue.writing = !queue.waiting.is_empty();
        if !queue.writing {
            return;
        }
        drop(queue);
        let writing = Writing(self.lane.clone());
        // Without a runtime those who wait have none to wait in.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.submitter.clone().write_all(writing));
        }
    }
}

/// Who writes the orders of a lane. When it ends before its work is done, as with its runtime, those who wait
/// hear that nothing answers any more.
struct Writing(Arc<Lane>);

impl Drop for Writing {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        if queue.writing {
            queue.writing = false;
            queue.waiting.clear();
        }
    }
}

impl Submitter {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            plain: Arc::default(),
            keyed: Arc::default(),
            lined: Arc::default(),
            commits: Arc::default(),
        }
    }

    /// How many commits have added tasks.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Adds a task. Once this returns, it is durable.
    ///
    /// # Errors
    /// When the database does not do its part.
    pub(crate) async fn submit(&self, order: Order) -> Result<Added> {
        let lane = match &order.request {
            Request { task, .. } if !task.turns.is_empty() => &self.lined,
            Request { key: Some(_), .. } => &self.keyed,
            _ => &self.plain,
        };
        // Whoever stops waiting for a task that nobody is to hold leaves nothing behind, so it can be added without
        // a task of its own, which costs as much as a small commit.
        if order.room.is_none()
            && order.request.key.is_none()
            && order.request.task.turns.is_empty()
            && let Some(_turn) = lane.take_turn(self)
        {
            let mut connection = self.store.writer().await?;
            let added = submit::submit_one(&mut connection, &order.request.task).await?;
            self.commits.fetch_add(1, Ordering::Relaxed);
            return Ok(added);
        }
        let (answer, answered) = oneshot::channel();
        if lane.line_up(Waiting { order, answer }) {
            // A task of its own: the orders of others are among what it writes.
            tokio::spawn(self.clone().write_all(Writing(lane.clone())));
        }
        answered.await.unwrap_or_else(|_| Err(Error::stopping()))
    }

    /// Adds tasks in a transaction of their own, all or none: where a key was used before with another input,
    /// the answer says so and nothing is added.
    ///
    /// # Errors
    /// When the database does not do its part.
    pub(crate) async fn submit_all(&self, orders: Vec<Order>) -> Result<Vec<Added>> {
        let this = self.clone();
        // Goes on where the caller stops waiting: the tasks would be held here, and nobody here know of them.
        let adding = tokio::spawn(async move {
            let (requests, rooms): (Vec<_>, Vec<_>) =
                orders.into_iter().map(|order| (order.request, order.room)).unzip();
            let holds: Vec<bool> = rooms.iter().map(Option::is_some).collect();
            let worker = rooms.iter().flatten().next().map(Room::worker);
            let holder = worker.map(|worker| Holder { worker, holds: &holds });
            let mut connection = this.store.writer().await?;
            let added = submit::submit_all(&mut connection, &requests, holder).await?;
            drop(connection);
            this.commits.fetch_add(1, Ordering::Relaxed);
            let refused = |added: &Added| matches!(added, Added::Used { same_input: false, .. });
            if !added.iter().any(refused) {
                for ((request, room), added) in requests.into_iter().zip(rooms).zip(&added) {
                    hold(request.task, room, *added);
                }
            }
            Ok(added)
        });
        adding.await.unwrap_or_else(|_| Err(Error::stopping()))
    }

    /// Writes what waits, and what comes in meanwhile, until nothing is left.
    async fn write_all(self, lane: Writing) {
        // Whoever is about to submit as well, since the same commit ended its last task, comes along.
        tokio::task::yield_now().await;
        loop {
            let batch = lane.0.next();
            if batch.is_empty() {
                return;
            }
            let mut parts = vec![batch];
            while let Some(mut part) = parts.pop() {
                match self.add(&part, Patience::Short).await {
                    Ok(added) => succeeded(part, added),
                    Err(error) if error.is_transient() && !error.is_lock_timeout() => failed(part, error),
                    Err(_) if part.len() > 1 => {
                        let rest = part.split_off(part.len() / 2);
                        parts.extend([rest, part]);
                    }
                    // It may be that another transaction is about to use its key: nobody else waits for that.
                    Err(_) if part.iter().any(|waiting| waiting.order.request.key.is_some()) => {
                        tokio::spawn(self.clone().write_alone(part));
                    }
                    Err(error) => failed(part, error),
                }
            }
        }
    }

    /// Adds one task however long it takes.
    async fn write_alone(self, part: Vec<Waiting>) {
        match self.add(&part, Patience::Endless).await {
            Ok(added) => succeeded(part, added),
            Err(error) => failed(part, error),
        }
    }

    /// Adds tasks of one lane in one commit.
    async fn add(&self, part: &[Waiting], patience: Patience) -> Result<Vec<Added>> {
        let mut connection = self.store.writer().await?;
        let rooms = || part.iter().map(|waiting| waiting.order.room.as_ref());
        // One that waits for others must not keep this worker's row locked meanwhile: it is not held.
        let worker = rooms().flatten().next().map(Room::worker).filter(|_| patience.is_short());
        let holds: Vec<bool> = rooms().map(|room| room.is_some()).collect();
        let holder = worker.map(|worker| Holder { worker, holds: &holds });
        let added = write(&mut connection, part, holder, patience).await?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(added)
    }
}

async fn write(
    connection: &mut Connection,
    part: &[Waiting],
    holder: Option<Holder<'_>>,
    patience: Patience,
) -> Result<Vec<Added>> {
    let requests = part.iter().map(|waiting| &waiting.order.request);
    if requests.clone().any(|request| !request.task.turns.is_empty()) {
        return submit::submit_in_line(connection, &requests.cloned().collect::<Vec<_>>()).await;
    }
    let keyed: Vec<(&NewTask, &Key)> =
        requests.clone().filter_map(|request| Some((&request.task, request.key.as_ref()?))).collect();
    if keyed.is_empty() {
        let tasks: Vec<&NewTask> = requests.map(|request| &request.task).collect();
        return submit::submit(connection, &tasks, holder).await;
    }
    submit::submit_keyed(connection, &keyed, holder, patience).await
}

impl Waiting {
    /// Hands the task over if it is held, and tells the caller.
    fn added(self, added: Added) {
        let Order { request, room } = self.order;
        hold(request.task, room, added);
        // A caller that stopped waiting is not told.
        let _ = self.answer.send(Ok(added));
    }
}

/// Tells those of a batch what was added.
fn succeeded(part: Vec<Waiting>, added: Vec<Added>) {
    part.into_iter().zip(added).for_each(|(waiting, added)| waiting.added(added));
}

/// Tells those of a batch that failed, each in words of its own.
fn failed(mut part: Vec<Waiting>, error: Error) {
    let last = part.pop();
    for Waiting { answer, .. } in part {
        let _ = answer.send(Err(error.again()));
    }
    if let Some(Waiting { answer, .. }) = last {
        let _ = answer.send(Err(error));
    }
}

/// Has this process go on with a task that it holds from the start.
fn hold(task: NewTask, room: Option<Room>, added: Added) {
    if let (Added::New { task: number, held: true }, Some(room)) = (added, room) {
        room.take(Claimed {
            lease: Lease { task: number, epoch: 1 },
            takeovers: 0,
            uuid: task.uuid,
            template: task.template,
            correlation_id: task.correlation_id,
            created_at: task.created_at,
            context: task.context,
            phase: TaskState::Pending,
            has_parent: false,
            history: History::default(),
        });
    }
}
