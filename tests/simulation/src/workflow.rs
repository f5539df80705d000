//! Random workflows: chains, diamonds, decisions that converge and batches, one after the other.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use tasker_model::{
    BatchRule, Children, Compensation, Due, Json, OnTimeout, Place, Publication, Retry, Rule, Rules, Wait,
};
use tasker_template::{Backoff, DeliveryMode, EventCondition, FailureStrategy, OnFailure, StepKind};

/// One step, as it is generated and shrunk.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSpec {
    /// What its result means.
    pub kind: StepKind,
    /// The steps it depends on.
    pub needs: Vec<u32>,
    /// Attempts per round.
    pub max_attempts: u32,
    /// The delay after the first failed attempt, in milliseconds.
    pub delay_ms: u64,
    /// How long an attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// For a batch worker: how many instances run at once, and what a failed one means.
    pub batch: Option<(u32, FailureStrategy)>,
    /// Which queue it is run in; `None`: its task's.
    pub queue: Option<usize>,
    /// Higher goes first.
    pub priority: i32,
    /// It has a compensation.
    pub compensated: bool,
    /// What it waits for besides other steps.
    pub wait: Option<Wait>,
    /// After which outcomes it publishes an event.
    pub publishes: Vec<EventCondition>,
    /// The workflow whose tasks it starts, where it starts some.
    pub starts: Option<usize>,
    /// How many rounds it goes at most; 0: it is called once.
    pub rounds: u32,
}

impl StepSpec {
    fn wait_for(&mut self, wait: Option<Wait>) {
        self.kind = match wait {
            Some(Wait::Timer(_)) => StepKind::Timer,
            Some(Wait::Signal { .. }) => StepKind::Signal,
            Some(Wait::Children(_)) => StepKind::Workflow,
            _ => self.kind,
        };
        self.wait = wait;
    }

    /// Whether it calls a handler.
    pub(crate) fn calls(&self) -> bool {
        self.kind.has_handler()
    }
}

/// The names of signals.
pub(crate) const SIGNALS: [&str; 2] = ["go", "stop"];

/// What every task starts with: a list, so that steps can start tasks of its items.
pub(crate) const CONTEXT: &str = "[0,1,2]";

/// Tasks of another workflow, one for each item of the context.
fn children(rng: &mut Rng) -> Wait {
    Wait::Children(Children {
        input: Place::Context(Box::default()),
        each: true,
        parallelism: [1, 2, u32::MAX][rng.usize(0..3)],
        collect: rng.bool(),
    })
}

/// Mostly nothing; sometimes a delay, a timer or a signal.
fn wait(rng: &mut Rng) -> Option<Wait> {
    let moment = Duration::from_millis([50, 400, 2_000, 7_000][rng.usize(0..4)]);
    match rng.u32(0..10) {
        0 => Some(Wait::Delay(moment)),
        1 => Some(Wait::Timer(Due::After(moment))),
        2 | 3 => Some(Wait::Signal {
            name: SIGNALS[rng.usize(0..2)].into(),
            timeout: (rng.u32(0..3) > 0).then_some(moment),
            on_timeout: match rng.u32(0..3) {
                0 => OnTimeout::Fail,
                1 => OnTimeout::Skip,
                _ => OnTimeout::Default(Json::null()),
            },
        }),
        _ => None,
    }
}

/// Mostly nothing; sometimes an event after each outcome, or after one.
fn publishes(rng: &mut Rng) -> Vec<EventCondition> {
    use EventCondition::{Always, Failure, PermanentFailure, RetryableFailure, Success};
    match rng.u32(0..6) {
        0 => vec![Always],
        1 => vec![Success, Failure],
        2 => vec![RetryableFailure, PermanentFailure, Success],
        _ => Vec::new(),
    }
}

fn publications(at: usize, conditions: &[EventCondition]) -> Arc<[Publication]> {
    let of = |condition: &EventCondition| Publication {
        name: format!("{}.{condition}", name(at)).into(),
        condition: *condition,
        mode: DeliveryMode::Durable,
        check: None,
    };
    conditions.iter().map(of).collect()
}

/// One template.
#[derive(Clone, Debug, PartialEq)]
pub struct Workflow {
    /// The steps, each after those it depends on.
    pub steps: Vec<StepSpec>,
    /// What a failure for good means.
    pub on_failure: OnFailure,
    /// The queue of its tasks.
    pub queue: usize,
}

impl Workflow {
    /// `starts`: the workflow whose tasks its steps may start.
    pub(crate) fn random(rng: &mut Rng, queues: usize, starts: Option<usize>) -> Self {
        let on_failure = match rng.u32(0..10) {
            0..3 => OnFailure::Block,
            3..8 => OnFailure::Compensate,
            _ => OnFailure::Fail,
        };
        let mut workflow = Self { steps: Vec::new(), on_failure, queue: rng.usize(0..queues) };
        let retries = Retries::random(rng);
        let mut last = Vec::new();
        for _ in 0..rng.usize(1..4) {
            last = match rng.u32(0..6) {
                0 | 1 => workflow.chain(rng, &last, &retries, queues),
                2 => workflow.diamond(rng, &last, &retries, queues),
                3 => workflow.decision(rng, &last, &retries, queues),
                _ => workflow.batch(rng, &last, &retries, queues),
            };
        }
        if let Some(other) = starts.filter(|_| rng.bool()) {
            let step = workflow.add(rng, StepKind::Standard, &last, &retries, queues);
            workflow.steps[step as usize].wait_for(Some(children(rng)));
            workflow.steps[step as usize].starts = Some(other);
            if rng.bool() {
                workflow.chain(rng, &[step], &retries, queues);
            }
        }
        workflow
    }

