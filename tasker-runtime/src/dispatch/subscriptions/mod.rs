//! Tells the durable subscribers of this process of the events of the log.
//!
//! One loop takes the subscriptions that nobody serves and that this process has functions for, and looks after the
//! ones it has; another follows how far the log is settled, for all of them; each subscription that is served has a
//! [`delivery`] of its own. A process without durable subscribers has none of these. A crash leaves the subscriptions
//! to whoever finds this worker gone, and he goes on from what is written.

mod calling;
mod delivery;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub(super) use self::calling::call;
use self::{
    calling::Calling,
    delivery::{Deliveries, Right},
};
use super::{backoff::Backoff, event_bus::EventBus, polling::Polling, pulse::Pulse, shared::Shared};
use crate::{
    handler::{States, Subscriber},
    model::{EventPattern, WorkerId, subscription::SubscriptionRules},
    orchestration::{
        events::Horizon,
        plans::CompiledTemplates,
        subscriptions::{self, Served, Taken, Wanted},
    },
    store::{Error, Result, Store},
};

/// How long it takes at most until a subscription is taken that nobody serves, or is let go that somebody else does.
const LOOK: Duration = Duration::from_secs(1);
/// How often the log is looked at for events that others recorded.
const FOLLOW: Duration = Duration::from_millis(250);
/// How often it is looked at while transactions are about to commit events, and at least this long lies between looks.
const SETTLE: Duration = Duration::from_millis(10);
/// How long such transactions are waited for where a subscription begins.
const PATIENCE: Duration = Duration::from_secs(10);

/// Puts the subscriptions of these subscribers there, from the first moment of the program on.
pub(crate) async fn put(
    store: &Store,
    subscribers: &[Subscriber],
    now: crate::model::Timestamp,
) -> Result<()> {
    if subscribers.is_empty() {
        return Ok(());
    }
    let end = settled(store).await?;
    let wanted = subscribers.iter().map(|subscriber| {
        let spec = subscriber.spec();
        let position = if spec.from_start { 0 } else { end };
        Wanted { name: spec.name, patterns: spec.patterns, namespaces: spec.namespaces, position }
    });
    let wanted: Vec<Wanted> = wanted.collect();
    subscriptions::put(&mut store.writer().await?, &wanted, now).await
}

/// How far the log is settled, once all who write to it now are gone.
async fn settled(store: &Store) -> Result<i64> {
    let mut horizon = Horizon::default();
    let look = async {
        loop {
            let settled = horizon.look(&mut store.reader().await?).await?;
            if !horizon.is_waiting() {
                return Ok(settled);
            }
            sleep(SETTLE).await;
        }
    };
    timeout(PATIENCE, look).await.unwrap_or_else(|_| Err(Error::timed_out()))
}

/// The loop that sees to the subscriptions of a process.
pub(crate) struct Subscriptions {
    pub shared: Arc<Shared>,
    pub plans: Arc<CompiledTemplates>,
    pub states: Arc<States>,
    /// Those that are durable.
    pub subscribers: Vec<Subscriber>,
    pub events: EventBus,
    pub polling: Polling,
    pub pulse: Pulse,
}

/// What this process serves.
#[derive(Default)]
struct Owned {
    running: JoinSet<i64>,
    /// By the number of the subscription: the right to serve it, and what ends that.
    rights: HashMap<i64, (Right, CancellationToken)>,
}

impl Subscriptions {
    /// Runs until the engine stops and what is being delivered is.
    pub(crate) async fn run(self) {
        let (position, settled) = watch::channel(0);
        let (needed, is_needed) = watch::channel(false);
        tokio::select! {
            () = self.keep(&settled, &needed) => {}
            () = self.follow(&position, is_needed) => {}
        }
    }

