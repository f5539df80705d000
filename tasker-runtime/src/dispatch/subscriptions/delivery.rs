//! Serves one subscription: reads what is settled, calls what may be called, writes what came of it.
//!
//! Which event may be called and what is to be written is decided by the pure
//! [`Subscription`](crate::model::subscription::Subscription).

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::backoff::Backoff,
    calling::{Calling, Outcome},
};
use crate::{
    model::{
        EventPattern, StepError, Timestamp, WorkerId,
        subscription::{Subscription, SubscriptionRules},
    },
    orchestration::{
        events::{self, Logged},
        subscriptions::{self, Taken},
    },
    store::Result,
};

/// At least this long lies between two writes.
const WRITE: Duration = Duration::from_millis(100);
/// The same where events were only passed over.
const PASS: Duration = Duration::from_secs(1);
/// So much room is worth a look at the log.
const ROOM: usize = 100;

/// The right to serve a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Right {
    /// The number of the subscription.
    pub id: i64,
    pub worker: WorkerId,
    pub lease: i64,
}

/// A subscription that this process serves.
pub(super) struct Deliveries {
    calling: Arc<Calling>,
    patterns: Vec<EventPattern>,
    right: Right,
    subscription: Subscription,
    /// What has arrived and is not called yet.
    known: HashMap<i64, Logged>,
    calls: JoinSet<(i64, Outcome)>,
    /// How far the log is settled.
    settled: watch::Receiver<i64>,
    /// Somebody else serves it, or it is to begin anew.
    lost: CancellationToken,
    /// When something was written last, and whether more than passing over happened since.
    written: Instant,
    news: bool,
}

/// What happened while there was nothing to do.
enum Woken {
    Ended(i64, Outcome),
    Look,
    Stop,
    Lost,
}

impl Deliveries {
    pub(super) fn new(
        calling: Arc<Calling>,
        patterns: Vec<EventPattern>,
        (right, taken): (Right, Taken),
        rules: SubscriptionRules,
        (settled, lost): (watch::Receiver<i64>, CancellationToken),
    ) -> Self {
        let Taken { position, blocked, parked, .. } = taken;
        Self {
            calling,
            patterns,
            right,
            subscription: Subscription::new(rules, position, parked, blocked),
            known: HashMap::new(),
            calls: JoinSet::new(),
            settled,
            lost,
            written: Instant::now(),
            news: false,
        }
    }

    /// Serves it until it is lost or the engine stops.
    pub(super) async fn run(mut self) {
        let name = self.calling.subscriber.name();
        tracing::debug!(subscription = name, position = self.subscription.read(), "serves a subscription");
        let mut trouble = Backoff::new("a subscription waits for the database");
        loop {
            let worked = async {
                self.read().await?;
                self.start();
                self.write(false).await
            };
            match worked.await {
                Ok(true) => trouble.reset(),
                Ok(false) => break,
                Err(error) => trouble.wait(&error).await,
            }
            match self.wait().await {
                Woken::Ended(position, outcome) => self.ended(position, outcome),
                Woken::Look => {}
                Woken::Lost => break,
                Woken::Stop => return self.stop().await,
            }
        }
        tracing::debug!(subscription = name, "serves a subscription no longer");
        self.calling.cancel.cancel();
        self.calls.shutdown().await;
    }

    /// Takes some of what is settled, if there is room for it.
    async fn read(&mut self) -> Result<()> {
        if !self.can_read() {
            return Ok(());
        }
        let (end, room) = (*self.settled.borrow_and_update(), self.subscription.room());
        let (store, after) = (&self.calling.shared.store, self.subscription.read());
        let page = events::page(&mut store.reader().await?, after, end, room).await?;
        let is_last = page.len() < room;
        let read = page.last().filter(|_| !is_last).map_or(end, |event| event.position);
        let meant: Vec<Logged> = page.into_iter().filter(|event| self.is_meant(event)).collect();
        let arrived: Vec<_> = meant.iter().map(|event| (event.position, event.number)).collect();
        self.subscription.arrived(arrived, read, self.calling.shared.clock.now());
        // What is parked at once is read again when its time comes.
        let open = meant.into_iter().filter(|event| self.subscription.is_open(event.position));
        self.known.extend(open.map(|event| (event.position, event)));
        Ok(())
    }

