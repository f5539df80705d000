//! Who runs when: as many attempts at once as the process allows, and of each handler as many as it allows.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::handler::StepHandler;

/// An attempt that waited here this long is offered to others, if there are any.
const PATIENCE: Duration = Duration::from_millis(20);
/// The same where a handler's own limit may be what is waited for: what is limited is slow, or so many that
/// one process would rather queue them than write each of them down for another.
const PATIENCE_WITH_OWN_LIMIT: Duration = Duration::from_secs(1);

/// The permits of a process. Its semaphores are never closed.
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    own: HashMap<String, Arc<Semaphore>>,
    /// How many other workers live.
    company: watch::Sender<usize>,
}

/// What an attempt of one handler has to wait for.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    own: Option<Arc<Semaphore>>,
    taken: Option<Permits>,
    lent: bool,
}

/// What an attempt holds while it runs.
pub(crate) struct Permits {
    _all: OwnedSemaphorePermit,
    _own: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// At most `limit` attempts at once, and of these handlers at most as many as they say.
    pub(crate) fn new<'a>(limit: usize, handlers: impl Iterator<Item = &'a dyn StepHandler>) -> Self {
        let own = handlers.filter_map(|handler| {
            let limit = handler.facts().concurrency?;
            Some((handler.name().to_owned(), Arc::new(Semaphore::new(limit as usize))))
        });
        let all = Arc::new(Semaphore::new(limit.max(1)));
        Self { all, own: own.collect(), company: watch::Sender::new(0) }
    }

    /// How many more attempts may run.
    pub(crate) fn free(&self) -> usize {
        self.all.available_permits()
    }

    /// Which of these handlers may be called now, together with those that may be called as often.
    pub(crate) fn open(&self, handlers: &[String]) -> BTreeMap<usize, Vec<String>> {
        let mut open = BTreeMap::<usize, Vec<String>>::new();
        let free = self.free();
        for name in handlers {
            let own = self.own.get(name).map_or(free, |own| own.available_permits().min(free));
            if own > 0 {
                open.entry(own).or_default().push(name.clone());
            }
        }
        open
    }

    /// What an attempt of this handler waits for. One that may be `lent` waits only until it would be better
    /// off with others.
    pub(crate) fn of(self: &Arc<Self>, handler: &dyn StepHandler, lent: bool) -> Turn {
        let own = if self.own.is_empty() { None } else { self.own.get(handler.name()).cloned() };
        Turn { turns: self.clone(), own, taken: None, lent }
    }

    /// Notes how many other workers live.
    pub(crate) fn set_company(&self, others: usize) {
        self.company.send_replace(others);
    }
}

impl Turn {
    /// Takes the permits now, where they are free.
    pub(crate) fn taken(mut self) -> Self {
        self.taken = self.now();
        self
    }

    fn now(&self) -> Option<Permits> {
        let own = match &self.own {
            Some(own) => Some(own.clone().try_acquire_owned().ok()?),
            None => None,
        };
        Some(Permits { _all: self.turns.all.clone().try_acquire_owned().ok()?, _own: own })
    }

    /// The permits once it is this attempt's turn; `None` when it is better lent to others.
    pub(crate) async fn come(&mut self) -> Option<Permits> {
        if let Some(permits) = self.taken.take().or_else(|| self.now()) {
            return Some(permits);
        }
        tokio::select! {
            biased;
            permits = self.wait() => permits,
            () = self.better_elsewhere() => None,
        }
    }

    async fn wait(&self) -> Option<Permits> {
        let own = match &self.own {
            Some(own) => Some(own.clone().acquire_owned().await.ok()?),
            None => None,
        };
        Some(Permits { _all: self.turns.all.clone().acquire_owned().await.ok()?, _own: own })
    }

    async fn better_elsewhere(&self) {
        if !self.lent || self.turns.company.subscribe().wait_for(|others| *others > 0).await.is_err() {
            return std::future::pending().await;
        }
        let patience = if self.own.is_some() { PATIENCE_WITH_OWN_LIMIT } else { PATIENCE };
        tokio::time::sleep(patience).await;
    }
}
