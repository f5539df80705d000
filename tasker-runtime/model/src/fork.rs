//! What a task that is forked from another one keeps of its journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tasker_template::nearest;

use super::{Entry, Failure, History, Progress, Rules, StepIndex, StepState};

/// Why a task cannot be forked or replayed. Nothing was added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkRefused {
    /// The task has no step of this name.
    #[error("the task has no step `{step}`{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    UnknownStep {
        /// The name that was given.
        step: String,
        /// The name that is nearest.
        nearest: Option<String>,
    },
    /// What is named is a batch: a worker runs again as a whole.
    #[error("`{step}` is one batch of `{worker}`, and these run again together: fork from `{worker}`")]
    Batch {
        /// The name that was given.
        step: String,
        /// The step it belongs to.
        worker: String,
    },
    /// The task goes on, and something that the step depends on is not settled yet.
    #[error("the task is not over, and `{upstream}`, which `{step}` depends on, has no result yet")]
    Unsettled {
        /// The step.
        step: String,
        /// What it depends on.
        upstream: String,
    },
    /// With the results that are kept, the step is left out.
    #[error("`{step}` is on a branch that is not taken: fork from the decision above it")]
    NotTaken {
        /// The step.
        step: String,
    },
    /// The task is being rolled back.
    #[error(
        "the task is being rolled back: what it did is about to be undone; wait for its end, or replay it"
    )]
    RollingBack,
    /// A step whose result would be kept was undone.
    #[error("what `{step}` did was undone: fork from there, from a step above it, or replay the task")]
    Undone {
        /// The step.
        step: String,
    },
    /// The template that the task started with is not kept any more, or cannot be read.
    #[error("the template of the task, {template}, cannot be used any more: {problem}")]
    TemplateGone {
        /// Namespace, name and version, as far as they are known.
        template: String,
        /// What is wrong.
        problem: String,
    },
}

impl ForkRefused {
    /// The reason in a word, which stays the same: programs may compare it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownStep { .. } => "UNKNOWN_STEP",
            Self::Batch { .. } => "BATCH_INSTANCE",
            Self::Unsettled { .. } => "UPSTREAM_UNSETTLED",
            Self::NotTaken { .. } => "BRANCH_NOT_TAKEN",
            Self::RollingBack => "TASK_ROLLING_BACK",
            Self::Undone { .. } => "STEP_UNDONE",
            Self::TemplateGone { .. } => "TEMPLATE_GONE",
        }
    }
}

impl Rules {
    /// A step and everything that depends on it, directly or not.
    #[must_use]
    pub fn below(&self, step: u32) -> BTreeSet<u32> {
        self.reached(step, |rule| &rule.dependents)
    }

    /// A step and everything that it depends on, directly or not.
    #[must_use]
    pub fn above(&self, step: u32) -> BTreeSet<u32> {
        self.reached(step, |rule| &rule.dependencies)
    }

    fn reached(&self, step: u32, next: impl Fn(&super::Rule) -> &[u32]) -> BTreeSet<u32> {
        let (mut found, mut open) = (BTreeSet::from([step]), vec![step]);
        while let Some(step) = open.pop() {
            let rule = &self.steps[step as usize];
            open.extend(next(rule).iter().filter(|&&other| found.insert(other)));
        }
        found
    }
}

impl History {
    /// What a task that is forked from the step of this name begins with: the results of everything that is not below
    /// it. Failed attempts are not kept, but of batches that failed while their worker is done all the same, which
    /// stay as they are; nor is what compensations came to. Any other step without a result runs in the new task,
    /// whether it is below or not. A signal that settled a step is not one of the new task's own, so that its number
    /// is left out. `over`: the task has come to its end.
    ///
    /// # Errors
    /// When the step cannot be forked from.
    pub fn forked(&self, rules: &Arc<Rules>, step: &str, over: bool) -> Result<Self, ForkRefused> {
        let from = step_of(rules, step)?;
        let progress = self.replay(rules.clone());
        let name = |no: u32| rules.steps[no as usize].name.to_string();
        if progress.rolling_back() && !over {
            return Err(ForkRefused::RollingBack);
        }
        let settled =
            |no: u32| progress.slot(StepIndex::of(no)).is_some_and(|slot| slot.state().is_settled());
        let unsettled = rules.above(from).into_iter().find(|&above| above != from && !settled(above));
        if let Some(upstream) = unsettled.filter(|_| !over) {
            return Err(ForkRefused::Unsettled { step: step.to_owned(), upstream: name(upstream) });
        }
        let below = rules.below(from);
        if let Some(step) = undone(&progress, &below) {
            return Err(ForkRefused::Undone { step: rules.name(step).to_string() });
        }
        let kept = self.entries.iter();
        let kept =
            kept.filter(|entry| entry.step.compensates().is_none() && !below.contains(&entry.step.step()));
        let entries: Vec<Entry> = kept
            .map(|entry| {
                let attempt = if rules.only_waits(entry.step) { 0 } else { entry.attempt };
                Entry { attempt, ..entry.clone() }
            })
            .collect();
        let failures = failures_of_done_workers(self, &progress, &below);
        let begins = Self { entries, failures, start: self.start.clone() };
        let after = begins.replay(rules.clone());
        if after.slot(StepIndex::of(from)).is_some_and(|slot| slot.state() == StepState::Skipped) {
            return Err(ForkRefused::NotTaken { step: step.to_owned() });
        }
        Ok(begins)
    }
}

