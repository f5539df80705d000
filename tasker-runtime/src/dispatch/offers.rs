//! The borrower as others see it: what tells it to look at what is on offer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use super::{loans::Loans, permits::Permits};

/// Tells the borrower of a process to look at what is on offer.
pub(crate) struct Offers {
    loans: Arc<Loans>,
    permits: Arc<Permits>,
    /// There may be offers that this process had no permits for.
    skipped: AtomicBool,
    /// Wakes the borrower.
    changed: Notify,
}

impl Offers {
    pub(crate) fn new(loans: Arc<Loans>, permits: Arc<Permits>) -> Self {
        Self { loans, permits, skipped: AtomicBool::new(false), changed: Notify::new() }
    }

    /// Says that there may be new offers, or handlers for them.
    pub(crate) fn changed(&self) {
        self.changed.notify_one();
    }

    /// Says that permits may have come free: has those offers looked at again that were skipped for want of
    /// them, and this process's own that nobody has taken.
    pub(crate) fn permits_freed(&self) {
        let any = self.skipped.load(Ordering::SeqCst) || !self.loans.is_empty();
        if any && self.permits.free() > 0 {
            self.changed.notify_one();
        }
    }

    /// Notes whether offers are skipped for want of permits.
    pub(super) fn set_skipped(&self, skipped: bool) {
        self.skipped.store(skipped, Ordering::SeqCst);
    }

    /// Waits until offers are to be looked at.
    pub(super) async fn wait(&self) {
        self.changed.notified().await;
    }
}
