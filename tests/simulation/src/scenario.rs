//! What happens in one history, as data: all of it follows from a seed, and parts of it can be left out.

use fastrand::Rng;

use crate::{
    workflow::Workflow,
    world::{MS, Micros, SECOND},
};

/// Everything that one history is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Decides delays, and what handlers do.
    pub seed: u64,
    /// What tasks are made from.
    pub workflows: Vec<Workflow>,
    /// The tasks.
    pub submissions: Vec<Submission>,
    /// The processes.
    pub engines: Vec<EngineSpec>,
    /// What happens to processes.
    pub faults: Vec<Fault>,
    /// What operators ask.
    pub commands: Vec<Operation>,
    /// What happens between processes and the store.
    pub link: Link,
    /// What handlers do.
    pub temper: Temper,
    /// Processes follow the clock of the store at each heartbeat.
    pub one_clock: bool,
    /// Processes see at once that another one is gone.
    pub presence: bool,
    /// How long faults happen, in microseconds.
    pub rough_for: i64,
}

/// A task to be submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Its workflow.
    pub workflow: usize,
    /// When it is submitted, in microseconds after the beginning.
    pub at: i64,
    /// How long it is delayed.
    pub delay: i64,
    /// Higher goes first.
    pub priority: i16,
    /// The process that submits it and holds it from the start.
    pub by: Option<usize>,
    /// A step whose handler takes the process with it, while faults happen.
    pub deadly: Option<u32>,
}

/// A process.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineSpec {
    /// The handlers it has, of each workflow.
    pub has: Vec<Vec<bool>>,
    /// The queues it serves.
    pub serves: Vec<bool>,
    /// Attempts that run at once.
    pub concurrency: usize,
    /// Tasks it holds at once.
    pub window: usize,
    /// Its task loops.
    pub loops: usize,
    /// How far its clock is ahead of the world's at first.
    pub ahead: i64,
}

/// Something that happens to a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Which process.
    pub engine: usize,
    /// At which of its steps, counted over all its lives.
    pub at: u32,
    /// What happens.
    pub kind: FaultKind,
}

/// What can happen to a process.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// It dies, and another one starts in its place after this time.
    Death(i64),
    /// It stands still for so long.
    Pause(i64),
    /// It is told to stop, and another one starts in its place after this time.
    Stop(i64),
    /// Its clock is set to be so far ahead of the world's.
    Clock(i64),
}

/// An operator's command.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// When it is asked, in microseconds after the beginning.
    pub at: i64,
    /// Of which submission.
    pub task: usize,
    /// What.
    pub verb: Verb,
    /// Of which step, where it is about one.
    pub step: u32,
    /// Of which batch instance, where it is about one.
    pub instance: Option<u32>,
    /// It is about the compensation of the step.
    pub compensation: bool,
}

/// What operators ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of commands")]
pub enum Verb {
    RetryAll,
    Retry,
    Resolve,
    Skip,
    Cancel,
    Pause,
    Resume,
    GiveUp,
    Signal,
}

/// How often, of a thousand statements, something happens to one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Link {
    /// It never arrives.
    pub lost: u32,
    /// Its answer never arrives.
    pub unanswered: u32,
    /// It is slow.
    pub slow: u32,
    /// It commits some time after it looked.
    pub racing: u32,
}

/// How often, of a thousand attempts, one does something else than to succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Temper {
    /// It fails and may be tried again.
    pub fails: u32,
    /// It fails for good.
    pub fails_for_good: u32,
    /// It hangs past its deadline.
    pub hangs: u32,
    /// Its result cannot be stored.
    pub poison: u32,
    /// Its result cannot be followed, where it is a decision or an analyzer.
    pub nonsense: u32,
}

impl Scenario {
    /// The scenario of a seed.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let queues = rng.usize(1..3);
        let count = rng.usize(1..3);
        // A workflow starts tasks of those after it.
        let starts = |at: usize| (at + 1 < count).then_some(at + 1);
        let workflows: Vec<Workflow> =
            (0..count).map(|at| Workflow::random(rng, queues, starts(at))).collect();
        let count = rng.usize(1..4);
        let engines: Vec<EngineSpec> =
            (0..count).map(|at| EngineSpec::random(rng, &workflows, queues, at == 0)).collect();
        let deadly = rng.u32(0..25) == 0;
        let rough_for = if deadly { 40 * SECOND } else { rng.i64(2..10) * SECOND };
        let tasks = rng.usize(1..5);
        let submissions: Vec<Submission> =
            (0..tasks).map(|_| Submission::random(rng, &workflows, count, deadly)).collect();
        let level = |rng: &mut Rng, most: u32| if rng.bool() { 0 } else { rng.u32(0..most) };
        Self {
            seed: rng.u64(..),
            faults: faults(rng, count),
            commands: commands(rng, &submissions, &workflows),
            link: Link {
                lost: level(rng, 100),
                unanswered: level(rng, 100),
                slow: level(rng, 60),
                racing: level(rng, 200),
            },
            temper: Temper {
                fails: level(rng, 400),
                fails_for_good: level(rng, 200),
                hangs: level(rng, 100),
                poison: level(rng, 40),
                nonsense: level(rng, 60),
            },
            one_clock: rng.bool(),
            presence: rng.bool(),
            rough_for,
            workflows,
            submissions,
            engines,
        }
    }
}