/// The step of the template that has this name.
fn step_of(rules: &Rules, step: &str) -> Result<u32, ForkRefused> {
    match rules.number(step) {
        Some(no) if no.compensates().is_none() && no.index().is_none() => Ok(no.step()),
        Some(no) if no.compensates().is_none() => {
            let worker = rules.steps[no.step() as usize].name.to_string();
            Err(ForkRefused::Batch { step: step.to_owned(), worker })
        }
        _ => {
            let names = rules.steps.iter().map(|rule| &*rule.name);
            let nearest = nearest(step, names).map(str::to_owned);
            Err(ForkRefused::UnknownStep { step: step.to_owned(), nearest })
        }
    }
}

/// Of each batch that failed for good and that is not below, the last failure, where its worker is settled.
fn failures_of_done_workers(history: &History, progress: &Progress, below: &BTreeSet<u32>) -> Vec<Failure> {
    let state = |no| progress.slot(no).map(super::Slot::state);
    let stays = |no: StepIndex| {
        no.compensates().is_none()
            && no.index().is_some()
            && !below.contains(&no.step())
            && state(no) == Some(StepState::Error)
            && state(StepIndex::of(no.step())).is_some_and(StepState::is_settled)
    };
    let mut last: BTreeMap<StepIndex, &Failure> = BTreeMap::new();
    for failure in history.failures.iter().filter(|failure| stays(failure.step)) {
        last.insert(failure.step, failure);
    }
    last.into_values().cloned().collect()
}

