//! The durable subscriptions to domain events.

use std::time::Duration;

use serde::Serialize;

use uuid::Uuid;

use super::Tasker;
use crate::{
    model::{EventPattern, Timestamp, subscription::ParkedEvent},
    orchestration::{
        events::{self, Logged},
        subscriptions::{self, DeadDelivery, Phase, Stored, Treatment},
    },
    store,
};

/// A subscription whose oldest event is older than this is behind.
const BEHIND: Duration = Duration::from_secs(60);

/// The durable subscriptions of a database, as [`Tasker::subscriptions`] gives them.
///
/// There is one for each function with `#[event_subscriber]` that is not fast, from the first start of a program that
/// has it on. One process at a time serves it; where that ends, another that has the function goes on.
///
/// ```
/// use tasker_runtime::{Tasker, api::ResetTo, prelude::*};
///
/// #[event_subscriber("order.*")]
/// async fn ledger(event: Event<Json>) {
///     println!("{}", event.name);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let builder = Tasker::builder().database("sqlite::memory:").auto_discover(false);
/// let tasker = builder.subscribers(subscribers![ledger]).start().await?;
/// let subscriptions = tasker.subscriptions();
/// assert_eq!(subscriptions.pause("ledger").await?.state.as_str(), "paused");
/// // Everything that the log has is delivered once more.
/// subscriptions.reset("ledger", ResetTo::Start).await?;
/// subscriptions.resume("ledger").await?;
/// assert!(subscriptions.pause("leger").await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Subscriptions<'t>(&'t Tasker);

/// Where a subscription is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetTo {
    /// At the beginning of the log.
    Start,
    /// After everything that is in the log.
    Now,
    /// After this position.
    Position(i64),
    /// At the first event that happened then or later.
    Time(Timestamp),
}

/// What a subscription does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubscriptionState {
    /// It is served, and near the end of the log.
    Live,
    /// It is served, and an event has waited for it for longer than a minute.
    Behind,
    /// An operator stopped it.
    Paused,
    /// More than 10,000 events are parked: it takes no further ones until it is resumed.
    Blocked,
    /// It was given up.
    Disabled,
    /// No living process serves it: none has its function, or those that had it are gone.
    Orphaned,
}

impl SubscriptionState {
    /// As it is written: `live`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Behind => "behind",
            Self::Paused => "paused",
            Self::Blocked => "blocked",
            Self::Disabled => "disabled",
            Self::Orphaned => "orphaned",
        }
    }
}

/// A subscription.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SubscriptionReport {
    /// Its name.
    pub name: String,
    /// The patterns of the events that it hears.
    pub patterns: Vec<String>,
    /// Only of tasks of these namespaces; of all where it is empty.
    pub namespaces: Vec<String>,
    /// What it does.
    pub state: SubscriptionState,
    /// Since when it is served, paused or blocked.
    pub since: Timestamp,
    /// Everything up to this position of the log is delivered, parked, or not meant.
    pub position: i64,
    /// How many events of the log are after it, 10,001 at most, whether they are meant or not.
    pub behind: u64,
    /// For how many seconds the first of them has waited.
    pub lag_seconds: u64,
    /// How many events are parked: to be delivered again, or waiting behind one of their task that is.
    pub parked: u64,
    /// How many could not be delivered.
    pub dead: u64,
    /// The process that serves it.
    pub worker: Option<String>,
}

impl SubscriptionReport {
    fn of(stored: Stored, now: Timestamp) -> Self {
        let lag = stored.next_at.map_or(Duration::ZERO, |at| now.since(at));
        let state = match stored.phase {
            Phase::Paused => SubscriptionState::Paused,
            Phase::Disabled => SubscriptionState::Disabled,
            Phase::Blocked => SubscriptionState::Blocked,
            Phase::Live if stored.worker.is_none() => SubscriptionState::Orphaned,
            Phase::Live if lag > BEHIND => SubscriptionState::Behind,
            Phase::Live => SubscriptionState::Live,
        };
        Self {
            name: stored.name,
            patterns: stored.patterns,
            namespaces: stored.namespaces,
            state,
            since: stored.since,
            position: stored.position,
            behind: stored.behind,
            lag_seconds: lag.as_secs(),
            parked: stored.parked,
            dead: stored.dead,
            worker: stored.worker,
        }
    }
}

