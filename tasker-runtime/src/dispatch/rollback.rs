//! What is particular about holding a task that is being undone.

use super::held::Held;
use crate::{
    model::{Slot, StepState, TaskState, Timestamp},
    orchestration::record::End,
};

/// Gives back a task whose rollback this process does not know how to do, until `later`: a handler of a step
/// that is to be undone is missing here, and what undoes it may be missing with it.
pub(super) fn refused(held: &Held, later: Timestamp) -> Option<End> {
    if held.rollback_shown || held.wanted.is_some() || !held.progress.rolling_back() {
        return None;
    }
    let step = missing_handler(held)?;
    let callable = &held.plan.template.steps()[step].handler.callable;
    let cause = format!("no worker here has the handler `{callable}`, so what undoes it is not known");
    tracing::warn!(task = %held.facts.id, %cause, "task cannot be rolled back here");
    let (state, run_at, cause) = (TaskState::Compensating, Some(later), Some(cause));
    Some(End { lease: held.lease, state, run_at, finished_at: None, cause })
}

/// The number of a step that is to be undone and whose handler, or what undoes it, is missing here.
fn missing_handler(held: &Held) -> Option<usize> {
    let with_result = held.progress.slots().filter(|(_, slot)| slot.state().has_result());
    let mut open = with_result.filter_map(|(no, _)| {
        let undo = held.progress.slot(no.compensation()).map(Slot::state);
        (!undo.is_some_and(StepState::is_settled)).then_some((no, undo.is_some()))
    });
    let missing = open.find(|&(no, undo)| {
        held.plan.handler(no).is_none() || (undo && held.plan.handler(no.compensation()).is_none())
    });
    missing.map(|(no, _)| no.step() as usize)
}

/// Says once, in the store, that the task is being rolled back. The hold goes on.
pub(super) fn shown(held: &mut Held) -> Option<End> {
    if held.rollback_shown || !held.progress.rolling_back() {
        return None;
    }
    held.rollback_shown = true;
    let (state, cause) = (TaskState::Compensating, held.progress.failures());
    Some(End { lease: held.lease, state, run_at: None, finished_at: None, cause })
}

/// Why a task is being rolled back, for people; `None` when it is not.
pub(super) fn cause(held: &Held) -> Option<String> {
    held.progress.rolling_back().then(|| held.progress.failures()).flatten()
}
