//! Tells those who listen in this process of events whose steps ran here, once they are recorded.
//!
//! At most once, and never waited for: who does not keep up loses the oldest. What is `durable` is in the log
//! instead, where nothing is lost.

use std::sync::Arc;

use tokio::sync::broadcast::{self, Receiver, Sender};
use uuid::Uuid;

use super::body::TaskBody;
use crate::{
    model::{Attempt, EventOutcome, Json, Published, Timestamp, event_id},
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
    /// The task.
    pub task: Uuid,
    /// What ties the task to those of other systems.
    pub correlation_id: Uuid,
    /// The step, `undo charge` for a compensation, `charge_003` for a batch.
    pub step: Arc<str>,
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
pub(crate) struct EventBus(Sender<Arc<FastEvent>>);

impl Default for EventBus {
    fn default() -> Self {
        Self(broadcast::channel(KEPT).0)
    }
}

impl EventBus {
    pub(crate) fn listen(&self) -> Receiver<Arc<FastEvent>> {
        self.0.subscribe()
    }

    /// Whether nobody listens.
    pub(super) fn is_idle(&self) -> bool {
        self.0.receiver_count() == 0
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
            // Those who listened may be gone by now.
            let _ = self.0.send(Arc::new(FastEvent {
                id: event_id(body.facts.id, attempt.step, attempt.number, event.place()),
                name: event.name.clone(),
                namespace: body.facts.template.namespace().to_owned(),
                template: body.facts.template.name().to_owned(),
                task: body.facts.id,
                correlation_id: body.facts.correlation_id,
                step: body.plan.rules().name(attempt.step),
                attempt: attempt.number,
                at,
                outcome: event.outcome,
                data: event.payload.clone(),
            }));
        }
    }
}
