//! Who runs when: as many attempts at once as the process allows, and of each handler as many as it allows.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{model::HandlerKey, registry::Registry};

/// An attempt that waited here this long is offered to others, if there are any.
const PATIENCE: Duration = Duration::from_millis(20);
/// The same where a handler's own limit may be what is waited for: what is limited is slow, or so many that
/// one process would rather queue them than write each of them down for another.
const PATIENCE_WITH_OWN_LIMIT: Duration = Duration::from_secs(1);

/// The permits of a process. Its semaphores are never closed.
pub(crate) struct Permits {
    all: Arc<Semaphore>,
    /// Of the handlers that have a limit of their own.
    own: RwLock<HashMap<HandlerKey, Arc<Semaphore>>>,
    /// How many other workers live.
    other_workers: watch::Sender<usize>,
}

/// What an attempt has to wait for.
pub(crate) struct PermitRequest {
    permits: Arc<Permits>,
    own: Option<Arc<Semaphore>>,
    taken: Option<Permit>,
    lendable: bool,
}

/// What an attempt holds while it runs.
pub(crate) struct Permit {
    _all: OwnedSemaphorePermit,
    _own: Option<OwnedSemaphorePermit>,
}

impl Permits {
    /// At most `limit` attempts at once, and of each handler at most as many as it says.
    pub(crate) fn new(limit: usize, registry: &Registry) -> Self {
        let all = Arc::new(Semaphore::new(limit.max(1)));
        let permits = Self { all, own: RwLock::default(), other_workers: watch::Sender::new(0) };
        permits.add(registry);
        permits
    }

    /// Adds the limits of handlers that came since. Limits that are known stay as they are.
    pub(crate) fn add(&self, registry: &Registry) {
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        for handler in registry.handlers().iter().chain(registry.compensations()) {
            if let Some(limit) = handler.spec().concurrency {
                let semaphore = || Arc::new(Semaphore::new(limit as usize));
                own.entry(handler.key().clone()).or_insert_with(semaphore);
            }
        }
    }

    /// How many more attempts may run.
    pub(crate) fn free(&self) -> usize {
        self.all.available_permits()
    }

    /// How many more attempts at this handler may run.
    pub(crate) fn free_of(&self, handler: &HandlerKey) -> usize {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        own.get(handler).map_or(self.free(), |own| own.available_permits().min(self.free()))
    }

    /// What an attempt at this handler waits for. One that is `lendable` waits only until it would be better
    /// off with others.
    pub(crate) fn request(self: &Arc<Self>, handler: &HandlerKey, lendable: bool) -> PermitRequest {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner).get(handler).cloned();
        PermitRequest { permits: self.clone(), own, taken: None, lendable }
    }

    /// Notes how many other workers live.
    pub(crate) fn set_other_workers(&self, count: usize) {
        self.other_workers.send_replace(count);
    }

    /// Whether other workers live, as far as is known.
    pub(crate) fn has_other_workers(&self) -> bool {
        *self.other_workers.borrow() > 0
    }
}

impl PermitRequest {
    /// Takes the permits now, where they are free.
    pub(crate) fn taken(mut self) -> Self {
        self.taken = self.now();
        self
    }

    fn now(&self) -> Option<Permit> {
        let own = match &self.own {
            Some(own) => Some(own.clone().try_acquire_owned().ok()?),
            None => None,
        };
        Some(Permit { _all: self.permits.all.clone().try_acquire_owned().ok()?, _own: own })
    }

    /// The permit once it is granted; `None` when the attempt is better lent to others.
    pub(crate) async fn granted(&mut self) -> Option<Permit> {
        if let Some(permit) = self.taken.take().or_else(|| self.now()) {
            return Some(permit);
        }
        // Room for this is made for those alone that have to wait.
        Box::pin(async {
            tokio::select! {
                biased;
                permit = self.wait() => permit,
                () = self.better_elsewhere() => None,
            }
        })
        .await
    }

    async fn wait(&self) -> Option<Permit> {
        let own = match &self.own {
            Some(own) => Some(own.clone().acquire_owned().await.ok()?),
            None => None,
        };
        Some(Permit { _all: self.permits.all.clone().acquire_owned().await.ok()?, _own: own })
    }

    async fn better_elsewhere(&self) {
        let mut others = self.permits.other_workers.subscribe();
        if !self.lendable || others.wait_for(|others| *others > 0).await.is_err() {
            return std::future::pending().await;
        }
        let patience = if self.own.is_some() { PATIENCE_WITH_OWN_LIMIT } else { PATIENCE };
        tokio::time::sleep(patience).await;
    }
}
