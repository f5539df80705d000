//! Makes an attempt ready to run, whoever holds its task.

use std::sync::Arc;

use super::{batch, body::TaskBody, call::Call, engine::Shared};
use crate::{
    handler::{StepParts, TaskSequenceStep},
    model::{Attempt, task_loop},
};

/// The attempt with everything its handler gets; `None`: the handler is not here. With `lendable` it waits for
/// its permit only until others would be faster.
pub(super) fn prepare_call(
    shared: &Arc<Shared>,
    body: &TaskBody,
    call: task_loop::Call,
    lendable: bool,
) -> Option<Call> {
    let task_loop::Call { attempt, max_attempts, undoes } = call;
    let Attempt { lease, step: no, number } = attempt;
    let (handler, key) = (body.plan.handler(no)?, body.plan.key(no)?);
    let step = TaskSequenceStep::new(StepParts {
        task: body.facts.clone(),
        step: no.step(),
        name: body.plan.rules().name(no),
        attempt: number,
        max_attempts,
        batch: batch::part_of(shared, &body.results.batches, lease, (no, number), &body.cancel),
        results: body.results.clone(),
        undoes,
        states: shared.states.clone(),
        cancel: body.stop.clone(),
    });
    Some(Call {
        attempt,
        step,
        plan: body.plan.clone(),
        cancel: body.cancel.clone(),
        permit: shared.permits.request(key, lendable),
        handler: handler.clone(),
        timeout: body.plan.rules().timeout(no),
        grace: shared.settings.cancel_grace,
        clock: shared.clock.clone(),
        running: shared.running.clone(),
    })
}
