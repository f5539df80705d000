//! A run of one task: what happens to it is told to the fold and to the reference, which must agree.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};
use tasker_runtime::{
    model::{Command, Event, Fact, Json, Progress, Rules, Slot, StepIndex, StepState, Timestamp, Verdict},
    template::{FailureStrategy, OnFailure, StepKind},
};

use crate::reference::{Facts, Known, numbered, rollback, settled};

/// The states as the fold has them; what runs counts as ready, as the journal knows nothing of it.
pub(crate) fn folded<'p>(slots: impl Iterator<Item = (StepIndex, &'p Slot)>) -> Vec<StepState> {
    let state = |state| if state == StepState::InProgress { StepState::Ready } else { state };
    slots.map(|(_, slot)| state(slot.state())).collect()
}

/// A result of `no` that follows from a throw of dice, and what the reference learns from it.
pub(crate) fn result(
    rules: &Rules,
    no: StepIndex,
    dice: u16,
    by_hand: bool,
    at: Timestamp,
) -> (Value, Known) {
    let rule = &rules.steps[no.step() as usize];
    let done = |result, routes, batches| (result, Known::Done { routes, batches, by_hand, at });
    match rule.kind {
        _ if no.compensates().is_some() => done(json!("undone"), Vec::new(), 0),
        StepKind::Decision => {
            let route = |&&to: &&u32| rules.steps[to as usize].kind != StepKind::DeferredConvergence;
            let routes: Vec<u32> = rule.dependents.iter().filter(route).copied().collect();
            let routes: Vec<u32> =
                (0..16).zip(routes).filter(|(bit, _)| dice >> bit & 1 == 1).map(|(_, to)| to).collect();
            let names: Vec<&str> = routes.iter().map(|&to| &*rules.steps[to as usize].name).collect();
            done(json!({ "routes": names }), routes, 0)
        }
        StepKind::Batchable => {
            let cursors: Vec<_> = (0..dice / 12 % 8).map(|at| json!({"start": at, "end": at + 1})).collect();
            let count = u32::try_from(cursors.len()).unwrap();
            done(json!({ "batches": cursors }), Vec::new(), count)
        }
        StepKind::BatchWorker if no.index().is_none() => done(json!([1, 2]), Vec::new(), 0),
        _ => done(json!(null), Vec::new(), 0),
    }
}

/// The event that follows from a throw of dice, and what the reference learns from it.
pub(crate) fn happen(rules: &Rules, no: StepIndex, dice: u16, at: Timestamp) -> (Event, Known) {
    match dice % 12 {
        0 => (Event::Failed { retry_at: None }, Known::Failed),
        1 => {
            let until = at + Duration::from_micros(u64::from(dice));
            (Event::Failed { retry_at: Some(until) }, Known::Waiting { until })
        }
        _ => {
            let (result, known) = result(rules, no, dice, false, at);
            (Event::Completed { result: Json::of(&result).unwrap() }, known)
        }
    }
}

/// What was recorded, read back in the order of the steps.
pub(crate) fn replay(rules: &Arc<Rules>, journal: &[(StepIndex, Event, Timestamp)]) -> Progress {
    let mut journal = journal.to_vec();
    journal.sort_by_key(|(no, ..)| *no);
    let mut progress = Progress::new(rules.clone());
    let mut events = journal.iter().peekable();
    while let Some((no, event, at)) = events.next() {
        let reopened = events.next_if(|(next, event, _)| next == no && matches!(event, Event::Reopened));
        let event = if reopened.is_some() { &Event::FailedAndReopened } else { event };
        progress.apply_at(*no, event, *at).unwrap();
    }
    progress
}

/// A run: what the fold says and what the reference is told.
pub(crate) struct Run {
    rules: Arc<Rules>,
    pub(crate) progress: Progress,
    facts: Facts,
    journal: Vec<(StepIndex, Event, Timestamp)>,
    pub(crate) running: Vec<StepIndex>,
    pub(crate) now: Timestamp,
}

/// How a task stands by the definition.
pub(crate) struct Stand {
    steps: Vec<(StepIndex, StepState)>,
    /// Nothing runs or may run any more, and not all is settled.
    failed: bool,
    /// What is undone; empty while nothing is.
    compensations: Vec<(StepIndex, StepState)>,
    verdict: Verdict,
}

impl Stand {
    fn state(&self, no: StepIndex) -> StepState {
        self.steps.iter().chain(&self.compensations).find(|(other, _)| *other == no).unwrap().1
    }
}

impl Run {
    pub(crate) fn new(rules: Rules) -> Self {
        let rules = Arc::new(rules);
        let progress = Progress::new(rules.clone());
        let now = Timestamp::from_micros(1);
        Self { rules, progress, facts: Facts::default(), journal: Vec::new(), running: Vec::new(), now }
    }

