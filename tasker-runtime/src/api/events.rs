//! The log of domain events.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Serialize, Serializer};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use uuid::Uuid;

use super::Tasker;
use crate::{
    dispatch::event_bus::FastEvent,
    model::{EventOutcome, EventPattern, Json, StepIndex, Timestamp, event_id},
    orchestration::{
        events::{self, Letter, Logged},
        subscriptions::position_at,
    },
    store::Result,
};

/// How often the log is looked at while somebody waits for an event.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is looked at while transactions are about to commit events.
const SETTLE: Duration = Duration::from_millis(5);
/// How long such transactions are waited for at most; a page has what was settled before then.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many events are read at once.
const CHUNK: usize = 500;

/// The log of domain events of a [`Tasker`], as [`Tasker::events`] gives it.
///
/// A durable event is in the log when, and only when, the outcome that it tells of is recorded. The events of a task
/// are numbered from 1 without gaps; over all tasks they are in the order of their positions.
///
/// ```
/// use tasker_runtime::{Tasker, api::{EventFilter, Submission}, prelude::*};
/// use tasker_runtime::template::{PublishedEvent, Step, Template};
///
/// #[step_handler]
/// async fn pay(amount: u32) -> u32 {
///     amount
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let mut step = Step::new("pay");
/// step.publishes_events.push(PublishedEvent::new("order.paid"));
/// let order = Template::builder("order").step(step).build()?;
/// let tasker = Tasker::builder().database("sqlite::memory:").template(order).start().await?;
/// let task = tasker.submit(Submission::to("order").context(&7)?).await?;
/// tasker.wait(task).await?;
///
/// let page = tasker.events().page(&EventFilter::new().named("order.*".parse()?)).await?;
/// assert_eq!((page.events[0].name.as_str(), page.events[0].data.as_str()), ("order.paid", "7"));
/// // The next page begins where this one ends.
/// let rest = tasker.events().page(&EventFilter::new().after(page.next)).await?;
/// assert_eq!(rest.events.len(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct EventLog<'t>(&'t Tasker);

/// Which events a page is to have; all of them from the beginning, at most 100, until something is said.
#[derive(Clone, Debug)]
#[must_use]
pub struct EventFilter {
    pattern: EventPattern,
    namespace: Option<String>,
    after: i64,
    limit: usize,
    wait: Duration,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self { pattern: EventPattern::all(), namespace: None, after: 0, limit: 100, wait: Duration::ZERO }
    }
}

impl EventFilter {
    /// All events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only events whose name is one of these.
    pub fn named(mut self, pattern: EventPattern) -> Self {
        self.pattern = pattern;
        self
    }

    /// Only events of tasks of this namespace.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only events after this position: 0, or what [`EventPage::next`] said.
    pub fn after(mut self, position: i64) -> Self {
        self.after = position;
        self
    }

    /// At most so many, 1 to 1,000.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, 1_000);
        self
    }

    /// Where there is none yet, wait so long for one, 60 seconds at most.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(Duration::from_secs(60));
        self
    }

    fn is_for(&self, event: &Logged) -> bool {
        self.pattern.matches(&event.name)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == event.namespace)
    }
}

/// Some events, in the order of their positions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventPage {
    /// The events.
    pub events: Vec<EventReport>,
    /// The position after which the next page begins.
    pub next: i64,
}

/// An event of the log. Serialized it is a CloudEvents 1.0 envelope in structured JSON.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventReport {
    /// The same event always has the same: consumers drop what they have seen.
    pub id: Uuid,
    /// Its name, the `type` of the envelope.
    pub name: String,
    /// Namespace of the template of its task.
    pub namespace: String,
    /// Name of the template of its task.
    pub template: String,
    /// Version of the template of its task.
    pub version: String,
    /// The task, `subject` and `partitionkey` of the envelope.
    pub task: Uuid,
    /// When the attempt ended.
    pub at: Timestamp,
    /// What it says.
    pub data: Json,
    /// Its number among the events of its task, from 1, without gaps.
    pub sequence: u32,
    /// Its place in the log.
    pub position: i64,
    /// What ties the task to those of other systems.
    pub correlation_id: Uuid,
    /// The step, `undo charge` for a compensation, `charge_003` for a batch.
    pub step: String,
    /// Which batch of the step, from 1.
    pub batch: Option<u32>,
    /// The attempt, from 1; 0: an operator gave the result of the step.
    pub attempt: u32,
    /// What the attempt came to.
    pub outcome: EventOutcome,
}

