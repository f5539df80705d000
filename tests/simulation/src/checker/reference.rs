//! How a task stands by the definition, worked out anew each time from its journal and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use tasker_model::{
    BatchOutcome, DecisionOutcome, Entry, Kind, Rule, Rules, StepIndex, StepState, TaskState, Timestamp, Wait,
};
use tasker_template::{FailureStrategy, OnFailure, StepKind};

use crate::store::TaskRows;

/// What is recorded about a step, an instance or a compensation last.
#[derive(Clone, Debug)]
enum Known {
    Done { routes: Vec<u32>, batches: u32, by_hand: bool, at: Timestamp },
    Skipped,
    Failed,
    Waiting,
}

/// Where a task stands by its journal.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Of each step of the template.
    pub(crate) steps: Vec<StepState>,
    /// Steps and instances that may run, and compensations.
    pub(crate) ready: Vec<StepIndex>,
    /// Some of them wait for a retry, or for a time.
    pub(crate) waits: bool,
    /// Steps that wait for a signal, as long as it takes.
    pub(crate) unbounded: Vec<u32>,
    /// Some of them wait for tasks that they started and that are not over.
    pub(crate) has_children: bool,
    /// What is undone, first to last, with where it stands.
    pub(crate) compensated: Vec<(StepIndex, StepState)>,
    pub(crate) rolling_back: bool,
    /// Something was recorded about a compensation.
    pub(crate) begun: bool,
    on_failure: OnFailure,
}

pub(crate) fn is_settled(state: StepState) -> bool {
    matches!(state, StepState::Complete | StepState::ResolvedManually | StepState::Skipped)
}

/// Whether a step waits for tasks that it started.
fn has_open_children(rows: &TaskRows, step: u32) -> bool {
    rows.children.iter().any(|((of, ..), row)| *of == StepIndex::of(step) && !row.ended)
}

struct Facts {
    known: BTreeMap<StepIndex, Known>,
    /// Instances that an operator reopened and that have not settled since.
    reopened: BTreeSet<StepIndex>,
}

impl Standing {
    /// By the journal in `rows`.
    pub(crate) fn of(rules: &Rules, rows: &TaskRows) -> Self {
        let facts = Facts::of(rules, rows);
        let steps = facts.steps(rules);
        let mut ready = Vec::new();
        let mut waits = false;
        let mut unbounded = Vec::new();
        let mut has_children = false;
        for (number, state) in (0u32..).zip(&steps) {
            let rule = &rules.steps[number as usize];
            if *state == StepState::Waiting {
                let again = facts.reopened.contains(&StepIndex::of(number));
                match &rule.wait {
                    Some(Wait::Signal { timeout, .. }) if again || timeout.is_none() => {
                        unbounded.push(number);
                    }
                    // Until they are over. Then it goes on by itself.
                    Some(Wait::Children(_)) if has_open_children(rows, number) => has_children = true,
                    _ => waits = true,
                }
            }
            let parts = match (&rule.batch, state) {
                (None, _) => vec![(StepIndex::of(number), *state)],
                (Some(_), StepState::Pending | StepState::Skipped) => vec![],
                (Some(_), StepState::ResolvedManually) => vec![],
                (Some(_), _) => facts.batch(number, rule),
            };
            for (no, state) in parts {
                waits |= state == StepState::WaitingForRetry;
                ready.extend((state == StepState::Ready).then_some(no));
            }
        }
        let begun = rows.steps.keys().chain(rows.attempts.keys().map(|(step, _)| step));
        let begun = begun.into_iter().any(|step| step.compensates().is_some());
        // What only a signal can move on need never move: a failure beside it is the end.
        let fails = unbounded.is_empty() || steps.contains(&StepState::Error);
        let stands = ready.is_empty()
            && !waits
            && !has_children
            && fails
            && steps.iter().any(|state| !is_settled(*state));
        let rolling_back = rules.on_failure == OnFailure::Compensate && (begun || stands);
        let compensated = if rolling_back { facts.compensated(rules) } else { Vec::new() };
        if rolling_back {
            let current = compensated.iter().find(|(_, state)| !is_settled(*state));
            waits = current.is_some_and(|(_, state)| *state == StepState::WaitingForRetry);
            ready = current
                .filter(|(_, state)| *state == StepState::Ready)
                .map(|(no, _)| *no)
                .into_iter()
                .collect();
        }
        let on_failure = rules.on_failure;
        Self { steps, ready, waits, unbounded, has_children, compensated, rolling_back, begun, on_failure }
    }

    /// The state of a task that stands here and of which no step can run, if none can.
    pub(crate) fn end(&self) -> Option<TaskState> {
        if self.waits || !self.ready.is_empty() {
            return None;
        }
        Some(match self.on_failure {
            _ if self.rolling_back && self.compensated.iter().all(|(_, state)| is_settled(*state)) => {
                TaskState::Compensated
            }
            _ if self.rolling_back => TaskState::BlockedByFailures,
            _ if self.has_children => TaskState::Waiting,
            _ if self.steps.iter().all(|state| is_settled(*state)) => TaskState::Complete,
            _ if !self.unbounded.is_empty() && !self.steps.contains(&StepState::Error) => TaskState::Waiting,
            OnFailure::Fail => TaskState::Error,
            OnFailure::Block | OnFailure::Compensate => TaskState::BlockedByFailures,
        })
    }
}

