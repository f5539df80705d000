//! The fold over a journal, held against a reference that recomputes everything from the definition.
#![allow(clippy::unwrap_used)]

mod reference;
mod run;

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use run::Run;
use tasker_runtime::{
    model::{BatchRule, Compensation, Retry, Rule, Rules},
    template::{FailureStrategy, OnFailure, StepKind},
};

/// A step before it is numbered: the steps before it that it depends on, its kind, how it runs batches, and
/// whether something undoes it.
type Draft = (Vec<usize>, StepKind, u32, FailureStrategy, bool);

/// A workflow of 1 to 200 steps: each with its kind, and with dependencies among the steps before it. One in
/// three is rolled back when it fails.
fn workflows() -> impl Strategy<Value = Rules> {
    let step = |index: usize| {
        let earlier = proptest::collection::vec(0..index.max(1), 0..4.min(index + 1));
        (earlier, 0..12u8, 1..5u32, 0..3usize, 0..3u8).prop_map(
            move |(mut dependencies, kind, parallelism, strategy, compensated)| {
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
                (dependencies, kind, parallelism, FailureStrategy::ALL[strategy], compensated > 0)
            },
        )
    };
    let steps = (1..=200usize).prop_flat_map(move |count| (0..count).map(step).collect::<Vec<_>>());
    (steps, 0..3u8).prop_map(|(steps, failing)| {
        let on_failure = if failing == 0 { OnFailure::Compensate } else { OnFailure::Block };
        Rules { on_failure, ..number(steps) }
    })
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
    let rule = |(index, (dependencies, kind, parallelism, strategy, compensated)): (usize, &Draft)| Rule {
        publishes: std::sync::Arc::default(),
        compensation_publishes: std::sync::Arc::default(),
        rounds: 0,
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
        wait: None,
        compensation: compensated.then(|| Compensation {
            elsewhere: false,
            retry: Retry::default(),
            timeout: None,
        }),
    };
    Rules { steps: steps.iter().enumerate().map(rule).collect(), on_failure: OnFailure::Block }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_agrees_with_the_definition_and_replays_to_itself(
        rules in workflows(),
        dice in proptest::collection::vec(any::<u16>(), 1..300),
    ) {
        let mut run = Run::new(rules);
        for &throw in &dice {
            run.now = run.now + Duration::from_micros(1);
            if throw % 31 == 0 {
                run.crash();
            }
            run.running.extend(run.progress.take_ready());
            let stand = run.agrees()?;
            if throw % 11 == 0 {
                run.operate(&stand, throw / 11)?;
            } else if !run.running.is_empty() {
                run.work(throw);
            } else if !run.rest(&stand, throw)? {
                break;
            }
        }
        run.crash();
        run.running.extend(run.progress.take_ready());
        run.agrees()?;
    }
}
