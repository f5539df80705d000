//! What every loop of a process uses.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use crate::{clock::Clock, model::WorkerId, store::Store};

/// What every loop of a process uses, and nothing that only some of them do.
pub(crate) struct Shared {
    pub store: Store,
    pub clock: Clock,
    pub settings: Settings,
    /// This worker's number; it changes when others took the process for dead.
    worker: AtomicI64,
    /// The engine is told to stop.
    pub stopping: CancellationToken,
    /// Set after `stopping`, once nothing is held or on loan here any more.
    pub over: CancellationToken,
}

impl Shared {
    pub(crate) fn new(store: Store, clock: Clock, settings: Settings, worker: WorkerId) -> Self {
        let worker = AtomicI64::new(worker.0);
        Self {
            store,
            clock,
            settings,
            worker,
            stopping: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    /// This worker.
    pub(crate) fn worker(&self) -> WorkerId {
        WorkerId(self.worker.load(Ordering::Acquire))
    }

    /// Goes on under a new number.
    pub(crate) fn become_worker(&self, worker: WorkerId) {
        self.worker.store(worker.0, Ordering::Release);
    }
}