impl Facts {
    fn of(rules: &Rules, rows: &TaskRows) -> Self {
        let mut facts = Self { known: BTreeMap::new(), reopened: BTreeSet::new() };
        // In the order of the attempts, so that the last one stays.
        for ((step, _), failure) in &rows.attempts {
            let known = match (failure.reopened, failure.retry_at) {
                (true, _) => {
                    facts.reopened.insert(*step);
                    facts.known.remove(step);
                    continue;
                }
                (false, Some(_)) => Known::Waiting,
                (false, None) => {
                    facts.reopened.remove(step);
                    Known::Failed
                }
            };
            facts.known.insert(*step, known);
        }
        for (step, row) in &rows.steps {
            facts.reopened.remove(step);
            facts.known.insert(*step, known(rules, &row.entry));
        }
        facts
    }

    /// The state that follows from what is recorded of it alone.
    fn state(&self, no: StepIndex) -> Option<StepState> {
        Some(match self.known.get(&no)? {
            Known::Done { by_hand: false, .. } => StepState::Complete,
            Known::Done { by_hand: true, .. } => StepState::ResolvedManually,
            Known::Skipped => StepState::Skipped,
            Known::Failed => StepState::Error,
            Known::Waiting => StepState::WaitingForRetry,
        })
    }

    /// The instances of a worker that has been released, with their states. Those that run count as ready.
    fn batch(&self, worker: u32, rule: &Rule) -> Vec<(StepIndex, StepState)> {
        let Some(batch) = &rule.batch else { return Vec::new() };
        let count = match self.known.get(&StepIndex::of(batch.analyzer)) {
            Some(Known::Done { batches, .. }) => *batches,
            _ => 0,
        };
        let numbers = || (0..count).map(|index| StepIndex::instance(worker, index));
        let failed = numbers().any(|no| matches!(self.known.get(&no), Some(Known::Failed)));
        let stopped = failed && batch.strategy == FailureStrategy::FailFast;
        let state = |no: StepIndex| match self.state(no) {
            Some(state) if is_settled(state) || state == StepState::Error => state,
            _ if stopped && !self.reopened.contains(&no) => StepState::Cancelled,
            Some(state) => state,
            // By its parallelism some of these wait for others: they are ready as soon as those are done.
            None => StepState::Ready,
        };
        numbers().map(|no| (no, state(no))).collect()
    }

    fn steps(&self, rules: &Rules) -> Vec<StepState> {
        let mut states: Vec<StepState> = Vec::with_capacity(rules.steps.len());
        // Each step comes after those it depends on.
        for number in (0u32..).take(rules.steps.len()) {
            let state = self.step(number, rules, &states);
            states.push(state);
        }
        states
    }

    fn step(&self, number: u32, rules: &Rules, before: &[StepState]) -> StepState {
        if let Some(recorded) = self.state(StepIndex::of(number)) {
            return recorded;
        }
        let rule = &rules.steps[number as usize];
        if !rule.dependencies.iter().all(|from| is_settled(before[*from as usize])) {
            return StepState::Pending;
        }
        let taken = |&&from: &&u32| match self.known.get(&StepIndex::of(from)) {
            _ if before[from as usize] == StepState::Skipped => false,
            Some(Known::Done { routes, .. }) => {
                rules.steps[from as usize].kind != StepKind::Decision
                    || rule.kind == StepKind::DeferredConvergence
                    || routes.contains(&number)
            }
            // A worker: what is recorded is recorded of its instances.
            _ => true,
        };
        let taken = rule.dependencies.iter().filter(taken).count();
        let runs = match rule.kind {
            StepKind::DeferredConvergence => taken > 0,
            _ => taken == rule.dependencies.len(),
        };
        if !runs {
            return StepState::Skipped;
        }
        if rules.only_waits(StepIndex::of(number)) {
            return StepState::Waiting;
        }
        let Some(batch) = &rule.batch else { return StepState::Ready };
        let parts = self.batch(number, rule);
        let failed = parts.iter().any(|(_, state)| *state == StepState::Error);
        let over =
            |state: StepState| is_settled(state) || matches!(state, StepState::Error | StepState::Cancelled);
        match parts.iter().all(|(_, state)| over(*state)) {
            false => StepState::InProgress,
            true if failed && batch.strategy == FailureStrategy::FailFast => StepState::Error,
            true => StepState::Complete,
        }
    }

    /// All that has a result and a compensation, of workers each batch, what was done last first, one at a
    /// time.
    fn compensated(&self, rules: &Rules) -> Vec<(StepIndex, StepState)> {
        let done = self.known.iter().filter_map(|(no, known)| match known {
            Known::Done { at, .. } if no.compensates().is_none() => Some((*at, *no)),
            _ => None,
        });
        let is_compensated = |no: &StepIndex| {
            let rule = &rules.steps[no.step() as usize];
            rule.compensation.is_some() && (rule.batch.is_none() || no.index().is_some())
        };
        let mut done: Vec<_> = done.filter(|(_, no)| is_compensated(no)).collect();
        done.sort_unstable();
        let state = |no: StepIndex| (no, self.state(no).unwrap_or(StepState::Ready));
        done.iter().rev().map(|(_, no)| state(no.compensation())).collect()
    }
}

fn known(rules: &Rules, entry: &Entry) -> Known {
    if entry.kind == Kind::Skipped {
        return Known::Skipped;
    }
    let routes = entry.result.parse::<DecisionOutcome>().unwrap_or_default().routes;
    let routes = routes.iter().filter_map(|name| rules.number(name)).map(StepIndex::step).collect();
    let batches = entry.result.parse::<BatchOutcome>().unwrap_or_default().batches.len();
    Known::Done {
        routes,
        batches: u32::try_from(batches).unwrap_or_default(),
        by_hand: entry.kind == Kind::Operator,
        at: entry.finished_at,
    }
}
