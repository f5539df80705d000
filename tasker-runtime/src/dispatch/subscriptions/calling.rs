//! Calls a subscriber with an event of the log.

use std::{pin::pin, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::super::{
    backoff::Backoff,
    call::{Caught, panic_message},
    shared::Shared,
};
use crate::{
    handler::{Attempt, Event, Heard, States, Subscriber},
    model::{Json, StepError, event_id, subscription::Delivery},
    orchestration::{
        events::{self, Logged},
        plans::CompiledTemplates,
    },
    store::Result,
};

/// What the calls of one subscriber need.
pub(super) struct Calling {
    pub shared: Arc<Shared>,
    pub plans: Arc<CompiledTemplates>,
    pub states: Arc<States>,
    pub subscriber: Subscriber,
    /// Tells the calls that nobody waits for what comes of them, or not for long.
    pub cancel: CancellationToken,
}

impl Calling {
    /// Delivers an event; one that was parked is read from the log first.
    pub(super) async fn deliver(self: Arc<Self>, delivery: Delivery, known: Option<Logged>) -> Outcome {
        let logged = match known {
            Some(logged) => logged,
            None => match self.read(delivery.position).await {
                Some(logged) => logged,
                None => {
                    let message = "the log does not keep the event any longer";
                    return Err(StepError::permanent("EVENT_GONE", message));
                }
            },
        };
        let event = self.event(logged, delivery).await;
        let max = self.subscriber.spec().retry.max_attempts.max(1);
        let heard = Heard {
            event,
            attempt: Attempt { number: delivery.attempt, max },
            states: self.states.clone(),
            cancel: self.cancel.clone(),
        };
        call(&self.shared, &self.subscriber, heard).await
    }

    /// Reads an event, however long the database takes.
    async fn read(&self, position: i64) -> Option<Logged> {
        let mut trouble = Backoff::new(WAITS);
        loop {
            match self.page(position).await {
                Ok(mut page) => return page.pop(),
                Err(error) => trouble.wait(&error).await,
            }
        }
    }

    async fn page(&self, position: i64) -> Result<Vec<Logged>> {
        let mut connection = self.shared.store.reader().await?;
        events::page(&mut connection, position - 1, position, 1).await
    }

    async fn event(&self, logged: Logged, delivery: Delivery) -> Event<Json> {
        let mut trouble = Backoff::new(WAITS);
        loop {
            match self.plans.kept(logged.template).await {
                Ok(plan) => {
                    let step = plan.rules().name(logged.step);
                    return Event::of_log(&logged, step, delivery);
                }
                Err(error) => trouble.wait(&error).await,
            }
        }
    }
}

/// What is said of an event while the database does not answer.
const WAITS: &str = "an event that is to be delivered waits for the database";

impl Event<Json> {
    /// An event of the log.
    fn of_log(logged: &Logged, step: Arc<str>, delivery: Delivery) -> Self {
        Self {
            id: event_id(logged.task, logged.step, logged.attempt, logged.place),
            namespace: logged.namespace.as_str().into(),
            template: logged.template_name.as_str().into(),
            version: logged.version.as_str().into(),
            task: logged.task,
            correlation_id: logged.correlation_id,
            step,
            batch: logged.step.compensates().unwrap_or(logged.step).index().map(|index| index + 1),
            attempt: logged.attempt,
            at: logged.at,
            outcome: logged.outcome,
            sequence: Some(logged.sequence),
            position: Some(logged.position),
            redelivered: delivery.redelivered || delivery.attempt > 1,
            ..Self::of(&logged.name, logged.payload.clone())
        }
    }
}

/// What came of a delivery.
pub(crate) type Outcome = std::result::Result<(), StepError>;

/// Calls a subscriber; a panic and one that takes too long are failures that may be gone at the next attempt.
pub(crate) async fn call(shared: &Shared, subscriber: &Subscriber, heard: Heard) -> Outcome {
    let limit = subscriber.spec().timeout;
    // A function may panic before its first await as well as after it.
    let call = Caught(pin!(async { subscriber.call(heard).await }));
    let called = tokio::select! {
        biased;
        called = call => called,
        () = shared.clock.sleep(limit) => {
            return Err(StepError::retryable("TIMEOUT", format!("it took longer than its timeout of {limit:?}")));
        }
    };
    called.unwrap_or_else(|panic| {
        Err(StepError::retryable("PANIC", format!("the subscriber panicked: {}", panic_message(&*panic))))
    })
}