    /// Takes subscriptions and lets them go.
    async fn keep(&self, settled: &watch::Receiver<i64>, needed: &watch::Sender<bool>) {
        let mut owned = Owned::default();
        let mut trouble = Backoff::new("subscriptions wait for the database");
        loop {
            self.pulse.beat();
            let looked = self.look(&mut owned, settled).await;
            self.pulse.rest();
            needed.send_if_modified(|needed| std::mem::replace(needed, !owned.rights.is_empty()) != *needed);
            let pause = async {
                match &looked {
                    Ok(()) => sleep(self.polling.spread(LOOK).min(LOOK)).await,
                    Err(error) => trouble.wait(error).await,
                }
            };
            tokio::select! {
                () = self.shared.stopping.cancelled() => break,
                () = pause => {}
                Some(ended) = owned.running.join_next() => {
                    match ended {
                        Ok(id) => drop(owned.rights.remove(&id)),
                        // Nobody else could go on with it as long as this worker lives.
                        Err(error) => if let Ok(panic) = error.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        },
                    }
                }
            }
            if looked.is_ok() {
                trouble.reset();
            }
        }
        // They stop by themselves.
        while owned.running.join_next().await.is_some() {}
        let left = async {
            subscriptions::leave(&mut self.shared.store.writer().await?, self.shared.worker()).await
        };
        if let Err(error) = left.await {
            tracing::debug!(%error, "others serve the subscriptions of this worker once it is gone");
        }
    }

    async fn look(&self, owned: &mut Owned, settled: &watch::Receiver<i64>) -> Result<()> {
        let mut connection = self.shared.store.reader().await?;
        let all = subscriptions::owners(&mut connection).await?;
        drop(connection);
        for served in all {
            let named = self.subscribers.iter().find(|subscriber| subscriber.name() == served.name);
            let Some(subscriber) = named else { continue };
            if let Some((right, lost)) = owned.rights.get(&served.id) {
                if served.owner == Some(right.worker)
                    && served.lease == right.lease
                    && served.phase.is_served()
                {
                    continue;
                }
                lost.cancel();
                // What it is about to write is refused; it has to be gone before another begins here.
                continue;
            }
            if served.owner.is_none() && served.phase.is_served() {
                self.take(owned, *subscriber, &served, settled).await?;
            }
        }
        Ok(())
    }

    async fn take(
        &self,
        owned: &mut Owned,
        subscriber: Subscriber,
        served: &Served,
        settled: &watch::Receiver<i64>,
    ) -> Result<()> {
        let worker = self.shared.worker();
        let mut connection = self.shared.store.writer().await?;
        let Some(taken) = subscriptions::take(&mut connection, served.id, worker).await? else {
            return Ok(());
        };
        drop(connection);
        let right = Right { id: served.id, worker, lease: taken.lease };
        let lost = CancellationToken::new();
        let deliveries = self.deliveries(subscriber, right, taken, (settled.clone(), lost.clone()));
        owned.running.spawn(async move {
            deliveries.run().await;
            right.id
        });
        owned.rights.insert(served.id, (right, lost));
        Ok(())
    }

    fn deliveries(
        &self,
        subscriber: Subscriber,
        right: Right,
        taken: Taken,
        (settled, lost): (watch::Receiver<i64>, CancellationToken),
    ) -> Deliveries {
        let spec = subscriber.spec();
        let rules = SubscriptionRules {
            concurrency: spec.concurrency as usize,
            retry: spec.retry,
            ordered: spec.ordered,
        };
        let calling = Calling {
            shared: self.shared.clone(),
            plans: self.plans.clone(),
            states: self.states.clone(),
            subscriber,
            cancel: CancellationToken::new(),
        };
        let patterns = spec.patterns.iter().filter_map(|pattern| pattern.parse::<EventPattern>().ok());
        Deliveries::new(Arc::new(calling), patterns.collect(), (right, taken), rules, (settled, lost))
    }

    /// Follows how far the log is settled, while anybody wants to know.
    async fn follow(&self, position: &watch::Sender<i64>, mut is_needed: watch::Receiver<bool>) {
        let mut horizon = Horizon::default();
        let mut trouble = Backoff::new("events wait for the database");
        loop {
            if is_needed.wait_for(|needed| *needed).await.is_err() {
                return;
            }
            let looked = async { horizon.look(&mut self.shared.store.reader().await?).await };
            match looked.await {
                Ok(settled) => {
                    trouble.reset();
                    position.send_if_modified(|known| std::mem::replace(known, settled) != settled);
                }
                Err(error) => {
                    trouble.wait(&error).await;
                    continue;
                }
            }
            sleep(SETTLE).await;
            if !horizon.is_waiting() {
                // What is recorded here is told of at once.
                let _ = timeout(FOLLOW, self.events.recorded()).await;
            }
        }
    }
}

impl Right {
    /// As statements take it.
    fn parts(self) -> (i64, WorkerId, i64) {
        (self.id, self.worker, self.lease)
    }
}
