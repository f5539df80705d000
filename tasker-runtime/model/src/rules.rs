//! A template as the engine runs it: steps by number, with every policy decided.

use std::{sync::Arc, time::Duration};

use tasker_template::{FailureStrategy, OnFailure, StepKind, nearest};

use super::{
    Json, Publication, Retry, StepError, StepIndex,
    outcome::{BatchOutcome, DecisionOutcome, OutcomeError},
    wait::{Due, Place, Wait},
};

/// What stands before the name of a step in the name of its compensation. No step has a space in its name.
const COMPENSATION: &str = "undo ";

/// What one step is and when it may run.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in the template.
    pub name: Arc<str>,
    /// What its result means.
    pub kind: StepKind,
    /// The steps it depends on.
    pub dependencies: Box<[u32]>,
    /// The steps that depend on it.
    pub dependents: Box<[u32]>,
    /// How failed attempts are followed by others.
    pub retry: Retry,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// For a batch worker: how its instances run.
    pub batch: Option<BatchRule>,
    /// How it is undone, where its handler is compensated by another one.
    pub compensation: Option<Compensation>,
    /// What it waits for besides other steps.
    pub wait: Option<Wait>,
    /// How many rounds it goes at most; 0: its handler gives a result when it is called once.
    pub rounds: u32,
    /// The events it publishes.
    pub publishes: Arc<[Publication]>,
    /// The events its compensation publishes.
    pub compensation_publishes: Arc<[Publication]>,
}

/// How the compensation of a step is called.
#[derive(Clone, Copy, Debug)]
pub struct Compensation {
    /// The handler of the step is not in this process: whether the step is compensated at all, and how, is
    /// known where the handler is.
    pub elsewhere: bool,
    /// How failed attempts are followed by others.
    pub retry: Retry,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
}

/// How the instances of a batch worker run.
#[derive(Clone, Debug)]
pub struct BatchRule {
    /// The analyzer whose plan creates the instances.
    pub analyzer: u32,
    /// How many run at once at most.
    pub parallelism: u32,
    /// What a failed instance means for the others.
    pub strategy: FailureStrategy,
}

/// The steps of a template, by number, and what happens when one fails for good.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The steps in the order of the template.
    pub steps: Vec<Rule>,
    /// What a failure for good means for the task.
    pub on_failure: OnFailure,
}

/// What a recorded result means for the steps below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing beyond being there.
    Plain,
    /// Only these of the steps that depend on it directly are taken.
    Routes(Vec<u32>),
    /// Its worker runs this many instances.
    Batches(u32),
}

impl Rules {
    /// The name of a step: the template's, with `_001` and so on for a batch instance, and `undo ` before
    /// it for a compensation.
    #[must_use]
    pub fn name(&self, no: StepIndex) -> Arc<str> {
        if let Some(compensated) = no.compensates() {
            return format!("{COMPENSATION}{}", self.name(compensated)).into();
        }
        let name = &self.steps[no.step() as usize].name;
        match no.index() {
            None => name.clone(),
            Some(index) => format!("{name}_{:03}", index + 1).into(),
        }
    }

