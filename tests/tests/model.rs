//! The fold over a journal, held against a reference that recomputes everything from the definition.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use proptest::prelude::*;
use serde_json::json;
use tasker_runtime::{
    model::{
        BatchRule, Command, Event, Fact, Json, Progress, Retry, Rule, Rules, StepNo, StepState, Timestamp,
        Verdict,
    },
    template::{FailureStrategy, OnFailure, StepKind},
};

/// A step before it is numbered: the steps before it that it depends on, its kind and how it runs batches.
type Draft = (Vec<usize>, StepKind, u32, FailureStrategy);

/// A workflow of 1 to 200 steps: each with its kind, and with dependencies among the steps before it.
fn workflows() -> impl Strategy<Value = Rules> {
    let step = |index: usize| {
        let earlier = proptest::collection::vec(0..index.max(1), 0..4.min(index + 1));
        (earlier, 0..12u8, 1..5u32, 0..3usize).prop_map(
            move |(mut dependencies, kind, parallelism, strategy)| {
                if index == 0 {
                    dependencies.clear();
                }
                dependencies.sort_unstable();
                dependencies.dedup();
                let kind = match kind {
                    0 => StepKind::Decision,
                    1 | 2 if !dependencies.is_empty() => StepKind::DeferredConvergence,
                    3 => StepKind::Batchable,
                    4 => StepKind::BatchWorker,
                    _ => StepKind::Standard,
                };
                (dependencies, kind, parallelism, FailureStrategy::ALL[strategy])
            },
        )
    };
    (1..=200usize).prop_flat_map(move |count| (0..count).map(step).collect::<Vec<_>>()).prop_map(number)
}

/// Gives each worker an analyzer and makes plain steps of those that have none.
fn number(mut steps: Vec<Draft>) -> Rules {
    let mut free: Vec<usize> = Vec::new();
    let mut analyzers: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, (dependencies, kind, ..)) in steps.iter_mut().enumerate() {
        match kind {
            StepKind::Batchable => free.push(index),
            StepKind::BatchWorker => match free.pop() {
                Some(analyzer) => {
                    dependencies.retain(|&other| other != analyzer);
                    dependencies.push(analyzer);
                    analyzers.insert(index, analyzer);
                }
                None => *kind = StepKind::Standard,
            },
            _ => {}
        }
    }
    free.into_iter().for_each(|analyzer| steps[analyzer].1 = StepKind::Standard);
    let number = |step: usize| u32::try_from(step).unwrap();
    let dependents = |of: usize| {
        let below = steps.iter().enumerate().filter(|(_, (dependencies, ..))| dependencies.contains(&of));
        below.map(|(step, _)| number(step)).collect()
    };
    let rule = |(index, (dependencies, kind, parallelism, strategy)): (usize, &Draft)| Rule {
        name: format!("step{index}").into(),
        kind: *kind,
        dependencies: dependencies.iter().map(|&step| number(step)).collect(),
        dependents: dependents(index),
        retry: Retry::default(),
        timeout: Some(Duration::from_secs(1)),
        batch: analyzers.get(&index).map(|&analyzer| BatchRule {
            analyzer: number(analyzer),
            parallelism: *parallelism,
            strategy: *strategy,
        }),
        compensation: None,
    };
    Rules { steps: steps.iter().enumerate().map(rule).collect(), on_failure: OnFailure::Block }
}

/// What is recorded about a step or an instance last, for the reference.
#[derive(Clone, Debug)]
enum Known {
    Complete { routes: Vec<u32>, batches: u32 },
    Failed,
    Waiting,
}

/// What is recorded of all steps, and which instances an operator has reopened since they last settled.
#[derive(Clone, Debug, Default)]
struct Facts {
    known: BTreeMap<StepNo, Known>,
    reopened: BTreeSet<StepNo>,
}

impl Facts {
    fn get(&self, no: &StepNo) -> Option<&Known> {
        self.known.get(no)
    }
}

/// The instances a worker has, from the plan of its analyzer.
fn instances(rule: &Rule, facts: &Facts) -> u32 {
    match rule.batch.as_ref().and_then(|batch| facts.get(&StepNo::of(batch.analyzer))) {
        Some(Known::Complete { batches, .. }) => *batches,
        _ => 0,
    }
}

