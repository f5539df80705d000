//! Rollbacks as the fold has them, held against the definition: completed steps, last first, one at a time.

#![allow(clippy::unwrap_used, clippy::type_complexity)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use tasker_runtime::{
    model::{
        Command, CommandError, Compensation, Event, Json, Progress, Retry, Rule, Rules, StepIndex, StepState,
        TaskState, Timestamp, Verdict,
    },
    template::{OnFailure, StepKind},
};

/// A workflow of 1 to 40 steps that asks for compensation; about two of three steps have one.
fn workflows() -> impl Strategy<Value = Rules> {
    let step = |index: usize| {
        let earlier = proptest::collection::vec(0..index.max(1), 0..3.min(index + 1));
        (earlier, 0..3u8).prop_map(move |(mut dependencies, compensated)| {
            if index == 0 {
                dependencies.clear();
            }
            dependencies.sort_unstable();
            dependencies.dedup();
            (dependencies, compensated > 0)
        })
    };
    (1..=40usize).prop_flat_map(move |count| (0..count).map(step).collect::<Vec<_>>()).prop_map(|steps| {
        let number = |step: usize| u32::try_from(step).unwrap();
        let dependents = |of: usize| {
            let below = steps.iter().enumerate().filter(|(_, (dependencies, _))| dependencies.contains(&of));
            below.map(|(step, _)| number(step)).collect()
        };
        let rule = |(index, (dependencies, compensated)): (usize, &(Vec<usize>, bool))| Rule {
            publishes: Arc::default(),
            compensation_publishes: Arc::default(),
            rounds: 0,
            name: format!("step_{index}").into(),
            kind: StepKind::Standard,
            dependencies: dependencies.iter().map(|&step| number(step)).collect(),
            dependents: dependents(index),
            retry: Retry::default(),
            timeout: Some(Duration::from_secs(1)),
            batch: None,
            wait: None,
            compensation: compensated.then(|| Compensation {
                elsewhere: false,
                retry: Retry::default(),
                timeout: None,
            }),
        };
        Rules { steps: steps.iter().enumerate().map(rule).collect(), on_failure: OnFailure::Compensate }
    })
}

/// What the store keeps: one result for each step, failures, and which of them were reopened.
#[derive(Clone, Debug, Default)]
struct Journal {
    entries: BTreeMap<StepIndex, (Event, Timestamp)>,
    failures: Vec<(StepIndex, Option<Timestamp>, bool)>,
}

impl Journal {
    fn record(&mut self, no: StepIndex, event: &Event, at: Timestamp) {
        match event {
            Event::Failed { retry_at } => self.failures.push((no, *retry_at, false)),
            Event::Reopened => {
                let of_step = self
                    .failures
                    .iter_mut()
                    .filter(|(failed, retry_at, _)| *failed == no && retry_at.is_none());
                of_step.for_each(|(_, _, reopened)| *reopened = true);
            }
            settled => {
                self.entries.insert(no, (settled.clone(), at));
            }
        }
    }

    /// Reads it as a process does that takes the task: by step, failures first, compensations last.
    fn replay(&self, rules: &Arc<Rules>) -> Progress {
        let mut progress = Progress::new(rules.clone());
        for compensation in [false, true] {
            let mut failures: Vec<_> =
                self.failures.iter().filter(|(no, ..)| no.compensates().is_some() == compensation).collect();
            failures.sort_by_key(|(no, ..)| *no);
            for (no, retry_at, reopened) in failures {
                progress.apply(*no, &Event::Failed { retry_at: *retry_at }).unwrap();
                if *reopened {
                    progress.apply(*no, &Event::Reopened).unwrap();
                }
            }
            for (no, (event, at)) in
                self.entries.iter().filter(|(no, _)| no.compensates().is_some() == compensation)
            {
                progress.apply_at(*no, event, *at).unwrap();
            }
        }
        progress
    }

    /// The compensations that follow from the definition, in their order.
    fn expected(&self, rules: &Rules) -> Vec<StepIndex> {
        let finished = self.entries.iter().filter(|(no, (event, _))| {
            let has_result = matches!(event, Event::Completed { .. } | Event::Resolved { .. });
            has_result && no.compensates().is_none() && rules.steps[no.step() as usize].compensation.is_some()
        });
        let mut finished: Vec<(Timestamp, StepIndex)> = finished.map(|(no, (_, at))| (*at, *no)).collect();
        finished.sort_unstable();
        finished.into_iter().rev().map(|(_, no)| no.compensation()).collect()
    }
}

