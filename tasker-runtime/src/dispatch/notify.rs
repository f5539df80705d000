//! Tells other processes what this one makes, so that they need not wait for their next look.
//!
//! Never in the transaction that makes the work: PostgreSQL lets such commits wait for one another. What
//! was announced within 20 ms goes out as one notification, on a connection of its own. Losing one costs
//! a look, nothing else.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

use crate::{
    orchestration::wake,
    store::{Session, Store},
};

/// What other processes are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Notification {
    /// This queue has tasks that are due.
    Queue(String),
    /// An operator asked something of a task that is held.
    Command,
    /// Steps are offered.
    Offer,
    /// A step this worker lent came back.
    Returned(i64),
    /// A worker came or went.
    Workers,
    /// A schedule was made or changed.
    Schedules,
}

impl Notification {
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Queue(queue) => format!("queue {queue}"),
            Self::Command => "command".to_owned(),
            Self::Offer => "offer".to_owned(),
            Self::Returned(worker) => format!("returned {worker}"),
            Self::Workers => "workers".to_owned(),
            Self::Schedules => "schedules".to_owned(),
        }
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some(("queue", queue)) => Some(Self::Queue(queue.to_owned())),
            Some(("returned", worker)) => worker.parse().ok().map(Self::Returned),
            None if text == "command" => Some(Self::Command),
            None if text == "offer" => Some(Self::Offer),
            None if text == "workers" => Some(Self::Workers),
            None if text == "schedules" => Some(Self::Schedules),
            _ => None,
        }
    }
}

enum Order {
    Send(Notification),
    Flush(oneshot::Sender<()>),
}

/// Takes what other processes are to be told. Without a database that carries them, they are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Notifier(Option<UnboundedSender<Order>>);

/// At least this long lies between two notifications.
const PAUSE: Duration = Duration::from_millis(20);

impl Notifier {
    /// One that tells others, when the database carries news and `wanted` says so.
    pub(crate) fn start(store: &Store, wanted: bool) -> Self {
        if !wanted || !store.is_postgres() {
            return Self(None);
        }
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(run(store.session(), receiver));
        Self(Some(sender))
    }

    pub(crate) fn notify(&self, news: Notification) {
        if let Some(sender) = &self.0 {
            // Without a receiver the runtime is ending.
            let _ = sender.send(Order::Send(news));
        }
    }

    /// Waits until everything told so far is out.
    pub(crate) async fn flush(&self) {
        let Some(sender) = &self.0 else { return };
        let (done, out) = oneshot::channel();
        if sender.send(Order::Flush(done)).is_ok() {
            let _ = out.await;
        }
    }
}

async fn run(mut session: Session, mut orders: UnboundedReceiver<Order>) {
    let mut arrived = Vec::new();
    while orders.recv_many(&mut arrived, 1000).await > 0 {
        let (mut news, mut waiting) = (BTreeSet::new(), Vec::new());
        for order in arrived.drain(..) {
            match order {
                Order::Send(item) => drop(news.insert(item)),
                Order::Flush(done) => waiting.push(done),
            }
        }
        let texts: Vec<String> = news.iter().map(Notification::to_text).collect();
        if !texts.is_empty()
            && let Err(error) = wake::notify(&mut session, texts).await
        {
            tracing::debug!(%error, "others could not be told; they find the work at their next look");
        }
        let anybody_waits = !waiting.is_empty();
        for done in waiting {
            // One that waits no more needs no answer.
            let _ = done.send(());
        }
        if !anybody_waits {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
