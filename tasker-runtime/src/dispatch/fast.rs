//! Tells the fast subscribers of this process of events whose steps ran here, each at most once.
//!
//! Each has a queue of its own. Whoever records is never kept waiting: of a queue that is full the oldest event is
//! lost, and counted.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{event_bus::FastEvent, shared::Shared, subscriptions};
use crate::{
    handler::{Attempt, Event, Heard, States, Subscriber},
    model::{EventPattern, Json},
};

/// So many events wait for a subscriber.
const KEPT: usize = 1_024;

/// What waits for one fast subscriber.
#[derive(Debug)]
pub(crate) struct FastQueue {
    subscriber: Subscriber,
    patterns: Vec<EventPattern>,
    waiting: Mutex<VecDeque<Arc<FastEvent>>>,
    /// Something came.
    came: Notify,
    dropped: AtomicU64,
}

impl FastQueue {
    pub(super) fn new(subscriber: Subscriber) -> Self {
        let patterns = subscriber.patterns().iter().filter_map(|pattern| pattern.parse().ok()).collect();
        Self {
            subscriber,
            patterns,
            waiting: Mutex::default(),
            came: Notify::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// The name of the subscriber, and how many events it has lost.
    pub(crate) fn dropped(&self) -> (&'static str, u64) {
        (self.subscriber.name(), self.dropped.load(Ordering::Relaxed))
    }

    /// Takes an event, if the subscriber hears such.
    pub(super) fn push(&self, event: &Arc<FastEvent>) {
        let namespaces = self.subscriber.spec().namespaces;
        let is_meant = (namespaces.is_empty() || namespaces.contains(&&*event.namespace))
            && self.patterns.iter().any(|pattern| pattern.matches(&event.name));
        if !is_meant {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() == KEPT {
            waiting.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        waiting.push_back(event.clone());
        drop(waiting);
        self.came.notify_one();
    }

    /// The oldest event whose task is none of these.
    fn take(&self, busy: &BTreeSet<Uuid>) -> Option<Arc<FastEvent>> {
        let mut waiting = self.waiting();
        let place = waiting.iter().position(|event| !busy.contains(&event.task))?;
        waiting.remove(place)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<FastEvent>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop that calls one fast subscriber.
pub(crate) struct Fast {
    pub shared: Arc<Shared>,
    pub states: Arc<States>,
    pub queue: Arc<FastQueue>,
}

impl Fast {
    /// Runs until the engine stops; what waits then is not heard any more.
    pub(crate) async fn run(self) {
        let subscriber = self.queue.subscriber;
        let cancel = CancellationToken::new();
        let (mut busy, mut calls) = (BTreeSet::new(), JoinSet::new());
        loop {
            while busy.len() < subscriber.spec().concurrency as usize {
                let Some(event) = self.queue.take(&busy) else { break };
                busy.insert(event.task);
                let (shared, heard) = (self.shared.clone(), self.heard(&event, &cancel));
                calls.spawn(async move {
                    if let Err(error) = subscriptions::call(&shared, &subscriber, heard).await {
                        let (subscriber, event, task) = (subscriber.name(), &*event.name, event.task);
                        tracing::warn!(subscriber, event, %task, %error, "an event was heard in vain");
                    }
                    event.task
                });
            }
            tokio::select! {
                () = self.shared.stopping.cancelled() => break,
                () = self.queue.came.notified() => {}
                Some(ended) = calls.join_next() => {
                    // Its panics are caught, and nobody aborts it.
                    if let Ok(task) = ended {
                        busy.remove(&task);
                    }
                }
            }
        }
        cancel.cancel();
        let over = async { while calls.join_next().await.is_some() {} };
        tokio::select! {
            () = over => {}
            () = self.shared.clock.sleep(self.shared.settings.drain) => {}
        }
    }

    fn heard(&self, event: &FastEvent, cancel: &CancellationToken) -> Heard {
        Heard {
            event: Event::<Json>::of_step(event),
            attempt: Attempt { number: 1, max: 1 },
            states: self.states.clone(),
            cancel: cancel.clone(),
        }
    }
}

impl Event<Json> {
    /// An event of a step that ran in this process.
    fn of_step(event: &FastEvent) -> Self {
        Self {
            id: event.id,
            namespace: event.namespace.as_str().into(),
            template: event.template.as_str().into(),
            version: event.version.as_str().into(),
            task: event.task,
            correlation_id: event.correlation_id,
            step: event.step.clone(),
            batch: event.batch,
            attempt: event.attempt,
            at: event.at,
            outcome: event.outcome,
            ..Self::of(&event.name, event.data.clone())
        }
    }
}
