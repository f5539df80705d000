//! The HTTP service: what the library does, for programs that speak HTTP.
//!
//! It translates and nothing else: every answer comes from the calls that [`Tasker`] has, every refusal from their
//! errors, as a problem document (RFC 9457). It keeps nothing; a crash leaves behind what the calls left. What is
//! refused under load is refused before anything is read, with the time to come back.
//!
//! | file | what it does |
//! |---|---|
//! | `listener.rs` | binds the address, accepts connections and drains them |
//! | `pace.rs` | ends connections that say nothing, half of something, or do not read |
//! | `guard.rs` | what every request passes: host, size, load, time limits, its id, the log |
//! | `auth/` | who asks, and the table of what they may |
//! | `extract.rs` | reads bodies, queries and ids, and says all that is wrong with them at once |
//! | `problem.rs`, `refusals.rs` | the problem documents, and the errors of the library as such |
//! | `rest/` | the routes, a file for each noun |
//! | `wire.rs` | the documents that are sent |
//! | `metrics.rs` | what is counted |
//! | `live.rs` | what happens to tasks that somebody watches |
//! | `health.rs` | whether the database answers |
//! | `openapi.rs` | the contract |

mod auth;
mod extract;
mod guard;
mod health;
mod listener;
mod live;
mod metrics;
mod openapi;
mod pace;
mod page;
mod problem;
mod refusals;
mod rest;
mod wire;

pub use listener::{BindError, Server};
pub use openapi::document as openapi;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::{auth::Auth, health::Health, live::Live, metrics::Metrics};
use crate::{api::Tasker, config::Config};

/// What a [`Server`] takes and how it ends.
///
/// ```
/// use tasker_runtime::{config::Config, server::Options};
///
/// let options = Options::of(&Config::from_parts(None, |_| None)?);
/// assert_eq!(options.max_body, 1 << 20);
/// assert!(options.drain_delay.is_zero());
/// # Ok::<(), tasker_runtime::config::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The largest body of a request, in bytes: `server.max_body_bytes`.
    pub max_body: usize,
    /// How long a server that is told to stop serves as before, but for saying that it is not ready:
    /// `server.drain_delay_seconds`.
    pub drain_delay: Duration,
    /// What `GET /v1/config` shows: each setting, its value without passwords, and where that came from.
    pub settings: Vec<(String, String, String)>,
    /// What is said of tokens; [`Server::bind`] reads it.
    config: Config,
}

impl Options {
    /// What the settings say.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let server = &config.settings().server;
        let setting = |found: crate::config::Effective<'_>| {
            (found.key.name.to_owned(), found.value, found.source.to_string())
        };
        let settings = config.effective().map(setting).collect();
        Self { max_body: server.max_body, drain_delay: server.drain_delay, settings, config: config.clone() }
    }
}

/// Requests that may be in flight at once, and commands of operators besides.
const IN_FLIGHT: usize = 512;
const OPERATORS: usize = 32;

/// What the routes share. Clones are handles to the same.
#[derive(Clone)]
pub(super) struct Service(Arc<Inner>);

struct Inner {
    tasker: Tasker,
    options: Options,
    auth: Auth,
    /// It is to stop, and says that it is not ready.
    draining: AtomicBool,
    /// It stops: nothing waits any more.
    closing: CancellationToken,
    requests: Arc<Semaphore>,
    operators: Arc<Semaphore>,
    health: Health,
    metrics: Metrics,
    live: Live,
}

impl Service {
    fn new(tasker: Tasker, options: Options, auth: Auth) -> Self {
        Self(Arc::new(Inner {
            tasker,
            options,
            auth,
            draining: AtomicBool::new(false),
            closing: CancellationToken::new(),
            requests: Arc::new(Semaphore::new(IN_FLIGHT)),
            operators: Arc::new(Semaphore::new(OPERATORS)),
            health: Health::default(),
            metrics: Metrics::default(),
            live: Live::default(),
        }))
    }

    fn tasker(&self) -> &Tasker {
        &self.0.tasker
    }

    fn health(&self) -> &Health {
        &self.0.health
    }

    fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }
}
