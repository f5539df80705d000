//! The handlers of a running program, which may gain more.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use super::{Registration, Registry};

/// The registry of a running program. What it has at one moment never changes; a handler that comes makes a
/// new one of it, under the next epoch, and whoever compiled something with an older one compiles it anew.
#[derive(Debug)]
pub(crate) struct LiveRegistry {
    current: RwLock<Arc<Registry>>,
    /// That of `current`, to be compared without a lock.
    epoch: AtomicU64,
}

impl LiveRegistry {
    pub(crate) fn new(registry: Registry) -> Self {
        let epoch = AtomicU64::new(registry.epoch());
        Self { current: RwLock::new(Arc::new(registry)), epoch }
    }

    /// The handlers there are now.
    pub(crate) fn current(&self) -> Arc<Registry> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The epoch of the handlers there are now.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Adds handlers, if `check` finds nothing wrong with all that there is then.
    ///
    /// # Errors
    /// What `check` found; nothing is added then.
    pub(crate) fn add<E>(
        &self,
        handlers: impl IntoIterator<Item = Registration>,
        check: impl FnOnce(&Registry) -> Result<(), E>,
    ) -> Result<Arc<Registry>, E> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let more = Arc::new(current.with(handlers));
        check(&more)?;
        *current = more.clone();
        self.epoch.store(more.epoch(), Ordering::Release);
        Ok(more)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::handler::{StepHandler, TaskSequenceStep};
    use crate::model::{Json, StepError};

    struct Named(&'static str);

    impl StepHandler for Named {
        fn name(&self) -> &str {
            self.0
        }

        async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
            step.output(self.0)
        }
    }

    fn handler(name: &'static str) -> [Registration; 1] {
        [Registration::of(Arc::new(Named(name)))]
    }

    #[test]
    fn handler_that_comes_later_begins_an_epoch() {
        let live = LiveRegistry::new(Registry::of(handler("live_first")));
        let before = live.epoch();
        assert!(live.current().find("shop", "live_second").is_err());
        live.add(handler("live_second"), |_| Ok::<_, ()>(())).unwrap();
        assert!(live.current().find("shop", "live_second").is_ok());
        assert!(live.current().find("shop", "live_first").is_ok(), "what was there stays");
        assert!(live.epoch() > before);
        assert_eq!(live.epoch(), live.current().epoch());
    }

    #[test]
    fn handlers_that_do_not_fit_are_not_added() {
        let live = LiveRegistry::new(Registry::of(handler("live_first")));
        let before = live.epoch();
        assert_eq!(live.add(handler("live_second"), |_| Err("no")).unwrap_err(), "no");
        assert_eq!(live.epoch(), before);
        assert!(live.current().find("shop", "live_second").is_err());
    }
}