impl Submission {
    fn random(rng: &mut Rng, workflows: &[Workflow], engines: usize, deadly: bool) -> Self {
        let workflow = rng.usize(0..workflows.len());
        let steps = u32::try_from(workflows[workflow].steps.len()).unwrap_or(1);
        Self {
            workflow,
            at: rng.i64(0..500) * MS,
            delay: if rng.u32(0..8) == 0 { rng.i64(0..3) * SECOND } else { 0 },
            priority: rng.i16(-1..=1),
            by: rng.bool().then(|| rng.usize(0..engines)),
            deadly: (deadly && rng.bool()).then(|| rng.u32(0..steps)),
        }
    }
}

impl EngineSpec {
    fn random(rng: &mut Rng, workflows: &[Workflow], queues: usize, whole: bool) -> Self {
        // Now and then nobody has a handler: its task waits for it.
        let whole = whole && rng.u32(0..30) > 0;
        let partial = !whole && rng.bool();
        let has = workflows
            .iter()
            .map(|workflow| workflow.steps.iter().map(|_| !partial || rng.u32(0..3) > 0).collect());
        Self {
            has: has.collect(),
            serves: (0..queues).map(|_| whole || rng.u32(0..3) > 0).collect(),
            concurrency: if rng.u32(0..3) == 0 { rng.usize(1..3) } else { 100 },
            window: if rng.u32(0..3) == 0 { rng.usize(1..3) } else { 100 },
            loops: rng.usize(1..3),
            ahead: clock(rng),
        }
    }
}

fn clock(rng: &mut Rng) -> Micros {
    match rng.u32(0..4) {
        0 => rng.i64(-6_000..6_000) * MS,
        1 => rng.i64(-300..300) * MS,
        _ => 0,
    }
}

fn faults(rng: &mut Rng, engines: usize) -> Vec<Fault> {
    let count = if rng.u32(0..4) == 0 { 0 } else { rng.usize(0..7) };
    let fault = |_| {
        let most = [40, 150, 500][rng.usize(0..3)];
        let kind = match rng.u32(0..10) {
            0..4 => FaultKind::Death(rng.i64(0..2_000) * MS),
            4..7 => FaultKind::Pause(rng.i64(0..8_000) * MS),
            7 => FaultKind::Stop(rng.i64(0..2_000) * MS),
            _ => FaultKind::Clock(clock(rng)),
        };
        Fault { engine: rng.usize(0..engines), at: rng.u32(1..most), kind }
    };
    (0..count).map(fault).collect()
}

fn commands(rng: &mut Rng, submissions: &[Submission], workflows: &[Workflow]) -> Vec<Operation> {
    let count = if rng.bool() { 0 } else { rng.usize(1..10) };
    let operation = |_| {
        let task = rng.usize(0..submissions.len());
        let Submission { workflow, at, .. } = submissions[task];
        let steps = u32::try_from(workflows[workflow].steps.len()).unwrap_or(1);
        let verb = match rng.u32(0..24) {
            0..3 => Verb::RetryAll,
            3..6 => Verb::Retry,
            6..8 => Verb::Resolve,
            8..10 => Verb::Skip,
            10 => Verb::Cancel,
            11 | 12 => Verb::Pause,
            13 | 14 => Verb::Resume,
            15 => Verb::GiveUp,
            _ => Verb::Signal,
        };
        let within = [500, 2_000, 8_000][rng.usize(0..3)];
        Operation {
            at: at + rng.i64(0..within) * MS,
            task,
            verb,
            step: rng.u32(0..steps),
            instance: (rng.u32(0..3) == 0).then(|| rng.u32(0..3)),
            compensation: rng.u32(0..4) == 0,
        }
    };
    (0..count).map(operation).collect()
}