/// Events of steps that run in this process, as they are recorded: those whose delivery is `fast` or `broadcast`. Each
/// is heard at most once; see [`EventLog::listen`].
#[derive(Debug)]
pub struct FastEvents {
    pattern: EventPattern,
    receiver: Option<Receiver<Arc<FastEvent>>>,
    lost: u64,
}

impl FastEvents {
    /// The next event; `None` once this process runs no steps any more.
    pub async fn next(&mut self) -> Option<Arc<FastEvent>> {
        loop {
            match self.receiver.as_mut()?.recv().await {
                Ok(event) if self.pattern.matches(&event.name) => return Some(event),
                Ok(_) => {}
                Err(RecvError::Lagged(lost)) => self.lost += lost,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// How many events were lost because they were not taken in time, those of other names included.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// The envelope, attribute by attribute.
#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: Uuid,
    r#type: &'a str,
    source: String,
    subject: Uuid,
    time: Timestamp,
    datacontenttype: &'static str,
    sequence: String,
    position: String,
    partitionkey: Uuid,
    correlationid: Uuid,
    template: &'a str,
    templateversion: &'a str,
    step: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<u32>,
    attempt: u32,
    outcome: &'static str,
    origin: &'static str,
    data: &'a Json,
}

impl EventReport {
    /// Who brought the outcome about: `handler` or `operator`.
    #[must_use]
    pub fn origin(&self) -> &'static str {
        if self.outcome == EventOutcome::Resolved { "operator" } else { "handler" }
    }
}

impl Serialize for EventReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let envelope = Envelope {
            specversion: "1.0",
            id: self.id,
            r#type: &self.name,
            source: format!("/tasker/{}/{}", self.namespace, self.template),
            subject: self.task,
            time: self.at,
            datacontenttype: "application/json",
            sequence: self.sequence.to_string(),
            position: self.position.to_string(),
            partitionkey: self.task,
            correlationid: self.correlation_id,
            template: &self.template,
            templateversion: &self.version,
            step: &self.step,
            batch: self.batch,
            attempt: self.attempt,
            outcome: self.outcome.as_str(),
            origin: self.origin(),
            data: &self.data,
        };
        envelope.serialize(serializer)
    }
}

/// An event that could not be published. Its step is what it was all the same.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EventLetterReport {
    /// The id that the event would have had.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The task.
    pub task: Uuid,
    /// The step.
    pub step: String,
    /// The attempt, from 1; 0: an operator gave the result of the step.
    pub attempt: u32,
    /// When the attempt ended.
    pub at: Timestamp,
    /// A stable word: `payload_too_large`, `too_many`, `schema_mismatch`.
    pub reason: String,
    /// What exactly, for people.
    pub detail: String,
    /// What it was to say; null where that was too large.
    pub data: Json,
}

impl Tasker {
    /// The log of domain events.
    #[must_use]
    pub fn events(&self) -> EventLog<'_> {
        EventLog(self)
    }
}