/// The states of the instances of a worker that has been released.
fn batch(worker: u32, rule: &Rule, facts: &Facts, running: &[StepNo]) -> Vec<StepState> {
    let Some(batch) = &rule.batch else { return Vec::new() };
    let of = |index| StepNo::instance(worker, index);
    let count = instances(rule, facts);
    let failed = (0..count).any(|index| matches!(facts.get(&of(index)), Some(Known::Failed)));
    let stopped = failed && batch.strategy == FailureStrategy::FailFast;
    // In a batch that has failed only what runs and what an operator reopened goes on.
    let goes_on = |no: &StepNo| !stopped || facts.reopened.contains(no);
    let runs_still = |index: &u32| {
        !goes_on(&of(*index)) && facts.get(&of(*index)).is_none() && running.contains(&of(*index))
    };
    let mut open = u32::try_from((0..count).filter(runs_still).count()).unwrap();
    let state = |index| match facts.get(&of(index)) {
        Some(Known::Complete { .. }) => StepState::Complete,
        Some(Known::Failed) => StepState::Error,
        _ if runs_still(&index) => StepState::Ready,
        _ if !goes_on(&of(index)) => StepState::Cancelled,
        unsettled => {
            open += 1;
            match unsettled {
                Some(_) => StepState::WaitingForRetry,
                None if open <= batch.parallelism => StepState::Ready,
                None => StepState::Pending,
            }
        }
    };
    (0..count).map(state).collect()
}

