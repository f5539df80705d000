//! How a task stands by the definition, worked out anew each time from what is recorded and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use tasker_runtime::{
    model::{Rule, Rules, StepIndex, StepState, Timestamp},
    template::{FailureStrategy, StepKind},
};

/// What is recorded about a step, an instance or a compensation last, for the reference.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// Its handler or, `by_hand`, an operator gave a result, at this time.
    Done {
        routes: Vec<u32>,
        batches: u32,
        by_hand: bool,
        at: Timestamp,
    },
    Skipped,
    Failed,
    Waiting {
        until: Timestamp,
    },
}

/// What is recorded of all of them, and which instances an operator has reopened since they last settled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) known: BTreeMap<StepIndex, Known>,
    pub(crate) reopened: BTreeSet<StepIndex>,
}

impl Facts {
    pub(crate) fn get(&self, no: &StepIndex) -> Option<&Known> {
        self.known.get(no)
    }

    /// The state that follows from what is recorded alone.
    pub(crate) fn state(&self, no: &StepIndex) -> Option<StepState> {
        Some(match self.get(no)? {
            Known::Done { by_hand: false, .. } => StepState::Complete,
            Known::Done { by_hand: true, .. } => StepState::ResolvedManually,
            Known::Skipped => StepState::Skipped,
            Known::Failed => StepState::Error,
            Known::Waiting { .. } => StepState::WaitingForRetry,
        })
    }
}

/// Whether nothing more becomes of a step by itself.
pub(crate) fn settled(state: StepState) -> bool {
    matches!(state, StepState::Complete | StepState::ResolvedManually | StepState::Skipped)
}

/// The instances a worker has, from the plan of its analyzer.
pub(crate) fn instances(rule: &Rule, facts: &Facts) -> u32 {
    match rule.batch.as_ref().and_then(|batch| facts.get(&StepIndex::of(batch.analyzer))) {
        Some(Known::Done { batches, .. }) => *batches,
        _ => 0,
    }
}

/// The states of the instances of a worker that has been released.
pub(crate) fn batch(worker: u32, rule: &Rule, facts: &Facts, running: &[StepIndex]) -> Vec<StepState> {
    let Some(batch) = &rule.batch else { return Vec::new() };
    let of = |index| StepIndex::instance(worker, index);
    let count = instances(rule, facts);
    let failed = (0..count).any(|index| matches!(facts.get(&of(index)), Some(Known::Failed)));
    let stopped = failed && batch.strategy == FailureStrategy::FailFast;
    // In a batch that has failed only what runs and what an operator reopened goes on.
    let goes_on = |no: &StepIndex| !stopped || facts.reopened.contains(no);
    let unsettled =
        |index: &u32| facts.state(&of(*index)).is_none_or(|state| state == StepState::WaitingForRetry);
    let runs = |index: &u32| facts.get(&of(*index)).is_none() && running.contains(&of(*index));
    let waits = |index: &u32| goes_on(&of(*index)) && facts.get(&of(*index)).is_some() && unsettled(index);
    let mut open = (0..count).filter(|index| runs(index) || waits(index)).count();
    let state = |index| match facts.state(&of(index)) {
        Some(state) if settled(state) || state == StepState::Error => state,
        _ if runs(&index) => StepState::Ready,
        _ if !goes_on(&of(index)) => StepState::Cancelled,
        _ if waits(&index) => StepState::WaitingForRetry,
        _ if open >= batch.parallelism as usize => StepState::Pending,
        _ => {
            open += 1;
            StepState::Ready
        }
    };
    (0..count).map(state).collect()
}

