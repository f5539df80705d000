//! Whether the log of a task says what its journal and its template say, neither more nor less.

use tasker_model::{EventOutcome, Kind, Rules, StepIndex};

use super::Promise;
use crate::store::TaskRows;

/// An event: step, attempt and name.
type Told = (StepIndex, u32, String);

pub(super) fn check(rules: &Rules, rows: &TaskRows) -> Result<(), (Promise, String)> {
    let broken = |seen| Err((Promise::EventsWhole, seen));
    let numbers: Vec<u32> = rows.events.iter().map(|event| event.seq).collect();
    if !numbers.iter().copied().eq((1..).take(numbers.len())) {
        return broken(format!("the numbers of its events are {numbers:?}"));
    }
    let mut found: Vec<Told> =
        rows.events.iter().map(|event| (event.step, event.attempt, event.name.clone())).collect();
    let mut expected = expected(rules, rows);
    found.sort_unstable();
    expected.sort_unstable();
    if found != expected {
        return broken(format!("its events are {found:?}, and by its journal {expected:?}"));
    }
    let mut last = std::collections::BTreeMap::new();
    for event in rows.events.iter().filter(|event| event.attempt > 0 && !rules.only_waits(event.step)) {
        let before = last.insert(event.step, event.attempt).unwrap_or_default();
        if before > event.attempt {
            return broken(format!("{event:?} comes after one of attempt {before}"));
        }
    }
    Ok(())
}

/// What the journal says, by the rule of each outcome.
fn expected(rules: &Rules, rows: &TaskRows) -> Vec<Told> {
    let results = rows.steps.iter().filter_map(|(step, row)| {
        let outcome = match row.entry.kind {
            Kind::Handler => EventOutcome::Success,
            Kind::Operator => EventOutcome::Resolved,
            Kind::Skipped => return None,
        };
        Some((*step, row.entry.attempt, outcome))
    });
    let failed = rows.attempts.iter().filter(|(_, failure)| failure.came.error().is_some());
    let failures = failed.map(|((step, number), failure)| {
        let follows = failure.retry_at.is_some();
        let outcome = if follows { EventOutcome::RetryableFailure } else { EventOutcome::PermanentFailure };
        (*step, *number, outcome)
    });
    let told = |(step, attempt, outcome): (StepIndex, u32, EventOutcome)| {
        let met = rules.publications(step).iter().filter(move |of| outcome.meets(of.condition));
        met.map(move |of| (step, attempt, of.name.to_string()))
    };
    results.chain(failures).flat_map(told).collect()
}
