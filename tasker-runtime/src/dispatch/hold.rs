//! The loop that holds tasks: it alone knows their progress and moves them on.
//!
//! Everything that arrived while the last batch was being written is folded and written together; a step
//! starts only after what it depends on is durable. Each loop has tasks of its own, so there is nothing
//! to lock. A round is [`take_in`] and [`outcomes`], then [`end`], [`mod@write`] and [`start`].

mod end;
mod outcomes;
mod start;
mod take_in;
mod write;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use uuid::Uuid;

use super::{engine::Shared, held::Held};
use crate::{
    model::{Json, Lease, StepError, StepNo, TaskNo, TaskState, Timestamp},
    orchestration::{
        claim::Claimed,
        commands::Waiting,
        journal::{Entry, Failure},
        record::Batch,
        share::Offer,
    },
    store::Session,
};

/// What a hold loop is told.
pub(crate) enum Message {
    /// These tasks are now held here.
    Taken(Vec<Claimed>),
    /// The store says that this task is held here.
    Held(Lease),
    /// An attempt came back.
    Over(Over),
    /// There is no room for this attempt here: others may have it.
    Lend(Lease, StepNo, u32),
    /// A lent step came back.
    Back(Lease, Back),
    /// This retry time of the task has come.
    Due(TaskNo, Timestamp),
    /// An operator asks something of this task.
    Asked(Waiting),
    /// Tell what runs to stop, start no more steps; give back every task whose steps have come back.
    Drain,
    /// Give back everything at once; what still runs is dropped.
    GiveBack,
    /// The leases are lost: forget everything.
    Forget,
}

/// An attempt that came back.
pub(crate) struct Over {
    pub lease: Lease,
    pub no: StepNo,
    pub attempt: u32,
    pub loan: u64,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// `None`: it was dropped before it came to an end.
    pub outcome: Option<Result<Json, StepError>>,
}

/// What came back of a lent step. Results and failures are recorded already.
pub(crate) enum Back {
    Done(Entry),
    Failed(Failure),
    /// Nothing is recorded: it is to be run again.
    Nothing(StepNo),
}

/// Retries nearer than this are timers; for others the task is given back.
const NEAR: Duration = Duration::from_secs(5);
/// At most this much is folded before it is written.
pub(crate) const BATCH: usize = 1000;
/// After this many holders died in a row over a task, it is set aside.
const DEATHS: u32 = 5;
/// From this many on, a task runs only while no other such task does.
const SUSPECT: u32 = 2;
/// How long such tasks wait for each other, for each that goes before.
const TURN: Duration = Duration::from_millis(50);

/// One hold loop.
pub(crate) struct Hold {
    shared: Arc<Shared>,
    session: Session,
    me: UnboundedSender<Message>,
    held: HashMap<TaskNo, Held>,
    /// Tasks that changed since the last write.
    touched: Vec<TaskNo>,
    batch: Batch,
    /// Tasks to be set aside.
    set_aside: Vec<Lease>,
    /// Tasks that leave without having been held, and the state they leave in once it is written.
    unread: Vec<(TaskNo, Uuid, TaskState)>,
    /// Steps to be offered to others.
    offers: Vec<Offer>,
    suspect: Option<TaskNo>,
    /// Tasks given back since the last write because another one is suspect.
    postponed: u32,
    draining: bool,
}

impl Hold {
    pub(crate) fn new(shared: Arc<Shared>, me: UnboundedSender<Message>) -> Self {
        Self {
            session: shared.store.session(),
            shared,
            me,
            held: HashMap::new(),
            touched: Vec::new(),
            batch: Batch::default(),
            set_aside: Vec::new(),
            unread: Vec::new(),
            offers: Vec::new(),
            suspect: None,
            postponed: 0,
            draining: false,
        }
    }

    /// Runs until every sender is gone or everything was given back.
    pub(crate) async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        let mut arrived = Vec::with_capacity(BATCH);
        while messages.recv_many(&mut arrived, BATCH).await > 0 {
            for message in arrived.drain(..) {
                self.fold(message).await;
            }
            self.touched.sort_unstable();
            self.touched.dedup();
            self.find_ends();
            self.postponed = 0;
            self.write_dead_letters().await;
            let exceptions = self.write().await;
            self.go_on(&exceptions).await;
            self.shared.look_at_offers();
            if self.draining && self.held.is_empty() {
                break;
            }
        }
    }

    async fn fold(&mut self, message: Message) {
        match message {
            Message::Taken(tasks) => {
                for task in tasks {
                    self.take(task).await;
                }
            }
            Message::Held(lease) => self.look_after(lease).await,
            Message::Over(over) => self.over(over),
            Message::Lend(lease, no, attempt) => self.lend(lease, no, attempt),
            Message::Back(lease, back) => self.back(lease, back),
            Message::Due(task, at) => match self.held.get_mut(&task) {
                Some(held) => {
                    // The clock may have been set back since, and nobody will say it again.
                    held.progress.wake(at.max(self.shared.clock.now()));
                    self.touched.push(task);
                }
                // It was given back until now: whoever is free takes it, without waiting for a poll.
                None => self.shared.hint_all(),
            },
            Message::Asked(waiting) => self.asked(waiting).await,
            Message::Drain => {
                self.draining = true;
                self.held.values().for_each(|held| held.stop.cancel());
                self.touched.extend(self.held.keys());
            }
            Message::GiveBack => {
                self.draining = true;
                for held in self.held.values_mut() {
                    held.cancel.cancel();
                    held.running = 0;
                }
                self.touched.extend(self.held.keys());
            }
            Message::Forget => {
                for (_, held) in self.held.drain() {
                    held.cancel.cancel();
                    self.shared.make_room();
                }
                // What waits to be written is of leases that are lost, and must not be taken for what comes
                // of their tasks when they are taken anew.
                self.batch = Batch::default();
                self.touched.clear();
                self.set_aside.clear();
                self.unread.clear();
                self.offers.clear();
                self.suspect = None;
            }
        }
    }
}
