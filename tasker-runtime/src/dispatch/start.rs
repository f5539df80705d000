//! Makes an attempt of a held task's step ready to run.

use std::sync::Arc;

use super::{batch, body::TaskBody, call::Call, engine::Shared};
use crate::{
    handler::{StepParts, TaskSequenceStep},
    model::{Attempt, task_loop},
};

/// The attempt with everything its handler gets; `None`: the handler is missing here.
pub(super) fn call_of(shared: &Arc<Shared>, body: &TaskBody, call: task_loop::Call) -> Option<Call> {
    let task_loop::Call { attempt, max_attempts, undoes } = call;
    let Attempt { lease, step: no, number } = attempt;
    let place = no.step() as usize;
    let rule = &body.plan.rules().steps[place];
    let (handler, timeout) = match (no.undoes(), rule.compensation) {
        (None, _) => (body.plan.handlers[place], rule.timeout),
        (Some(_), compensation) => (body.plan.compensators[place], compensation.and_then(|how| how.timeout)),
    };
    let handler = handler?;
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
        turn: shared.turns.of(handler, no.undoes().is_none()),
        handler,
        timeout,
        grace: shared.settings.cancel_grace,
        clock: shared.clock.clone(),
        running: shared.running.clone(),
    })
}