    fn stand(&self) -> Stand {
        let steps = numbered(&self.rules, &self.facts, &self.running);
        // A batch worker itself neither runs nor waits.
        let acts =
            |no: &StepIndex| no.index().is_some() || self.rules.steps[no.step() as usize].batch.is_none();
        let has = |state| steps.iter().any(|(no, other)| *other == state && acts(no));
        let until = |of: &[(StepIndex, StepState)]| {
            let waits = of.iter().filter(|(_, state)| *state == StepState::WaitingForRetry);
            let times = waits.filter_map(|(no, _)| match self.facts.get(no) {
                Some(Known::Waiting { until }) => Some(*until),
                _ => None,
            });
            times.min()
        };
        let open = has(StepState::Ready) || has(StepState::WaitingForRetry);
        let all = steps.iter().all(|(no, state)| settled(*state) || no.index().is_some());
        let failed = !open && !all;
        let rolled_back = failed && self.rules.on_failure == OnFailure::Compensate;
        let compensations = if rolled_back { rollback(&self.rules, &self.facts) } else { Vec::new() };
        let next = compensations.iter().map(|(_, state)| *state).find(|state| !settled(*state));
        let verdict = match (rolled_back, next) {
            (true, None) => Verdict::Compensated,
            (true, Some(StepState::Error)) => Verdict::Failed,
            (true, _) => until(&compensations).map_or(Verdict::Working, Verdict::Waiting),
            (false, _) if has(StepState::Ready) => Verdict::Working,
            (false, _) if open => until(&steps).map_or(Verdict::Working, Verdict::Waiting),
            (false, _) => {
                if all {
                    Verdict::Complete
                } else {
                    Verdict::Failed
                }
            }
        };
        Stand { steps, failed: rolled_back, compensations, verdict }
    }

    /// The fold says what the definition says.
    pub(crate) fn agrees(&self) -> Result<Stand, TestCaseError> {
        let stand = self.stand();
        let steps: Vec<StepState> = stand.steps.iter().map(|(_, state)| *state).collect();
        prop_assert_eq!(folded(self.progress.slots()), steps);
        let compensations: Vec<StepState> = stand.compensations.iter().map(|(_, state)| *state).collect();
        prop_assert_eq!(folded(self.progress.compensations()), compensations);
        let numbers = |of: &[(StepIndex, StepState)]| of.iter().map(|(no, _)| *no).collect::<Vec<_>>();
        prop_assert_eq!(
            self.progress.compensations().map(|(no, _)| no).collect::<Vec<_>>(),
            numbers(&stand.compensations)
        );
        for (step, rule) in (0u32..).zip(&self.rules.steps) {
            let of_worker =
                |no: &&StepIndex| no.step() == step && no.index().is_some() && no.compensates().is_none();
            let most = rule.batch.as_ref().map_or(0, |batch| batch.parallelism as usize);
            prop_assert!(self.running.iter().filter(of_worker).count() <= most, "batches at once");
        }
        prop_assert_eq!(self.progress.rolling_back(), stand.failed);
        prop_assert_eq!(self.progress.verdict(), stand.verdict);
        Ok(stand)
    }

    /// What happens when nothing runs: time passes, or an operator retries what failed. False: it is over.
    pub(crate) fn rest(&mut self, stand: &Stand, dice: u16) -> Result<bool, TestCaseError> {
        if let Verdict::Waiting(until) = stand.verdict {
            self.now = self.now.max(until);
            self.progress.wake(self.now);
            let due = |no: &StepIndex, known: &Known| {
                let waits = stand.state(*no) == StepState::WaitingForRetry;
                matches!(known, Known::Waiting { until } if waits && *until <= self.now)
            };
            self.facts.known.retain(|no, known| !due(no, known));
            return Ok(true);
        }
        let Ok(again) = (Command::Retry { steps: Vec::new() }).facts(&self.progress, Timestamp::default())
        else {
            return Ok(false);
        };
        self.follow(stand, again, dice);
        Ok(dice.is_multiple_of(2))
    }

