//! The durable subscriptions to domain events.

use std::time::Duration;

use serde::Serialize;

use super::Tasker;
use crate::{
    model::Timestamp,
    orchestration::subscriptions::{self, Phase, Stored},
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
            ResetTo::Time(time) => {
                let end = self.0.events().position().await?;
                let first = subscriptions::position_at(&mut store.reader().await?, time).await?;
                first.map_or(end, |first| end.min(first - 1))
            }
        };
        let found = subscriptions::reset(&mut store.writer().await?, name, position).await?;
        self.changed(name, found).await
    }

    async fn changed(&self, name: &str, found: bool) -> Result<SubscriptionReport, SubscriptionError> {
        let unknown = || SubscriptionError::Unknown { name: name.to_owned() };
        let report = if found { self.get(name).await? } else { None };
        report.ok_or_else(unknown)
    }
}