/// The state of a step of the template, from those of the steps it depends on.
pub(crate) fn step(
    number: u32,
    rules: &Rules,
    states: &[StepState],
    facts: &Facts,
    running: &[StepIndex],
) -> StepState {
    let rule = &rules.steps[number as usize];
    let taken = |&&from: &&u32| match facts.get(&StepIndex::of(from)) {
        _ if matches!(states[from as usize], StepState::Skipped) => false,
        Some(Known::Done { routes, .. }) => {
            rules.steps[from as usize].kind != StepKind::Decision
                || rule.kind == StepKind::DeferredConvergence
                || routes.contains(&number)
        }
        // A worker: what is recorded is recorded of its instances.
        _ => states[from as usize] == StepState::Complete,
    };
    let settled = |&from: &u32| settled(states[from as usize]);
    let taken = rule.dependencies.iter().filter(taken).count();
    let enough = match rule.kind {
        StepKind::DeferredConvergence => taken > 0,
        _ => taken == rule.dependencies.len(),
    };
    match facts.state(&StepIndex::of(number)) {
        Some(recorded) => recorded,
        None if !rule.dependencies.iter().all(settled) => StepState::Pending,
        None if !enough => StepState::Skipped,
        None if rule.batch.is_none() => StepState::Ready,
        None => {
            let parts = batch(number, rule, facts, running);
            let over = |&state: &StepState| {
                self::settled(state) || matches!(state, StepState::Error | StepState::Cancelled)
            };
            let failed = parts.contains(&StepState::Error)
                && rule.batch.as_ref().unwrap().strategy == FailureStrategy::FailFast;
            match (parts.iter().all(over), failed) {
                (false, _) => StepState::Ready,
                (true, true) => StepState::Error,
                (true, false) => StepState::Complete,
            }
        }
    }
}

/// The state of every step and instance, from the definition: look at all steps again and again until
/// nothing changes.
pub(crate) fn reference(rules: &Rules, facts: &Facts, running: &[StepIndex]) -> Vec<StepState> {
    let mut states = vec![StepState::Pending; rules.steps.len()];
    loop {
        let before = states.clone();
        for number in 0..u32::try_from(states.len()).unwrap() {
            states[number as usize] = step(number, rules, &states, facts, running);
        }
        if states == before {
            break;
        }
    }
    let mut all = Vec::new();
    for ((number, rule), &state) in (0u32..).zip(&rules.steps).zip(&states) {
        all.push(state);
        let by_hand = facts.get(&StepIndex::of(number)).is_some();
        if matches!(state, StepState::Pending | StepState::Skipped) && !by_hand {
            // Not released, or not again since an earlier batch was reopened: what they have they keep.
            all.extend((0..instances(rule, facts)).map(|index| {
                let state = facts.state(&StepIndex::instance(number, index));
                state.filter(|state| *state != StepState::WaitingForRetry).unwrap_or(StepState::Pending)
            }));
        } else {
            all.extend(batch(number, rule, facts, running));
        }
    }
    all
}

/// Every step and instance with its state, in the order of the template.
pub(crate) fn numbered(rules: &Rules, facts: &Facts, running: &[StepIndex]) -> Vec<(StepIndex, StepState)> {
    let of = |(step, rule)| {
        let instances = (0..instances(rule, facts)).map(move |index| StepIndex::instance(step, index));
        std::iter::once(StepIndex::of(step)).chain(instances)
    };
    let numbers = (0u32..).zip(&rules.steps).flat_map(of);
    numbers.zip(reference(rules, facts, running)).collect()
}

/// What is to be undone, first to last, with its state: all that has a result and a compensation, of workers
/// each batch, what was done last first, one at a time.
pub(crate) fn rollback(rules: &Rules, facts: &Facts) -> Vec<(StepIndex, StepState)> {
    let done = facts.known.iter().filter_map(|(no, known)| match known {
        Known::Done { at, .. } if no.compensates().is_none() => Some((*at, *no)),
        _ => None,
    });
    let is_compensated = |no: &StepIndex| {
        let rule = &rules.steps[no.step() as usize];
        rule.compensation.is_some() && (rule.batch.is_none() || no.index().is_some())
    };
    let mut done: Vec<_> = done.filter(|(_, no)| is_compensated(no)).collect();
    done.sort_unstable();
    let mut next = Some(StepState::Ready);
    let compensation = |(_, no): &(Timestamp, StepIndex)| {
        let compensation = no.compensation();
        match facts.state(&compensation) {
            Some(state) if settled(state) => (compensation, state),
            recorded => {
                (compensation, next.take().map_or(StepState::Pending, |ready| recorded.unwrap_or(ready)))
            }
        }
    };
    done.iter().rev().map(compensation).collect()
}