    /// The number of the step of this name, batch instances and compensations included.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<StepIndex> {
        if let Some(compensated) = name.strip_prefix(COMPENSATION) {
            return self
                .number(compensated)
                .filter(|no| no.compensates().is_none())
                .map(StepIndex::compensation);
        }
        let place = |name: &str| self.steps.iter().position(|step| &*step.name == name);
        if let Some(step) = place(name) {
            return Some(StepIndex::of(u32::try_from(step).ok()?));
        }
        let (worker, index) = name.rsplit_once('_')?;
        let step = place(worker).filter(|&step| self.steps[step].batch.is_some())?;
        let index = index.parse::<u32>().ok().filter(|&index| index > 0)?;
        Some(StepIndex::instance(u32::try_from(step).ok()?, index - 1))
    }

    /// Whether some step waits for a signal.
    #[must_use]
    pub fn has_signals(&self) -> bool {
        self.steps.iter().any(|rule| matches!(rule.wait, Some(Wait::Signal { .. })))
    }

    /// Whether some step starts tasks of another workflow.
    #[must_use]
    pub fn has_children(&self) -> bool {
        self.steps.iter().any(|rule| matches!(rule.wait, Some(Wait::Children(_))))
    }

    /// Whether some step that waits reads in the context what it waits for.
    #[must_use]
    pub fn reads_context(&self) -> bool {
        let reads = |wait: &Wait| match wait {
            Wait::Timer(Due::Context(_)) => true,
            Wait::Children(children) => matches!(children.input, Place::Context(_)),
            _ => false,
        };
        self.steps.iter().any(|rule| rule.wait.as_ref().is_some_and(reads))
    }

    /// Whether the step calls no handler: it waits, and that is all it does.
    #[must_use]
    pub fn only_waits(&self, no: StepIndex) -> bool {
        let rule = self.steps.get(no.step() as usize);
        rule.and_then(|rule| rule.wait.as_ref()).is_some_and(Wait::is_whole_step)
    }

    /// The worker that runs the batches of the analyzer `step`.
    #[must_use]
    pub fn worker_of(&self, step: u32) -> Option<u32> {
        let runs =
            |&&worker: &&u32| self.steps[worker as usize].batch.as_ref().is_some_and(|b| b.analyzer == step);
        self.steps.get(step as usize)?.dependents.iter().find(runs).copied()
    }

    /// What `result` of step `no` means for the steps below it.
    ///
    /// # Errors
    /// When a decision or an analyzer returned what cannot be followed; nothing can be released then.
    pub fn effect(&self, no: StepIndex, result: &Json) -> Result<Effect, OutcomeError> {
        let rule = &self.steps[no.step() as usize];
        match rule.kind {
            // What a compensation returns is for people.
            _ if no.compensates().is_some() => Ok(Effect::Plain),
            StepKind::Decision => self.routes(rule, result).map(Effect::Routes),
            StepKind::Batchable => batches(rule, result).map(Effect::Batches),
            // Only an operator gives the result of a whole worker.
            StepKind::BatchWorker if no.index().is_none() => {
                let _: Vec<&serde_json::value::RawValue> = serde_json::from_str(result.as_str())
                    .map_err(|problem| rule.shape("an array with the result of each batch", &problem))?;
                Ok(Effect::Plain)
            }
            _ => Ok(Effect::Plain),
        }
    }

    /// `result`, where step `no` may have it.
    ///
    /// # Errors
    /// As [`effect`](Self::effect), as the failure for good that it is for the step.
    pub fn checked(&self, no: StepIndex, result: Json) -> Result<Json, StepError> {
        match self.effect(no, &result) {
            Ok(_) => Ok(result),
            Err(problem) => Err(StepError::permanent("INVALID_OUTCOME", problem.to_string())),
        }
    }

    fn routes(&self, rule: &Rule, result: &Json) -> Result<Vec<u32>, OutcomeError> {
        let outcome: DecisionOutcome =
            result.parse().map_err(|problem| rule.shape("a `Decision`", &problem))?;
        let is_route = |&&step: &&u32| self.steps[step as usize].kind != StepKind::DeferredConvergence;
        let named = |route: &String| {
            let valid = || rule.dependents.iter().filter(is_route);
            valid().find(|&&step| *self.steps[step as usize].name == **route).copied().ok_or_else(|| {
                let valid: Vec<String> =
                    valid().map(|&step| self.steps[step as usize].name.to_string()).collect();
                let nearest = nearest(route, valid.iter().map(String::as_str)).map(str::to_owned);
                let elsewhere = self.number(route).is_some();
                OutcomeError::UnknownRoute {
                    step: rule.name.to_string(),
                    route: route.clone(),
                    elsewhere,
                    valid,
                    nearest,
                }
            })
        };
        outcome.routes.iter().map(named).collect()
    }

    /// The events that a step, a batch instance or a compensation publishes.
    #[must_use]
    pub fn publications(&self, no: StepIndex) -> &Arc<[Publication]> {
        let rule = &self.steps[no.step() as usize];
        if no.compensates().is_some() { &rule.compensation_publishes } else { &rule.publishes }
    }

    /// The retry policy of a step or a compensation.
    #[must_use]
    pub fn retry(&self, no: StepIndex) -> Retry {
        let rule = &self.steps[no.step() as usize];
        match (no.compensates(), rule.compensation) {
            (Some(_), compensation) => compensation.map_or_else(Retry::default, |how| how.retry),
            (None, _) => rule.retry,
        }
    }

    /// How long one attempt at a step or a compensation may take.
    #[must_use]
    pub fn timeout(&self, no: StepIndex) -> Option<Duration> {
        let rule = &self.steps[no.step() as usize];
        match (no.compensates(), rule.compensation) {
            (Some(_), compensation) => compensation.and_then(|how| how.timeout),
            (None, _) => rule.timeout,
        }
    }

    /// Whether attempt `attempt` of step `no`, `spent` attempts after the step was last started anew,
    /// is followed by another, and after what delay. `seed` decides the jitter.
    #[must_use]
    pub fn retry_after(&self, no: StepIndex, spent: u32, error: &StepError, seed: u64) -> Option<Duration> {
        if !error.is_retryable() {
            return None;
        }
        let retry = self.retry(no);
        let delay = retry.delay_after(spent)?;
        Some(error.delay_within(retry.max_suggested).unwrap_or_else(|| super::jittered(delay, seed)))
    }
}

impl Rule {
    fn shape(&self, expected: &'static str, problem: &serde_json::Error) -> OutcomeError {
        let (step, step_type) = (self.name.to_string(), self.kind.as_str());
        OutcomeError::Shape { step, step_type, expected, problem: problem.to_string() }
    }
}

fn batches(rule: &Rule, result: &Json) -> Result<u32, OutcomeError> {
    let outcome: BatchOutcome = result.parse().map_err(|problem| rule.shape("a `BatchPlan`", &problem))?;
    let step = || rule.name.to_string();
    let bad =
        outcome.batches.iter().enumerate().find_map(|(index, cursor)| Some((index + 1, cursor.problem()?)));
    if let Some((batch, problem)) = bad {
        return Err(OutcomeError::Cursor { step: step(), batch, problem });
    }
    match u32::try_from(outcome.batches.len()) {
        Ok(count) if count <= StepIndex::MAX_INSTANCES => Ok(count),
        _ => {
            let asked = outcome.batches.len();
            Err(OutcomeError::TooManyBatches { step: step(), asked, most: StepIndex::MAX_INSTANCES })
        }
    }
}
