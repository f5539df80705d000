//! How often a process looks for what others make.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::config::Wake;

/// Says how often to look for what others make: a tenth as often while they tell of it. Clones agree.
#[derive(Clone, Debug)]
pub(crate) struct Polling {
    wake: Wake,
    can_listen: bool,
    /// Other processes tell this one of what they make.
    listening: Arc<AtomicBool>,
}

impl Polling {
    /// `can_listen`: the database carries what others tell.
    pub(crate) fn new(wake: Wake, can_listen: bool) -> Self {
        Self { wake, can_listen, listening: Arc::default() }
    }

    /// Notes whether others are heard.
    pub(super) fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// The pause until the next look: `usual`, or ten times that while others are heard.
    pub(crate) fn pause(&self, usual: Duration) -> Duration {
        let told = match self.wake {
            Wake::PollingOnly => false,
            Wake::EventDrivenOnly => self.can_listen,
            Wake::Hybrid => self.listening.load(Ordering::Relaxed),
        };
        if told { usual * 10 } else { usual }
    }

    /// The same, spread by a fifth so that processes do not look in step.
    pub(crate) fn spread(&self, usual: Duration) -> Duration {
        self.pause(usual).mul_f64(0.8 + 0.4 * fastrand::f64())
    }
}