/// An event that could not be delivered to a subscription.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeadDeliveryReport {
    /// The subscription.
    pub subscription: String,
    /// Position of the event in the log.
    pub position: i64,
    /// Name of the event; `None`: the log does not keep it any longer.
    pub name: Option<String>,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// Its task.
    pub task: Option<Uuid>,
    /// How often it was delivered, in vain.
    pub attempts: u32,
    /// Why the last delivery failed: a stable word.
    pub reason: String,
    /// What exactly, for people.
    pub detail: String,
}

/// Which events of the log are to be delivered once more to a subscription: those that it is past, and only what it
/// hears; from the beginning of the log until something is said.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Replay {
    since: Timestamp,
    task: Option<Uuid>,
    pattern: Option<EventPattern>,
}

impl Replay {
    /// All that the log has.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only events that happened then or later.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = time;
        self
    }

    /// Only events of this task.
    pub fn task(mut self, task: Uuid) -> Self {
        self.task = Some(task);
        self
    }

    /// Only events with such a name.
    pub fn named(mut self, pattern: EventPattern) -> Self {
        self.pattern = Some(pattern);
        self
    }

    fn is_for(&self, event: &Logged) -> bool {
        event.at >= self.since
            && self.task.is_none_or(|task| task == event.task)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&event.name))
    }
}

/// So many events are delivered once more at most.
const MAX_REPLAYED: usize = 100_000;

/// So many events are read at once.
const CHUNK: usize = 500;

/// Why a subscription could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// There is none of this name.
    #[error("there is no subscription `{name}`")]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// More events are to be delivered once more than at once can be.
    #[error(
        "more than {MAX_REPLAYED} events are to be delivered once more: say from when on, of which task, or of which name"
    )]
    TooMany,
    /// The database did not answer, or refused.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Tasker {
    /// The durable subscriptions to domain events.
    #[must_use]
    pub fn subscriptions(&self) -> Subscriptions<'_> {
        Subscriptions(self)
    }
}