/// A step that is not below and was undone, or was begun to be.
fn undone(progress: &Progress, below: &BTreeSet<u32>) -> Option<StepIndex> {
    let begun = |slot: &super::Slot| slot.state() != StepState::Pending || slot.failed_attempts() > 0;
    let begun = progress.compensations().filter(|(_, slot)| begun(slot));
    begun.filter_map(|(no, _)| no.compensates()).find(|no| !below.contains(&no.step()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tasker_template::{OnFailure, StepKind};

    use super::*;
    use crate::{Compensation, Json, Kind, OnTimeout, Retry, Rule, StepError, Timestamp, Wait};

    fn rules(on_failure: OnFailure, steps: &[(&str, StepKind, &[u32])]) -> Arc<Rules> {
        let numbered = || (0u32..).zip(steps);
        let rule = |(no, (name, kind, dependencies)): (u32, &(&str, StepKind, &[u32]))| Rule {
            publishes: Arc::default(),
            compensation_publishes: Arc::default(),
            rounds: 0,
            name: (*name).into(),
            kind: *kind,
            dependencies: (*dependencies).into(),
            dependents: numbered()
                .filter(|(_, other)| other.2.contains(&no))
                .map(|(other, _)| other)
                .collect(),
            retry: Retry::default(),
            timeout: None,
            batch: None,
            compensation: (on_failure == OnFailure::Compensate).then(|| Compensation {
                elsewhere: false,
                retry: Retry::default(),
                timeout: None,
            }),
            wait: (*kind == StepKind::Signal).then(|| Wait::Signal {
                name: "go".into(),
                timeout: None,
                on_timeout: OnTimeout::Fail,
            }),
        };
        Arc::new(Rules { steps: numbered().map(rule).collect(), on_failure })
    }

    fn entry(step: StepIndex, attempt: u32, result: &str) -> Entry {
        let at = Timestamp::from_micros(i64::from(step.step()) + 1);
        let (started_at, finished_at) = (at, at);
        Entry { step, kind: Kind::Handler, attempt, started_at, finished_at, result: Json::stored(result) }
    }

    fn failure(step: StepIndex) -> Failure {
        let at = Timestamp::from_micros(100);
        let error = StepError::permanent("NO", "no");
        Failure { step, attempt: 1, started_at: at, failed_at: at, retry_at: None, reopened: false, error }
    }

    fn of(results: &[(u32, u32, &str)], failed: &[u32]) -> History {
        let entries = results.iter().map(|(no, attempt, result)| entry(StepIndex::of(*no), *attempt, result));
        let failures = failed.iter().map(|no| failure(StepIndex::of(*no)));
        History { entries: entries.collect(), failures: failures.collect(), ..History::default() }
    }

    fn kept(history: &History) -> Vec<(u32, u32)> {
        history.entries.iter().map(|entry| (entry.step.step(), entry.attempt)).collect()
    }

    /// `a` → `wait` → `c`, and `d` after `a` and `c`; `e` stands alone.
    fn five(on_failure: OnFailure) -> Arc<Rules> {
        use StepKind::{Signal, Standard};
        let steps: [(&str, StepKind, &[u32]); 5] = [
            ("a", Standard, &[]),
            ("wait", Signal, &[0]),
            ("c", Standard, &[1]),
            ("d", Standard, &[0, 2]),
            ("e", Standard, &[]),
        ];
        rules(on_failure, &steps)
    }

    #[test]
    fn everything_that_is_not_below_the_step_is_kept_and_nothing_else() {
        let rules = five(OnFailure::Block);
        let history = of(&[(0, 2, "1"), (1, 7, "2"), (2, 1, "3"), (3, 1, "4"), (4, 1, "5")], &[]);
        for (from, expected) in [
            ("a", &[(4, 1)][..]),
            ("wait", &[(0, 2), (4, 1)]),
            // The signal is none of the new task's own: one of its own with the number 7 settles another step.
            ("c", &[(0, 2), (1, 0), (4, 1)]),
            ("d", &[(0, 2), (1, 0), (2, 1), (4, 1)]),
            ("e", &[(0, 2), (1, 0), (2, 1), (3, 1)]),
        ] {
            assert_eq!(kept(&history.forked(&rules, from, true).unwrap()), expected, "{from}");
        }
    }

    #[test]
    fn what_a_task_that_goes_on_has_not_settled_is_not_forked_over() {
        let rules = five(OnFailure::Block);
        let history = of(&[(0, 1, "1")], &[4]);
        let refused = |step: &str, over| history.forked(&rules, step, over).unwrap_err();
        let unsettled = ForkRefused::Unsettled { step: "d".to_owned(), upstream: "wait".to_owned() };
        assert_eq!(refused("d", false), unsettled);
        assert_eq!(kept(&history.forked(&rules, "wait", false).unwrap()), [(0, 1)]);
        assert_eq!(kept(&history.forked(&rules, "d", true).unwrap()), [(0, 1)], "it runs what is missing");
        let near = ForkRefused::UnknownStep { step: "wat".to_owned(), nearest: Some("wait".to_owned()) };
        assert_eq!(refused("wat", true), near);
        assert_eq!(refused("undo a", true).code(), "UNKNOWN_STEP");
    }

    #[test]
    fn decision_above_the_step_keeps_its_routes() {
        use StepKind::{Decision, Standard};
        let steps: [(&str, StepKind, &[u32]); 3] =
            [("choose", Decision, &[]), ("left", Standard, &[0]), ("right", Standard, &[0])];
        let rules = rules(OnFailure::Block, &steps);
        let history = of(&[(0, 1, r#"{"routes": ["left"]}"#), (1, 1, "1")], &[]);
        let progress = history.forked(&rules, "left", true).unwrap().replay(rules.clone());
        let state = |no| progress.slot(StepIndex::of(no)).unwrap().state();
        assert_eq!((state(1), state(2)), (StepState::Ready, StepState::Skipped));
        let refused = history.forked(&rules, "right", true).unwrap_err();
        assert_eq!(refused, ForkRefused::NotTaken { step: "right".to_owned() });
    }

    #[test]
    fn what_was_undone_is_not_kept() {
        let rules = five(OnFailure::Compensate);
        let mut history = of(&[(0, 1, "1"), (1, 1, "2"), (4, 1, "5")], &[2]);
        assert_eq!(history.forked(&rules, "c", false).unwrap_err(), ForkRefused::RollingBack);
        assert_eq!(kept(&history.forked(&rules, "c", true).unwrap()), [(0, 1), (1, 0), (4, 1)], "not begun");
        history.entries.push(entry(StepIndex::of(4).compensation(), 1, "null"));
        let undone = ForkRefused::Undone { step: "e".to_owned() };
        assert_eq!(history.forked(&rules, "c", true).unwrap_err(), undone);
        assert_eq!(kept(&history.forked(&rules, "e", true).unwrap()), [(0, 1), (1, 0)]);
        history.failures.push(failure(StepIndex::of(0).compensation()));
        assert_eq!(
            history.forked(&rules, "e", true).unwrap_err(),
            ForkRefused::Undone { step: "a".to_owned() }
        );
    }
}