    fn add(&mut self, rng: &mut Rng, kind: StepKind, needs: &[u32], how: &Retries, queues: usize) -> u32 {
        self.steps.push(StepSpec {
            kind,
            needs: needs.to_vec(),
            max_attempts: rng.u32(1..=how.attempts),
            delay_ms: rng.u64(1..=how.delay_ms),
            timeout_ms: rng.u64(150..600),
            batch: None,
            queue: (rng.u32(0..8) == 0).then(|| rng.usize(0..queues)),
            priority: rng.i32(-1..=1),
            compensated: rng.u32(0..4) > 0,
            wait: None,
            publishes: publishes(rng),
            starts: None,
            rounds: 0,
        });
        u32::try_from(self.steps.len() - 1).unwrap_or_default()
    }

    fn chain(&mut self, rng: &mut Rng, last: &[u32], how: &Retries, queues: usize) -> Vec<u32> {
        let mut last = last.to_vec();
        for _ in 0..rng.usize(1..4) {
            let step = self.add(rng, StepKind::Standard, &last, how, queues);
            let spec = &mut self.steps[step as usize];
            spec.wait_for(wait(rng));
            // By dice of its own, so that all else of a history stays as it is without.
            let mut dice = Rng::with_seed(rng.clone().u64(..));
            if spec.kind == StepKind::Standard && dice.u32(0..5) == 0 {
                spec.rounds = dice.u32(2..6);
            }
            last = vec![step];
        }
        last
    }

    fn diamond(&mut self, rng: &mut Rng, last: &[u32], how: &Retries, queues: usize) -> Vec<u32> {
        let sides: Vec<u32> =
            (0..rng.usize(2..4)).map(|_| self.add(rng, StepKind::Standard, last, how, queues)).collect();
        if rng.bool() { vec![self.add(rng, StepKind::Standard, &sides, how, queues)] } else { sides }
    }

    fn decision(&mut self, rng: &mut Rng, last: &[u32], how: &Retries, queues: usize) -> Vec<u32> {
        let decision = self.add(rng, StepKind::Decision, last, how, queues);
        let routes: Vec<u32> = (0..rng.usize(1..4))
            .map(|_| self.add(rng, StepKind::Standard, &[decision], how, queues))
            .collect();
        vec![self.add(rng, StepKind::DeferredConvergence, &routes, how, queues)]
    }

    fn batch(&mut self, rng: &mut Rng, last: &[u32], how: &Retries, queues: usize) -> Vec<u32> {
        let analyzer = self.add(rng, StepKind::Batchable, last, how, queues);
        let worker = self.add(rng, StepKind::BatchWorker, &[analyzer], how, queues);
        let strategies =
            [FailureStrategy::FailFast, FailureStrategy::ContinueOnFailure, FailureStrategy::Isolate];
        self.steps[worker as usize].batch = Some((rng.u32(1..4), strategies[rng.usize(0..3)]));
        vec![self.add(rng, StepKind::DeferredConvergence, &[worker], how, queues)]
    }

    /// The rules as a process knows them that has the handlers of the steps for which `has` holds: whether a
    /// step is undone, only those know that have its handler.
    pub(crate) fn rules(&self, has: impl Fn(usize) -> bool) -> Arc<Rules> {
        let steps = self.steps.iter().enumerate().map(|(at, step)| self.rule(at, step, has(at)));
        Arc::new(Rules { steps: steps.collect(), on_failure: self.on_failure })
    }

    fn rule(&self, at: usize, step: &StepSpec, has: bool) -> Rule {
        let number = u32::try_from(at).unwrap_or_default();
        let below = (0u32..).zip(&self.steps).filter(|(_, other)| other.needs.contains(&number));
        let retry = Retry {
            max_attempts: step.max_attempts,
            backoff: Backoff::Exponential,
            base: Duration::from_millis(step.delay_ms),
            cap: Duration::from_secs(30),
            max_suggested: Duration::from_secs(30),
        };
        let timeout = Some(Duration::from_millis(step.timeout_ms));
        Rule {
            name: name(at).into(),
            kind: step.kind,
            dependencies: step.needs.clone().into(),
            dependents: below.map(|(number, _)| number).collect(),
            retry,
            timeout,
            batch: step.batch.map(|(parallelism, strategy)| BatchRule {
                analyzer: step.needs.first().copied().unwrap_or_default(),
                parallelism,
                strategy,
            }),
            compensation: (step.calls() && (!has || step.compensated)).then_some(Compensation {
                elsewhere: !has,
                retry,
                timeout,
            }),
            wait: step.wait.clone(),
            publishes: publications(at, &step.publishes),
            compensation_publishes: publications(at, &step.publishes),
            rounds: if has { step.rounds } else { 0 },
        }
    }
}

/// The name of a step.
pub(crate) fn name(at: usize) -> String {
    format!("s{at}")
}

/// How the steps of one workflow are tried again.
struct Retries {
    attempts: u32,
    delay_ms: u64,
}

impl Retries {
    fn random(rng: &mut Rng) -> Self {
        let delay_ms = match rng.u32(0..20) {
            0 => 7_000,
            1..6 => 1_500,
            _ => 200,
        };
        Self { attempts: rng.u32(1..4), delay_ms }
    }
}