impl Subscriptions<'_> {
    /// All of them, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> store::Result<Vec<SubscriptionReport>> {
        let end = self.0.events().position().await?;
        let stored = subscriptions::list(&mut self.0.inner.store.reader().await?, end).await?;
        let now = self.0.inner.clock.now();
        Ok(stored.into_iter().map(|stored| SubscriptionReport::of(stored, now)).collect())
    }

    /// One of them; `None`: there is none of this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get(&self, name: &str) -> store::Result<Option<SubscriptionReport>> {
        Ok(self.list().await?.into_iter().find(|report| report.name == name))
    }

    /// Lets it take nothing further until it is resumed. What is being delivered at this moment may be delivered again.
    ///
    /// # Errors
    /// When there is none of this name, or the database does not answer.
    pub async fn pause(&self, name: &str) -> Result<SubscriptionReport, SubscriptionError> {
        self.set(name, Phase::Paused).await
    }

    /// Lets one go on that is paused or blocked.
    ///
    /// # Errors
    /// When there is none of this name, or the database does not answer.
    pub async fn resume(&self, name: &str) -> Result<SubscriptionReport, SubscriptionError> {
        self.set(name, Phase::Live).await
    }

    async fn set(&self, name: &str, phase: Phase) -> Result<SubscriptionReport, SubscriptionError> {
        let now = self.0.inner.clock.now();
        let found = subscriptions::set(&mut self.0.inner.store.writer().await?, name, phase, now).await?;
        self.changed(name, found).await
    }

    /// Lets it go on elsewhere in the log: what is parked is forgotten, and so are dead letters after that place.
    ///
    /// # Errors
    /// When there is none of this name, or the database does not answer.
    pub async fn reset(&self, name: &str, to: ResetTo) -> Result<SubscriptionReport, SubscriptionError> {
        let store = &self.0.inner.store;
        let position = match to {
            ResetTo::Start => 0,
            ResetTo::Position(position) => position.max(0),
            ResetTo::Now => self.0.events().position().await?,
            ResetTo::Time(time) => self.0.events().position_before(time).await?,
        };
        let found = subscriptions::reset(&mut store.writer().await?, name, position).await?;
        self.changed(name, found).await
    }

    /// At most `limit` events that could not be delivered, the latest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn dead(&self, limit: usize) -> store::Result<Vec<DeadDeliveryReport>> {
        let dead = subscriptions::dead(&mut self.0.inner.store.reader().await?, limit).await?;
        let report = |dead: DeadDelivery| {
            let (name, at) = dead.event.unzip();
            let (reason, detail) = dead
                .error
                .map_or_else(Default::default, |error| (error.code().to_owned(), error.message().to_owned()));
            let DeadDelivery { subscription, position, attempts, task, .. } = dead;
            DeadDeliveryReport { subscription, position, name, at, task, attempts, reason, detail }
        };
        Ok(dead.into_iter().map(report).collect())
    }

    /// Delivers dead letters of a subscription again, or the one at a position, and says how many those are. Each goes
    /// before what is parked of its task and after what was delivered already.
    ///
    /// # Errors
    /// When there is none of this name, or the database does not answer.
    pub async fn retry_dead(&self, name: &str, position: Option<i64>) -> Result<u64, SubscriptionError> {
        self.treat(name, position, Treatment::Retry(self.0.inner.clock.now())).await
    }

    /// Forgets dead letters of a subscription, or the one at a position, and says how many those were.
    ///
    /// # Errors
    /// When there is none of this name, or the database does not answer.
    pub async fn drop_dead(&self, name: &str, position: Option<i64>) -> Result<u64, SubscriptionError> {
        self.treat(name, position, Treatment::Drop).await
    }

    async fn treat(
        &self,
        name: &str,
        position: Option<i64>,
        treatment: Treatment,
    ) -> Result<u64, SubscriptionError> {
        let mut connection = self.0.inner.store.writer().await?;
        let treated = subscriptions::treat(&mut connection, name, position, treatment).await?;
        treated.ok_or_else(|| SubscriptionError::Unknown { name: name.to_owned() })
    }

    /// Delivers events of the log to a subscription once more, in order per task, and says how many; with `dry_run` it
    /// only says so. Further events of a task come after its old ones.
    ///
    /// # Errors
    /// When there is none of this name, more than 100,000 events are meant, or the database does not answer.
    pub async fn replay(
        &self,
        name: &str,
        replay: &Replay,
        dry_run: bool,
    ) -> Result<usize, SubscriptionError> {
        let Some(report) = self.get(name).await? else {
            return Err(SubscriptionError::Unknown { name: name.to_owned() });
        };
        let (store, now) = (&self.0.inner.store, self.0.inner.clock.now());
        let patterns: Vec<EventPattern> =
            report.patterns.iter().filter_map(|text| text.parse().ok()).collect();
        let is_heard = |event: &Logged| {
            (report.namespaces.is_empty() || report.namespaces.contains(&event.namespace))
                && patterns.iter().any(|pattern| pattern.matches(&event.name))
        };
        let mut parked = Vec::new();
        let first = subscriptions::position_at(&mut store.reader().await?, replay.since).await?;
        let mut after = first.map_or(report.position, |first| first - 1);
        while after < report.position {
            let page = events::page(&mut store.reader().await?, after, report.position, CHUNK).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            let meant = page.iter().filter(|event| replay.is_for(event) && is_heard(event));
            parked.extend(meant.map(|event| ParkedEvent {
                position: event.position,
                task: event.number,
                attempts: 0,
                next_at: Some(now),
                error: None,
                redelivered: true,
            }));
            if parked.len() > MAX_REPLAYED {
                return Err(SubscriptionError::TooMany);
            }
        }
        if !dry_run && !parked.is_empty() {
            subscriptions::replay(&mut store.writer().await?, name, &parked).await?;
        }
        Ok(parked.len())
    }

    async fn changed(&self, name: &str, found: bool) -> Result<SubscriptionReport, SubscriptionError> {
        let unknown = || SubscriptionError::Unknown { name: name.to_owned() };
        let report = if found { self.get(name).await? } else { None };
        report.ok_or_else(unknown)
    }
}