impl EventLog<'_> {
    /// Some events in the order of the log. What transactions are about to add is waited for, so that nothing ever
    /// appears before the position that the page names: a consumer that keeps its position misses none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn page(&self, filter: &EventFilter) -> Result<EventPage> {
        let until = Instant::now() + filter.wait;
        let mut next = filter.after;
        loop {
            let page = self.read(filter, next).await?;
            if !page.events.is_empty() || Instant::now() >= until {
                return Ok(page);
            }
            next = page.next;
            tokio::time::sleep(LOOK.min(until.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// Events of these names from now on whose steps run in this process and whose delivery is `fast` or `broadcast`.
    /// They come once they are recorded, at most once; of more than 1,024 that wait the oldest are lost. A process that
    /// runs no steps hears nothing.
    ///
    /// ```
    /// use tasker_runtime::{Tasker, api::Submission, prelude::*};
    /// use tasker_runtime::template::{DeliveryMode, PublishedEvent, Step, Template};
    ///
    /// #[step_handler]
    /// async fn ring() -> String {
    ///     "ding".to_owned()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let mut step = Step::new("ring");
    /// let event = PublishedEvent { delivery_mode: DeliveryMode::Fast, ..PublishedEvent::new("bell.rang") };
    /// step.publishes_events.push(event);
    /// let bell = Template::builder("bell").step(step).build()?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").template(bell).start().await?;
    /// let mut heard = tasker.events().listen("bell.*".parse()?);
    /// tasker.submit(Submission::to("bell")).await?;
    /// assert_eq!(heard.next().await.unwrap().data.as_str(), "\"ding\"");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn listen(&self, pattern: EventPattern) -> FastEvents {
        let receiver = self.0.inner.engine.as_ref().map(|engine| engine.events().listen());
        FastEvents { pattern, receiver, lost: 0 }
    }

    /// The fast subscribers of this process, each with the number of events that it has lost because it did not keep
    /// up.
    #[must_use]
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        let engine = self.0.inner.engine.as_ref();
        let queues = engine.into_iter().flat_map(|engine| engine.events().queues());
        queues.map(|queue| queue.dropped()).collect()
    }

    /// The position that the log has come to.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn position(&self) -> Result<i64> {
        let mut horizon = self.0.inner.horizon.lock().await;
        let patience = Instant::now() + PATIENCE;
        loop {
            let settled = horizon.look(&mut self.0.inner.store.reader().await?).await?;
            if !horizon.is_waiting() || Instant::now() >= patience {
                return Ok(settled);
            }
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// The position after which the events begin that happened at this time or later.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn position_before(&self, time: Timestamp) -> Result<i64> {
        let end = self.position().await?;
        let first = position_at(&mut self.0.inner.store.reader().await?, time).await?;
        Ok(first.map_or(end, |first| end.min(first - 1)))
    }

    /// What there is after a position, without waiting for more.
    async fn read(&self, filter: &EventFilter, after: i64) -> Result<EventPage> {
        let end = self.position().await?;
        let mut page = EventPage { events: Vec::new(), next: after };
        while page.next < end && page.events.len() < filter.limit {
            let mut connection = self.0.inner.store.reader().await?;
            let read = events::page(&mut connection, page.next, end, CHUNK).await?;
            drop(connection);
            let is_last = read.len() < CHUNK;
            for event in read {
                page.next = event.position;
                if filter.is_for(&event) {
                    page.events.push(self.report(event).await?);
                }
                if page.events.len() == filter.limit {
                    return Ok(page);
                }
            }
            if is_last {
                page.next = end;
            }
        }
        Ok(page)
    }

    /// The events of a task after its number `after`, in their order, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of(&self, task: Uuid, after: u32, limit: usize) -> Result<Vec<EventReport>> {
        let read = events::of_task(&mut self.0.inner.store.reader().await?, task, after, limit).await?;
        let mut reports = Vec::with_capacity(read.len());
        for event in read {
            reports.push(self.report(event).await?);
        }
        Ok(reports)
    }

    /// At most `limit` events that could not be published, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn letters(&self, limit: usize) -> Result<Vec<EventLetterReport>> {
        let read = events::letters(&mut self.0.inner.store.reader().await?, limit).await?;
        let mut reports = Vec::with_capacity(read.len());
        for Letter { at, step, attempt, place, name, reason, detail, payload, task, template } in read {
            let id = event_id(task, step, attempt, place);
            let step = self.step(template, step).await?;
            reports.push(EventLetterReport {
                id,
                name,
                task,
                step,
                attempt,
                at,
                reason,
                detail,
                data: payload,
            });
        }
        Ok(reports)
    }

    async fn report(&self, event: Logged) -> Result<EventReport> {
        let step = self.step(event.template, event.step).await?;
        let batch = event.step.compensates().unwrap_or(event.step).index().map(|index| index + 1);
        Ok(EventReport {
            id: event_id(event.task, event.step, event.attempt, event.place),
            name: event.name,
            namespace: event.namespace,
            template: event.template_name,
            version: event.version,
            task: event.task,
            at: event.at,
            data: event.payload,
            sequence: event.sequence,
            position: event.position,
            correlation_id: event.correlation_id,
            step,
            batch,
            attempt: event.attempt,
            outcome: event.outcome,
        })
    }

    async fn step(&self, template: i64, step: StepIndex) -> Result<String> {
        let plan = self.0.inner.plans.kept(template).await?;
        Ok(plan.rules().name(step).to_string())
    }
}
