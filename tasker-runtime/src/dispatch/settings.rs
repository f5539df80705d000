//! How an engine works.

use std::time::Duration;

use super::retention::Retention;
use crate::config::Wake;

/// How an engine works. Every value has a sensible default.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Attempts that run at once.
    pub concurrency: usize,
    /// Tasks held at once.
    pub window: usize,
    /// Tasks taken at once.
    pub claim: usize,
    /// Loops that hold tasks, each with a connection of its own.
    pub holds: usize,
    /// How long a lease lives without renewal.
    pub lease: Duration,
    /// The longest time until work that nobody announced is found.
    pub poll: Duration,
    /// How work that others made is found.
    pub wake: Wake,
    /// How long a cancelled handler may take to come to an end.
    pub cancel_grace: Duration,
    /// How long stopping waits for handlers.
    pub drain: Duration,
    /// How long an attempt may take where nothing else says so.
    pub step_timeout: Duration,
    /// How long tasks that are over are kept.
    pub retention: Retention,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 100,
            window: 2000,
            claim: 500,
            holds: 2,
            lease: Duration::from_secs(15),
            poll: Duration::from_secs(1),
            wake: Wake::Hybrid,
            cancel_grace: Duration::from_secs(1),
            drain: Duration::from_secs(5),
            step_timeout: Duration::from_secs(300),
            retention: Retention::default(),
        }
    }
}
