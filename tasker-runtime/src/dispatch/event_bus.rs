//! Tells those who listen in this process of events whose steps ran here, once they are recorded.
//!
//! At most once, and never waited for: who does not keep up loses the oldest. What is `durable` is in the log
//! instead, where nothing is lost.

use std::sync::Arc;

use tokio::sync::{
    Notify,
    broadcast::{self, Receiver, Sender},
};
use uuid::Uuid;

use super::{body::TaskBody, fast::FastQueue};
use crate::{
    model::{Attempt, DomainEvent, EventOutcome, Json, Published, Timestamp, event_id},
    template::DeliveryMode,
};

/// So many events wait for who listens; of more the oldest are lost.
const KEPT: usize = 1_024;

/// An event of a step that ran in this process, as [`FastEvents`](crate::api::FastEvents) gives it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FastEvent {
    /// The same event always has the same; one that is in the log as well has it there.
    pub id: Uuid,
    /// Its name.
    pub name: Arc<str>,
    /// Namespace of the template of its task.
    pub namespace: String,
    /// Name of the template of its task.
    pub template: String,
    /// Version of the template of its task.
    pub version: String,
    /// The task.
    pub task: Uuid,
    /// What ties the task to those of other systems.
    pub correlation_id: Uuid,
    /// The step, `undo charge` for a compensation, `charge_003` for a batch.
    pub step: Arc<str>,
    /// Which batch of the step, from 1.
    pub batch: Option<u32>,
    /// The attempt, from 1; of a wait, the number of the signal that ended it, or 0.
    pub attempt: u32,
    /// When the attempt ended.
    pub at: Timestamp,
    /// What the attempt came to.
    pub outcome: EventOutcome,
    /// What it says.
    pub data: Json,
}

/// The way to all who listen.
#[derive(Clone, Debug)]
pub(crate) struct EventBus {
    listening: Sender<Arc<FastEvent>>,
    /// Of the fast subscribers of this process.
    queues: Arc<[Arc<FastQueue>]>,
    /// Something was added to the log here.
    recorded: Arc<Notify>,
}

impl EventBus {
    pub(super) fn new(queues: impl IntoIterator<Item = Arc<FastQueue>>) -> Self {
        let queues = queues.into_iter().collect();
        Self { listening: broadcast::channel(KEPT).0, queues, recorded: Arc::default() }
    }

    pub(crate) fn listen(&self) -> Receiver<Arc<FastEvent>> {
        self.listening.subscribe()
    }

    /// The queues of the fast subscribers of this process.
    pub(crate) fn queues(&self) -> &[Arc<FastQueue>] {
        &self.queues
    }

    /// Returns once something was added to the log here since this returned last. For one at a time.
    pub(super) async fn recorded(&self) {
        self.recorded.notified().await;
    }

    /// Notes what goes with an outcome that is recorded.
    pub(super) fn note(&self, published: Option<&Published>) {
        if published.is_some_and(|published| published.events.iter().any(DomainEvent::is_logged)) {
            self.recorded.notify_one();
        }
    }

    /// Whether nobody listens.
    pub(super) fn is_idle(&self) -> bool {
        self.listening.receiver_count() == 0 && self.queues.is_empty()
    }

    /// Tells what goes with an outcome that is recorded.
    pub(super) fn tell(
        &self,
        body: &TaskBody,
        attempt: Attempt,
        at: Timestamp,
        published: Option<&Published>,
    ) {
        let Some(published) = published.filter(|_| !self.is_idle()) else { return };
        let is_told = |mode| matches!(mode, DeliveryMode::Fast | DeliveryMode::Broadcast);
        let told = published.events.iter().filter(|event| event.letter.is_none() && is_told(event.mode));
        for event in told {
            let told = Arc::new(FastEvent {
                id: event_id(body.facts.id, attempt.step, attempt.number, event.place()),
                name: event.name.clone(),
                namespace: body.facts.template.namespace().to_owned(),
                template: body.facts.template.name().to_owned(),
                version: body.facts.template.version().to_string(),
                batch: attempt.step.compensates().unwrap_or(attempt.step).index().map(|index| index + 1),
                task: body.facts.id,
                correlation_id: body.facts.correlation_id,
                step: body.plan.rules().name(attempt.step),
                attempt: attempt.number,
                at,
                outcome: event.outcome,
                data: event.payload.clone(),
            });
            self.queues.iter().for_each(|queue| queue.push(&told));
            // Those who listened may be gone by now.
            let _ = self.listening.send(told);
        }
    }
}