/// Everything about a progress that another process must see as well; it knows not what runs.
fn picture(
    progress: &Progress,
) -> (Vec<(StepIndex, StepState, u32, u32)>, Vec<(StepIndex, StepState, u32, u32)>, TaskState) {
    let mut woken = progress.clone();
    woken.wake(Timestamp::NEVER);
    let row = |(no, slot): (StepIndex, &tasker_runtime::model::Slot)| {
        let state = match slot.state() {
            StepState::InProgress | StepState::Ready => StepState::Pending,
            state => state,
        };
        (no, state, slot.failed_attempts(), slot.spent())
    };
    (woken.slots().map(row).collect(), woken.compensations().map(row).collect(), woken.state())
}

/// One thing that happens to what runs, or to what waits for an operator.
fn happen(dice: u16, at: Timestamp) -> Event {
    match dice % 10 {
        0 => Event::Failed { retry_at: None },
        1 | 2 => Event::Failed { retry_at: Some(at + Duration::from_secs(1)) },
        _ => Event::Completed { result: Json::of(&dice).unwrap() },
    }
}

fn by_operator(dice: u16) -> Event {
    match dice % 3 {
        0 => Event::Skipped,
        1 => Event::Resolved { result: Json::of("by hand").unwrap() },
        _ => Event::Reopened,
    }
}

/// One that failed for good or waits, if there is any, as far as an operator may move it on.
fn stuck(progress: &Progress) -> Option<(StepIndex, StepState)> {
    let is_stuck = |state| matches!(state, StepState::Error | StepState::WaitingForRetry);
    let state = |(no, slot): (StepIndex, &tasker_runtime::model::Slot)| (no, slot.state());
    if progress.rolling_back() {
        return progress.compensations().map(state).find(|(_, state)| is_stuck(*state));
    }
    progress.slots().map(state).find(|(_, state)| is_stuck(*state))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn completed_steps_are_undone_last_first_and_a_crash_at_any_point_changes_nothing(
        rules in workflows(),
        dice in proptest::collection::vec(any::<u16>(), 1..400),
    ) {
        let rules = Arc::new(rules);
        let mut progress = Progress::new(rules.clone());
        let mut journal = Journal::default();
        let mut running: Vec<StepIndex> = Vec::new();
        let mut now = Timestamp::from_micros(1_000_000);
        let mut compensated: Vec<StepIndex> = Vec::new();
        for &throw in &dice {
            now = now + Duration::from_micros(u64::from(throw % 2));
            running.extend(progress.take_ready());
            prop_assert_eq!(picture(&journal.replay(&rules)), picture(&progress));
            let rolling_back = progress.rolling_back();
            let (steps, compensations): (Vec<StepIndex>, Vec<StepIndex>) = running.iter().copied().partition(|no: &StepIndex| no.compensates().is_none());
            prop_assert!(steps.is_empty() || compensations.is_empty(), "steps and compensations at once");
            prop_assert!(compensations.len() <= 1, "compensations at once: {:?}", compensations);
            prop_assert_eq!(progress.compensations().map(|(no, _)| no).collect::<Vec<_>>(),
                if rolling_back { journal.expected(&rules) } else { vec![] });

            // An operator steps in now and then, and where nothing else can happen.
            let asked = stuck(&progress).filter(|_| throw % 7 == 0 || running.is_empty() && throw % 2 == 0);
            let (no, event) = match asked {
                Some((no, state)) => match by_operator(throw / 10) {
                    Event::Reopened if state != StepState::Error => continue,
                    event => (no, event),
                },
                None if running.is_empty() => match progress.verdict() {
                    Verdict::Waiting(at) => {
                        now = now.max(at);
                        progress.wake(at);
                        continue;
                    }
                    Verdict::Failed => continue,
                    verdict => {
                        let expected = journal.expected(&rules);
                        let complete = if rolling_back { Verdict::Compensated } else { Verdict::Complete };
                        prop_assert_eq!(verdict, complete);
                        prop_assert_eq!(&compensated, if rolling_back { &expected } else { &compensated });
                        break;
                    }
                },
                None => {
                    let no = running.swap_remove(usize::from(throw / 10) % running.len());
                    (no, happen(throw, now))
                }
            };
            if rolling_back {
                let next = journal.expected(&rules).get(compensated.len()).copied();
                prop_assert_eq!(next, Some(no), "out of turn");
                let step = Command::Skip { step: "step_0".to_owned() };
                let refused = matches!(step.facts(&progress, Timestamp::default()), Err(CommandError::RollingBack { .. }));
                prop_assert!(refused, "steps stay as they are");
            }
            progress.apply_at(no, &event, now).unwrap();
            journal.record(no, &event, now);
            if no.compensates().is_some() && !matches!(event, Event::Failed { .. } | Event::Reopened) {
                compensated.push(no);
            }
        }
        prop_assert!(compensated.iter().all(|no| journal.expected(&rules).contains(no)));
    }
}
