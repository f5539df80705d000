//! What an engine has done since it started.

use std::sync::atomic::AtomicU64;

/// What an engine has done since it started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Looks at queues.
    pub claims: AtomicU64,
    /// Batches that were recorded.
    pub writes: AtomicU64,
    /// Results that were recorded.
    pub results: AtomicU64,
    /// Failures that were recorded.
    pub failures: AtomicU64,
    /// Outcomes that came after their lease was lost.
    pub late: AtomicU64,
}