    /// An operator asks something of a step, whatever its state.
    pub(crate) fn operate(&mut self, stand: &Stand, dice: u16) -> Result<(), TestCaseError> {
        let all: Vec<(StepIndex, StepState)> =
            stand.steps.iter().chain(&stand.compensations).copied().collect();
        let stuck = |state| matches!(state, StepState::Error | StepState::WaitingForRetry);
        let mut some: Vec<_> = all.iter().filter(|(_, state)| stuck(*state)).copied().collect();
        if some.is_empty() || dice.is_multiple_of(8) {
            some = all;
        }
        let (no, state) = some[usize::from(dice / 8) % some.len()];
        let step = self.rules.name(no).to_string();
        let (command, retry) = match dice % 3 {
            0 => (Command::Retry { steps: vec![step] }, true),
            1 => (
                Command::Resolve {
                    step,
                    result: Json::of(&result(&self.rules, no, dice, true, self.now).0).unwrap(),
                },
                false,
            ),
            _ => (Command::Skip { step }, false),
        };
        let rule = &self.rules.steps[no.step() as usize];
        let instance = rule.batch.as_ref().filter(|_| no.index().is_some() && no.compensates().is_none());
        // An instance can be changed until the steps after its batch may have run.
        let open = instance.is_none_or(|batch| match stand.state(StepIndex::of(no.step())) {
            StepState::Complete => {
                retry && batch.strategy == FailureStrategy::Isolate && stand.verdict == Verdict::Complete
            }
            state => !settled(state),
        });
        let worker = rule.batch.is_some() && no.index().is_none() && no.compensates().is_none();
        let failed: Vec<StepIndex> = match worker && retry {
            true => {
                let of_worker = |other: &StepIndex| other.step() == no.step() && other.index().is_some();
                let failed = stand.steps.iter().filter(|(_, state)| stuck(*state));
                failed.map(|(other, _)| *other).filter(of_worker).collect()
            }
            false => vec![no],
        };
        let fits = stuck(state);
        let wanted = open && fits && (no.compensates().is_some() || !stand.failed);
        let facts = command.facts(&self.progress, Timestamp::default());
        // A worker is retried as soon as one of its batches has failed, if they are still open.
        if worker && retry && !fits {
            return Ok(());
        }
        prop_assert_eq!(facts.is_ok(), wanted, "{:?} of {:?}, which is {:?}", command, no, state);
        let Ok(facts) = facts else { return Ok(()) };
        prop_assert_eq!(facts.iter().map(number_of).collect::<Vec<_>>(), failed);
        self.follow(stand, facts, dice);
        Ok(())
    }

    /// What an operator wants is recorded.
    fn follow(&mut self, stand: &Stand, facts: Vec<Fact>, dice: u16) {
        for fact in facts {
            let no = number_of(&fact);
            let (event, known) = match fact {
                Fact::DueNow(_) => {
                    self.end_wait(no);
                    continue;
                }
                Fact::Reopened(_) => (Event::Reopened, None),
                Fact::Skipped(_) => (Event::Skipped, Some(Known::Skipped)),
                Fact::Resolved(_, result) => {
                    let (_, known) = self::result(&self.rules, no, dice, true, self.now);
                    (Event::Resolved { result }, Some(known))
                }
            };
            if stand.verdict != Verdict::Complete {
                self.progress.apply_at(no, &event, self.now).unwrap();
            }
            self.learn(no, event, known);
        }
        if stand.verdict == Verdict::Complete {
            // Whoever takes up a task that was over reads it back.
            self.progress = replay(&self.rules, &self.journal);
        }
    }

    /// What waits is due now, and that is on record in place of when it was.
    fn end_wait(&mut self, no: StepIndex) {
        self.progress.apply_at(no, &Event::DueNow, self.now).unwrap();
        let now = self.now;
        if let Some(Known::Waiting { until }) = self.facts.known.get_mut(&no) {
            *until = now.min(*until);
        }
        let last = self.journal.iter_mut().rev().find(|(other, ..)| *other == no);
        if let Some((_, Event::Failed { retry_at: Some(until) }, _)) = last {
            *until = now.min(*until);
        }
    }

    pub(crate) fn work(&mut self, dice: u16) {
        let no = self.running.swap_remove(usize::from(dice) % self.running.len());
        let (event, known) = happen(&self.rules, no, dice, self.now);
        self.progress.apply_at(no, &event, self.now).unwrap();
        self.learn(no, event, Some(known));
    }

    /// Keeps what was recorded. `known`: `None` where it was reopened.
    fn learn(&mut self, no: StepIndex, event: Event, known: Option<Known>) {
        match known {
            None => {
                self.facts.known.remove(&no);
                self.facts.reopened.insert(no);
            }
            Some(known) => {
                if !matches!(known, Known::Waiting { .. }) {
                    self.facts.reopened.remove(&no);
                }
                self.facts.known.insert(no, known);
            }
        }
        self.journal.push((no, event, self.now));
    }

    /// A crash: what ran is forgotten, and the rest is read back and goes on by the definition.
    pub(crate) fn crash(&mut self) {
        self.running.clear();
        self.progress = replay(&self.rules, &self.journal);
        // What had become due since waits again.
        let last: BTreeMap<StepIndex, &Event> =
            self.journal.iter().map(|(no, event, _)| (*no, event)).collect();
        for (no, event) in last {
            if let Event::Failed { retry_at: Some(until) } = event {
                self.facts.known.insert(no, Known::Waiting { until: *until });
            }
        }
    }
}

/// What a fact is about.
pub(crate) fn number_of(fact: &Fact) -> StepIndex {
    match fact {
        Fact::Reopened(no) | Fact::DueNow(no) | Fact::Skipped(no) | Fact::Resolved(no, _) => *no,
    }
}
