//! Makes an attempt ready to run, whoever holds its task.

use std::sync::Arc;

use super::{batch, body::TaskBody, call::Call, permits::Permits, running::Running, shared::Shared};
use crate::{
    handler::{Events, Rounds, States, StepParts, TaskSequenceStep},
    model::{Attempt, Publication, task_loop},
};

/// What attempts are called with in this process.
#[derive(Clone)]
pub(crate) struct Calls {
    pub shared: Arc<Shared>,
    /// What the program gives to its handlers.
    pub states: Arc<States>,
    pub permits: Arc<Permits>,
    /// The handlers that run now.
    pub running: Arc<Running>,
}

impl Calls {
    /// The attempt with everything its handler gets; `None`: the handler is not here. With `lendable` it waits
    /// for its permit only until others would be faster.
    pub(super) fn prepare(&self, body: &TaskBody, call: task_loop::Call, lendable: bool) -> Option<Call> {
        let Self { shared, states, permits, running } = self;
        let task_loop::Call { attempt, max_attempts, compensates, rounds } = call;
        let Attempt { lease, step: no, number } = attempt;
        let (handler, key) = (body.plan.handler(no)?, body.plan.key(no)?);
        // Each round has its own attempts.
        let before = rounds.as_ref().map_or(0, |rounds| rounds.attempts);
        let step = TaskSequenceStep::new(StepParts {
            task: body.facts.clone(),
            step: no.step(),
            name: body.plan.rules().name(no),
            attempt: number.saturating_sub(before).max(1),
            max_attempts: max_attempts.saturating_sub(before).max(1),
            batch: batch::part_of(shared, &body.results.batches, lease, (no, number), &body.cancel),
            results: body.results.clone(),
            compensates,
            states: states.clone(),
            cancel: body.stop.clone(),
            rounds: body.plan.rules().goes_round(no).then(|| Rounds::after(rounds.map(|rounds| rounds.last))),
            events: events(body.plan.rules().publications(no)),
        });
        Some(Call {
            attempt,
            step,
            plan: body.plan.clone(),
            cancel: body.cancel.clone(),
            permit: permits.request(key, lendable),
            handler: handler.clone(),
            timeout: body.plan.rules().timeout(no),
            grace: shared.settings.cancel_grace,
            clock: shared.clock.clone(),
            running: running.clone(),
        })
    }
}

/// What a handler may say about the events of its step; `None`: it publishes none.
fn events(publications: &[Publication]) -> Option<Events> {
    let names = || publications.iter().map(|publication| publication.name.clone());
    (!publications.is_empty()).then(|| Events::of(names()))
}