    /// Whether there is something to read, and room for it.
    fn can_read(&self) -> bool {
        self.subscription.room() >= ROOM && self.subscription.read() < *self.settled.borrow()
    }

    fn is_meant(&self, event: &Logged) -> bool {
        let namespaces = self.calling.subscriber.spec().namespaces;
        (namespaces.is_empty() || namespaces.contains(&&*event.namespace))
            && self.patterns.iter().any(|pattern| pattern.matches(&event.name))
    }

    /// Calls what may be called.
    fn start(&mut self) {
        let now = self.calling.shared.clock.now();
        while let Some(delivery) = self.subscription.next(now) {
            let known = self.known.remove(&delivery.position).filter(|_| !delivery.parked);
            let calling = self.calling.clone();
            self.calls.spawn(async move { (delivery.position, calling.deliver(delivery, known).await) });
        }
    }

    fn ended(&mut self, position: i64, outcome: Outcome) {
        let now = self.calling.shared.clock.now();
        self.note(position, outcome.as_ref().err());
        self.subscription.ended(position, outcome, now);
        self.news = true;
        // What has arrived behind one that failed is parked now, and read again when its time comes.
        if self.subscription.has_news() {
            let open = &self.subscription;
            self.known.retain(|position, _| open.is_open(*position));
        }
    }

    fn note(&self, position: i64, error: Option<&StepError>) {
        let Some(error) = error else { return };
        let subscription = self.calling.subscriber.name();
        tracing::warn!(subscription, position, %error, "an event could not be delivered");
    }

    /// Writes what happened, if it is time to, or in any case; `false`: it is lost.
    async fn write(&mut self, in_any_case: bool) -> Result<bool> {
        if !in_any_case && self.next_write().is_none_or(|at| at > Instant::now()) {
            return Ok(true);
        }
        let Some(changes) = self.subscription.changes() else { return Ok(true) };
        let now = self.calling.shared.clock.now();
        let written = async {
            let mut connection = self.calling.shared.store.writer().await?;
            subscriptions::write(&mut connection, self.right.parts(), &changes, now).await
        };
        match written.await {
            Ok(true) => {
                self.subscription.written(&changes);
                self.written = Instant::now();
                self.news = false;
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => {
                self.subscription.not_written(changes);
                Err(error)
            }
        }
    }

    /// When something is to be written.
    fn next_write(&self) -> Option<Instant> {
        let pause = if self.news || self.subscription.has_news() { WRITE } else { PASS };
        self.subscription.is_changed().then_some(self.written + pause)
    }

    async fn wait(&mut self) -> Woken {
        let (write, can_read) = (self.next_write(), self.can_read());
        let Self { subscription, settled, calls, lost, calling, .. } = self;
        let reads = subscription.room() >= ROOM;
        let due = subscription.due().filter(|_| subscription.has_width()).unwrap_or(Timestamp::NEVER);
        tokio::select! {
            biased;
            () = lost.cancelled() => Woken::Lost,
            () = calling.shared.stopping.cancelled() => Woken::Stop,
            Some(ended) = calls.join_next() => match ended {
                Ok((position, outcome)) => Woken::Ended(position, outcome),
                // Its panics are caught, and nobody aborts it.
                Err(_) => Woken::Lost,
            },
            Ok(()) = settled.changed(), if reads => Woken::Look,
            () = calling.shared.clock.sleep_until(due), if due < Timestamp::NEVER => Woken::Look,
            () = sleep_until(write.unwrap_or_else(Instant::now)), if write.is_some() => Woken::Look,
            () = std::future::ready(()), if can_read => Woken::Look,
        }
    }

    /// Lets what is being delivered come to its end for as long as the settings say, and writes what came of it.
    async fn stop(mut self) {
        self.calling.cancel.cancel();
        let shared = self.calling.shared.clone();
        let mut drained = std::pin::pin!(shared.clock.sleep(shared.settings.drain));
        loop {
            tokio::select! {
                biased;
                ended = self.calls.join_next() => match ended {
                    Some(Ok((position, outcome))) => self.ended(position, outcome),
                    Some(Err(_)) => {}
                    None => break,
                },
                () = &mut drained => break,
            }
        }
        self.calls.shutdown().await;
        if let Err(error) = self.write(true).await {
            tracing::debug!(%error, "what was delivered last is delivered again");
        }
    }
}
