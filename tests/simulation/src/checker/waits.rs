//! What has to hold of steps that wait for a time or for a signal.

use std::collections::BTreeSet;

use tasker_model::{Due, Kind, Rules, StepIndex, Timestamp, Wait};

use super::{Promise, Standing};
use crate::store::TaskRows;

/// When a step settled, by the journal: the last of its batches, or of those above it where nothing is recorded of it.
fn settled_at(rules: &Rules, rows: &TaskRows, step: u32) -> Timestamp {
    if let Some(row) = rows.steps.get(&StepIndex::of(step)) {
        return row.entry.finished_at;
    }
    let of_step = |no: &&StepIndex| no.step() == step && no.index().is_some() && no.compensates().is_none();
    let batches =
        rows.steps.keys().filter(of_step).filter_map(|no| Some(rows.steps.get(no)?.entry.finished_at));
    since(rules, rows, step).max(batches.max().unwrap_or_default())
}

fn since(rules: &Rules, rows: &TaskRows, step: u32) -> Timestamp {
    let above = rules.steps[step as usize].dependencies.iter();
    above.map(|other| settled_at(rules, rows, *other)).max().unwrap_or(rows.created_at)
}

/// Each signal settled one step at most, and no wait was over before its time.
pub(super) fn check(rules: &Rules, rows: &TaskRows) -> Result<(), (Promise, String)> {
    let mut used = BTreeSet::new();
    for (no, row) in rows.steps.iter().filter(|(no, _)| no.compensates().is_none() && no.index().is_none()) {
        let entry = &row.entry;
        let due = match &rules.steps[no.step() as usize].wait {
            Some(Wait::Timer(Due::After(delay))) if entry.kind == Kind::Handler => Some(*delay),
            Some(Wait::Signal { .. }) if entry.kind == Kind::Handler && entry.attempt > 0 => {
                let sent = rows.signals.iter().find(|signal| signal.number == entry.attempt);
                if sent.is_none_or(|signal| signal.payload != entry.result) || !used.insert(entry.attempt) {
                    return Err((Promise::SignalOnce, format!("{no:?} was settled by {sent:?}: {entry:?}")));
                }
                None
            }
            Some(Wait::Signal { timeout, .. }) if entry.attempt == 0 && entry.kind == Kind::Handler => {
                *timeout
            }
            _ => None,
        };
        if let Some(wait) = due
            && entry.finished_at < since(rules, rows, no.step()) + wait
        {
            return Err((Promise::WaitInTime, format!("{no:?} was over before its time: {entry:?}")));
        }
    }
    Ok(())
}

/// No signal waits beside a step that waits for it.
pub(super) fn check_mailbox(
    rules: &Rules,
    rows: &TaskRows,
    standing: &Standing,
) -> Result<(), (Promise, String)> {
    let is_used = |number: u32| {
        let settled = |(no, row): (&StepIndex, &crate::store::StepRow)| {
            let waits = matches!(rules.steps[no.step() as usize].wait, Some(Wait::Signal { .. }));
            waits
                && no.compensates().is_none()
                && row.entry.kind == Kind::Handler
                && row.entry.attempt == number
        };
        rows.steps.iter().any(settled)
    };
    for signal in rows.signals.iter().filter(|signal| !is_used(signal.number)) {
        let waiting = standing.unbounded.iter().find(|step| {
            let wait = rules.steps[**step as usize].wait.as_ref();
            wait.and_then(Wait::signal) == Some(&signal.name)
        });
        if let Some(step) = waiting.filter(|_| !standing.rolling_back) {
            return Err((Promise::SignalOnce, format!("step {step} waits, and {signal:?} is there")));
        }
    }
    Ok(())
}