/// The state of a step of the template, from those of the steps it depends on.
fn step(number: u32, rules: &Rules, states: &[StepState], facts: &Facts, running: &[StepNo]) -> StepState {
    let rule = &rules.steps[number as usize];
    let taken = |&&from: &&u32| match (states[from as usize], facts.get(&StepNo::of(from))) {
        (StepState::Complete, Some(Known::Complete { routes, .. })) => {
            rules.steps[from as usize].kind != StepKind::Decision
                || rule.kind == StepKind::DeferredConvergence
                || routes.contains(&number)
        }
        (StepState::Complete, None) => rules.steps[from as usize].kind == StepKind::BatchWorker,
        _ => false,
    };
    let settled = |&from: &u32| matches!(states[from as usize], StepState::Complete | StepState::Skipped);
    let taken = rule.dependencies.iter().filter(taken).count();
    let enough = match rule.kind {
        StepKind::DeferredConvergence => taken > 0,
        _ => taken == rule.dependencies.len(),
    };
    match facts.get(&StepNo::of(number)) {
        Some(Known::Complete { .. }) => StepState::Complete,
        Some(Known::Failed) => StepState::Error,
        Some(Known::Waiting) => StepState::WaitingForRetry,
        None if !rule.dependencies.iter().all(settled) => StepState::Pending,
        None if !enough => StepState::Skipped,
        None if rule.batch.is_none() => StepState::Ready,
        None => {
            let parts = batch(number, rule, facts, running);
            let over = |state: &StepState| {
                matches!(state, StepState::Complete | StepState::Error | StepState::Cancelled)
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
fn reference(rules: &Rules, facts: &Facts, running: &[StepNo]) -> Vec<StepState> {
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
        if matches!(state, StepState::Pending | StepState::Skipped) {
            // Not released, or not again since an earlier batch was reopened: what they have they keep.
            all.extend((0..instances(rule, facts)).map(|index| {
                match facts.get(&StepNo::instance(number, index)) {
                    Some(Known::Complete { .. }) => StepState::Complete,
                    Some(Known::Failed) => StepState::Error,
                    _ => StepState::Pending,
                }
            }));
        } else {
            all.extend(batch(number, rule, facts, running));
        }
    }
    all
}

/// The states as the fold has them; what runs counts as ready, as the journal knows nothing of it.
fn folded(progress: &Progress) -> Vec<StepState> {
    let state = |state| if state == StepState::InProgress { StepState::Ready } else { state };
    progress.slots().map(|(_, slot)| state(slot.state())).collect()
}

/// The event that follows from a throw of dice, and what the reference learns from it.
fn happen(rules: &Rules, no: StepNo, dice: u16) -> (Event, Known) {
    let rule = &rules.steps[no.step() as usize];
    let complete = |result, routes, batches| {
        let result = Json::of(&result).unwrap();
        (Event::Completed { result }, Known::Complete { routes, batches })
    };
    match (dice % 12, rule.kind) {
        (0, _) => (Event::Failed { retry_at: None }, Known::Failed),
        (1, _) => (Event::Failed { retry_at: Some(Timestamp::from_micros(i64::from(dice))) }, Known::Waiting),
        (_, StepKind::Decision) => {
            let route = |&&to: &&u32| rules.steps[to as usize].kind != StepKind::DeferredConvergence;
            let routes: Vec<u32> = rule.dependents.iter().filter(route).copied().collect();
            let routes: Vec<u32> =
                (0..16).zip(routes).filter(|(bit, _)| dice >> bit & 1 == 1).map(|(_, to)| to).collect();
            let names: Vec<&str> = routes.iter().map(|&to| &*rules.steps[to as usize].name).collect();
            complete(json!({ "routes": names }), routes, 0)
        }
        (_, StepKind::Batchable) => {
            let cursors: Vec<_> = (0..dice / 12 % 8).map(|at| json!({"start": at, "end": at + 1})).collect();
            let count = u32::try_from(cursors.len()).unwrap();
            complete(json!({ "batches": cursors }), Vec::new(), count)
        }
        _ => complete(json!(null), Vec::new(), 0),
    }
}

/// What was recorded, read back in the order of the steps.
fn replay(rules: &Arc<Rules>, journal: &[(StepNo, Event)]) -> Progress {
    let mut journal = journal.to_vec();
    journal.sort_by_key(|(no, _)| *no);
    let mut progress = Progress::new(rules.clone());
    let mut events = journal.iter().peekable();
    while let Some((no, event)) = events.next() {
        let reopened = events.next_if(|(next, event)| next == no && matches!(event, Event::Reopened));
        let event = if reopened.is_some() { &Event::FailedAndReopened } else { event };
        progress.apply(*no, event).unwrap();
    }
    progress
}

/// A run: what the fold says and what the reference is told.
struct Run {
    rules: Arc<Rules>,
    progress: Progress,
    facts: Facts,
    journal: Vec<(StepNo, Event)>,
    running: Vec<StepNo>,
}

impl Run {
    /// The states as the fold has them and as they should be.
    fn states(&self) -> [Vec<StepState>; 2] {
        [folded(&self.progress), reference(&self.rules, &self.facts, &self.running)]
    }

    /// What happens when nothing runs: time passes, or an operator retries what failed. False: it is over.
    fn rest(&mut self, dice: u16) -> Result<bool, TestCaseError> {
        let verdict = self.progress.verdict();
        if let Verdict::Waiting(at) = verdict {
            self.progress.wake(at);
            let progress = &self.progress;
            let woken = |no: &StepNo| progress.slot(*no).unwrap().state() == StepState::Ready;
            self.facts.known.retain(|no, known| !(matches!(known, Known::Waiting) && woken(no)));
            return Ok(true);
        }
        let states = reference(&self.rules, &self.facts, &[]);
        let complete = states.into_iter().zip(self.progress.slots()).all(|(state, (no, _))| {
            matches!(state, StepState::Complete | StepState::Skipped) || no.index().is_some()
        });
        prop_assert_eq!(verdict, if complete { Verdict::Complete } else { Verdict::Failed });
        let Ok(again) = (Command::Retry { steps: Vec::new() }).facts(&self.progress) else {
            return Ok(false);
        };
        for fact in again {
            let Fact::Reopened(no) = fact else { continue };
            if verdict == Verdict::Failed {
                self.progress.apply(no, &Event::Reopened).unwrap();
            }
            self.journal.push((no, Event::Reopened));
            self.facts.known.remove(&no);
            self.facts.reopened.insert(no);
        }
        if verdict == Verdict::Complete {
            // Whoever takes up a task that was over reads it back.
            self.progress = replay(&self.rules, &self.journal);
        }
        Ok(dice.is_multiple_of(2))
    }

    fn work(&mut self, dice: u16) {
        let no = self.running.swap_remove(usize::from(dice) % self.running.len());
        let (event, known) = happen(&self.rules, no, dice);
        self.progress.apply(no, &event).unwrap();
        if !matches!(known, Known::Waiting) {
            self.facts.reopened.remove(&no);
        }
        self.facts.known.insert(no, known);
        self.journal.push((no, event));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_agrees_with_the_definition_and_replays_to_itself(
        rules in workflows(),
        dice in proptest::collection::vec(any::<u16>(), 1..400),
    ) {
        let rules = Arc::new(rules);
        let progress = Progress::new(rules.clone());
        let mut run = Run { rules, progress, facts: Facts::default(), journal: Vec::new(), running: Vec::new() };
        for &throw in &dice {
            run.running.extend(run.progress.take_ready());
            let [actual, wanted] = run.states();
            prop_assert_eq!(actual, wanted);
            if !run.running.is_empty() {
                run.work(throw);
            } else if !run.rest(throw)? {
                break;
            }
        }
        // A crash: what ran is forgotten, the rest is read back.
        let running = std::mem::take(&mut run.running);
        run.progress.take_ready().into_iter().chain(running).for_each(|no| run.progress.put_back(no));
        let mut again = replay(&run.rules, &run.journal);
        again.wake(Timestamp::NEVER);
        run.progress.wake(Timestamp::NEVER);
        let verdict = run.progress.verdict();
        let [before, _] = run.states();
        run.progress = again;
        let [after, _] = run.states();
        prop_assert_eq!(after, before);
        prop_assert_eq!(run.progress.verdict(), verdict);
    }
}
