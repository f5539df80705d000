//! Every move that steps and tasks make in random histories is one that the tables of states allow, and each
//! arrow of the tables is made by some history.

use std::{cell::RefCell, collections::BTreeSet, sync::Arc, time::Duration};

use tasker_template::{FailureStrategy, OnFailure, StepKind};

use super::{Progress, Start, Verdict};
use crate::{
    BatchRule, Command, Compensation, Due, Entry, Fact, Failure, History, Json, Kind, OnTimeout, Retry, Rule,
    Rules, Signal, StepError, StepIndex, StepState, TaskState, Timestamp, Wait, WaitEnd,
};

thread_local! {
    static STEPS: RefCell<BTreeSet<(i16, i16)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Called for every move of a step.
pub(super) fn note(from: StepState, to: StepState) {
    STEPS.with_borrow_mut(|seen| seen.insert((from.code(), to.code())));
}

/// Mostly nothing, otherwise something that a step of its own waits for, or its start.
fn wait(dice: &mut fastrand::Rng) -> Option<Wait> {
    let moment = Duration::from_micros([0, 4, 600][dice.usize(0..3)]);
    let name = ["yes", "no"][dice.usize(0..2)].into();
    let on_timeout =
        [OnTimeout::Fail, OnTimeout::Skip, OnTimeout::Default(Json::null())][dice.usize(0..3)].clone();
    match dice.u8(0..12) {
        0 => Some(Wait::Delay(moment)),
        1 => Some(Wait::Timer(Due::After(moment))),
        2 => Some(Wait::Timer(Due::Context(Box::new(["at".to_owned()])))),
        3 | 4 => Some(Wait::Signal { name, timeout: dice.bool().then_some(moment), on_timeout }),
        _ => None,
    }
}

/// Up to eight steps of all kinds, with whatever follows a failure.
fn rules(dice: &mut fastrand::Rng) -> Rules {
    let count = dice.u32(1..=8);
    let mut steps: Vec<Rule> = Vec::new();
    let mut analyzer = None;
    for step in 0..count {
        let earlier = (0..step).filter(|_| dice.u8(0..5) == 0);
        let mut dependencies: Vec<u32> = earlier.collect();
        let (mut kind, mut batch) = (StepKind::Standard, None);
        match (dice.u8(0..8), analyzer) {
            (0, _) => kind = StepKind::Decision,
            (1, _) if !dependencies.is_empty() => kind = StepKind::DeferredConvergence,
            (2..5, None) if step + 1 < count => {
                kind = StepKind::Batchable;
                analyzer = Some(step);
            }
            (_, Some(of)) => {
                kind = StepKind::BatchWorker;
                dependencies.retain(|&other| other != of);
                dependencies.push(of);
                let strategy = FailureStrategy::ALL[dice.usize(0..FailureStrategy::ALL.len())];
                batch = Some(BatchRule { analyzer: of, parallelism: dice.u32(1..3), strategy });
                analyzer = None;
            }
            _ => {}
        }
        let compensation = (dice.u8(0..3) == 0).then(|| Compensation {
            elsewhere: false,
            retry: Retry::default(),
            timeout: None,
        });
        steps.push(Rule {
            publishes: Arc::default(),
            compensation_publishes: Arc::default(),
            rounds: 0,
            name: format!("step{step}").into(),
            kind,
            dependencies: dependencies.into(),
            dependents: Box::default(),
            retry: Retry::default(),
            timeout: None,
            batch,
            wait: if kind == StepKind::Standard { wait(dice) } else { None },
            compensation,
        });
    }
    // A step may also wait for one that stands after it.
    if dice.bool() && count > 1 && steps.iter().all(|step| step.kind == StepKind::Standard) {
        steps.reverse();
        for step in &mut steps {
            step.dependencies = step.dependencies.iter().map(|other| count - 1 - other).collect();
        }
    }
    if let Some(of) = analyzer {
        steps[of as usize].kind = StepKind::Standard;
    }
    for step in 0..count {
        let below = |rule: &&Rule| rule.dependencies.contains(&step);
        let names: Vec<_> = steps.iter().filter(below).map(|rule| rule.name.clone()).collect();
        let number = |name: &Arc<str>| steps.iter().position(|rule| rule.name == *name).unwrap();
        let dependents = names.iter().map(|name| u32::try_from(number(name)).unwrap()).collect();
        steps[step as usize].dependents = dependents;
    }
    let on_failure =
        [OnFailure::Block, OnFailure::Compensate, OnFailure::Compensate, OnFailure::Fail][dice.usize(0..4)];
    Rules { steps, on_failure }
}

/// One task, its journal, and whoever holds it.
struct Life {
    dice: fastrand::Rng,
    rules: Arc<Rules>,
    history: History,
    progress: Progress,
    running: Vec<StepIndex>,
    now: Timestamp,
    /// As the store shows it.
    state: TaskState,
    held: bool,
    tasks: BTreeSet<(i16, i16)>,
    /// The signals that were sent to it.
    sent: Vec<Signal>,
    /// Whether it is forked now and then.
    forks: bool,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let rules = Arc::new(rules(&mut dice));
        let now = Timestamp::from_micros(1);
        // A time, one that is long past, or none at all.
        let context = ["{\"at\": \"1970-01-01T00:00:00.0005Z\"}", "{\"at\": \"1931-05-01T00:00:00Z\"}", "{}"];
        let context = Some(Json::stored(context[dice.usize(0..3)]));
        let history = History { start: Start { at: now, context }, ..History::default() };
        let progress = Progress::started(rules.clone(), history.start.clone());
        let (state, held) = (TaskState::Pending, false);
        let (running, tasks, sent) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self { dice, rules, history, progress, running, now, state, held, tasks, sent, forks: false }
    }

    fn goes_to(&mut self, state: TaskState) {
        if state != self.state {
            self.tasks.insert((self.state.code(), state.code()));
            self.state = state;
        }
        if state.is_final() {
            self.held = false;
        }
    }

    /// What waits, until when.
    fn waiting(progress: &Progress) -> Vec<(StepIndex, Option<Timestamp>)> {
        let waits = progress.slots().filter(|(_, slot)| slot.state() == StepState::Waiting);
        waits.map(|(no, _)| (no, progress.waits_until(no))).collect()
    }

    /// A fork of it from some step: what is kept stands as it stood, and nothing below has a result.
    fn fork(&self) {
        let steps = &self.rules.steps;
        let from = usize::try_from(self.now.as_micros()).unwrap() % steps.len();
        let forked = self.history.forked(&self.rules, &steps[from].name, self.state.is_final());
        let Ok(forked) = forked.map(|kept| kept.replay(self.rules.clone())) else { return };
        let below = self.rules.below(u32::try_from(from).unwrap());
        for (no, slot) in self.history.replay(self.rules.clone()).slots() {
            let after = forked.slot(no).map(super::Slot::state);
            // A worker without batches is done as soon as its turn has come.
            let is_worker = steps[no.step() as usize].batch.is_some() && no.index().is_none();
            match below.contains(&no.step()) {
                true => assert!(
                    is_worker || !after.is_some_and(StepState::has_result),
                    "{no:?} {:?}",
                    self.history
                ),
                false if slot.state().is_settled() && slot.state() != StepState::Cancelled => {
                    assert_eq!(after, Some(slot.state()), "{no:?} from {from}: {:?}", self.history);
                }
                false => {}
            }
        }
    }

    fn read_back(&mut self) {
        if self.forks {
            self.fork();
        }
        let known = std::mem::replace(&mut self.progress, self.history.replay(self.rules.clone()));
        self.progress.receive(self.sent.iter().cloned());
        self.progress.wake(self.now);
        if !known.rolling_back() {
            // Both may still be waiting for what is over by now.
            let mut known = known;
            known.wake(self.now);
            assert_eq!(Self::waiting(&known), Self::waiting(&self.progress), "{:?}", self.history);
            assert_eq!(known.mailbox(), self.progress.mailbox(), "{:?}", self.history);
        }
        self.progress.wake(self.now);
        self.running.clear();
    }

    /// A result that can be followed, now and then one that cannot.
    fn result(&mut self, no: StepIndex) -> Json {
        let rule = &self.rules.steps[no.step() as usize];
        let text = match rule.kind {
            _ if no.compensates().is_some() => "null".to_owned(),
            StepKind::Decision => {
                let route = |to: &&u32| self.rules.steps[**to as usize].kind != StepKind::DeferredConvergence;
                let routes = rule.dependents.iter().filter(route).filter(|_| self.dice.bool());
                let routes: Vec<_> = routes.map(|to| format!("\"step{to}\"")).collect();
                format!("{{\"routes\": [{}]}}", routes.join(", "))
            }
            StepKind::Batchable => {
                let cursors: Vec<_> = (0..self.dice.u8(0..4))
                    .map(|at| format!("{{\"start\": {at}, \"end\": {}}}", at + 1))
                    .collect();
                format!("{{\"batches\": [{}]}}", cursors.join(", "))
            }
            StepKind::BatchWorker if no.index().is_none() => "[]".to_owned(),
            _ => "1".to_owned(),
        };
        // What names stand for was turned around with the steps.
        Json::from_text(&text).unwrap()
    }

    fn entry(&mut self, step: StepIndex, kind: Kind, result: Json, at: Timestamp) {
        let attempt = u32::from(!self.rules.only_waits(step));
        let entry = Entry { step, kind, attempt, started_at: at, finished_at: at, result };
        self.history.entries.push(entry);
    }

    /// Somebody sends something.
    fn send(&mut self) {
        let number = u32::try_from(self.sent.len()).unwrap() + 1;
        let name = ["yes", "no"][self.dice.usize(0..2)].into();
        let signal = Signal { number, name, payload: Json::stored("1"), sent_at: self.now };
        self.sent.push(signal.clone());
        self.progress.receive([signal]);
    }

    /// What waited for a time or for a signal goes on.
    fn end_waits(&mut self) {
        loop {
            self.progress.wake(self.now);
            let over = self.progress.waits_over(self.now);
            if over.is_empty() {
                return;
            }
            for (no, end) in over {
                let at = self.progress.after_all(self.now);
                let event = match end {
                    WaitEnd::Result(result, number) => {
                        self.entry(no, Kind::Handler, result.clone(), at);
                        self.history.entries.last_mut().unwrap().attempt = number;
                        self.progress.used_up(number);
                        super::Event::Completed { result }
                    }
                    WaitEnd::Skipped => {
                        self.entry(no, Kind::Skipped, Json::null(), at);
                        super::Event::Skipped
                    }
                    WaitEnd::Failed(error) => {
                        let attempt = self.progress.slot(no).unwrap().failed_attempts() + 1;
                        let (started_at, failed_at) = (at, at);
                        let (step, retry_at, reopened) = (no, None, false);
                        let failure =
                            Failure { step, attempt, started_at, failed_at, retry_at, reopened, error };
                        self.history.failures.push(failure);
                        super::Event::Failed { retry_at: None }
                    }
                };
                self.progress.apply_at(no, &event, at).unwrap();
            }
        }
    }

    /// An attempt of a step that runs comes to its end.
    fn attempt(&mut self, no: StepIndex) {
        let attempt = self.progress.slot(no).map_or(1, |slot| slot.failed_attempts() + 1);
        let retry_at = match self.dice.u8(0..8) {
            0 => None,
            1..4 => Some(self.now + Duration::from_micros([0, 3, 500][self.dice.usize(0..3)])),
            _ => {
                let result = self.result(no);
                if self.rules.effect(no, &result).is_ok() {
                    let at = self.progress.after_all(self.now);
                    let event = super::Event::Completed { result: result.clone() };
                    self.progress.apply_at(no, &event, at).unwrap();
                    return self.entry(no, Kind::Handler, result, at);
                }
                None
            }
        };
        self.progress.apply(no, &super::Event::Failed { retry_at }).unwrap();
        self.history.failures.push(Failure {
            step: no,
            attempt,
            started_at: self.now,
            failed_at: self.now,
            retry_at,
            reopened: false,
            error: StepError::permanent("NO", "no"),
        });
    }

    /// What the holder does next.
    fn hold(&mut self) {
        self.end_waits();
        self.running.extend(self.progress.take_ready());
        let which = if self.running.is_empty() { 0 } else { self.dice.usize(0..self.running.len()) };
        match self.dice.u8(0..20) {
            // It dies.
            0 | 5 => {
                self.read_back();
                self.held = false;
                let compensated = self.state == TaskState::Compensating;
                return self.goes_to(if compensated { self.state } else { TaskState::Pending });
            }
            1 if !self.running.is_empty() => {
                let no = self.running.swap_remove(which);
                self.progress.put_back(no);
            }
            2 if !self.progress.state().is_final() => {
                std::mem::take(&mut self.running).into_iter().for_each(|no| self.progress.put_back(no));
                self.held = false;
                return self.goes_to(TaskState::Paused);
            }
            3 if self.dice.u8(0..5) == 0 => return self.goes_to(TaskState::Cancelled),
            4 => self.operate(),
            6 => self.send(),
            _ if !self.running.is_empty() => {
                let no = self.running.swap_remove(which);
                self.attempt(no);
            }
            _ => {}
        }
        self.end_waits();
        match self.progress.verdict() {
            Verdict::Working => {
                let rolls = self.progress.rolling_back();
                if rolls {
                    self.goes_to(TaskState::Compensating);
                }
                if self.dice.u8(0..12) == 0 && self.running.is_empty() {
                    self.held = false;
                    self.goes_to(if rolls { TaskState::Compensating } else { TaskState::Pending });
                }
            }
            Verdict::Waiting(Timestamp::NEVER) if self.dice.bool() => self.send(),
            Verdict::Waiting(at) if at < Timestamp::NEVER && self.dice.bool() => {
                self.now = self.now.max(at);
                self.progress.wake(self.now);
            }
            Verdict::Waiting(_) => {
                self.held = false;
                self.goes_to(self.progress.state());
            }
            Verdict::Complete | Verdict::Failed | Verdict::Compensated => {
                self.held = false;
                self.goes_to(self.progress.state());
            }
        }
    }

    /// An operator asks something of some step. Whether it had facts.
    fn ask(&mut self) -> Option<Command> {
        let slots: Vec<StepIndex> =
            self.progress.slots().chain(self.progress.compensations()).map(|(no, _)| no).collect();
        let no = slots[self.dice.usize(0..slots.len())];
        let step = self.rules.name(no).to_string();
        let command = match self.dice.u8(0..5) {
            0 => Command::Retry { steps: vec![step] },
            1 => Command::Retry { steps: Vec::new() },
            2 | 3 => Command::Resolve { step, result: self.result(no) },
            _ => Command::Skip { step },
        };
        let facts = command.facts(&self.progress, self.now).ok()?;
        let at = self.progress.after_all(self.now);
        for fact in facts {
            let (no, event) = fact.event();
            let _ = self.progress.apply_at(no, &event, at);
            match fact {
                Fact::Reopened(_) => {
                    let of_step = |failure: &&mut Failure| failure.step == no && failure.retry_at.is_none();
                    self.history.failures.iter_mut().filter(of_step).for_each(|f| f.reopened = true);
                }
                Fact::DueNow(_) => {
                    let of_step = |failure: &&mut Failure| failure.step == no && failure.retry_at > Some(at);
                    self.history.failures.iter_mut().filter(of_step).for_each(|f| f.retry_at = Some(at));
                }
                Fact::Resolved(_, result) => self.entry(no, Kind::Operator, result, at),
                Fact::Skipped(_) => self.entry(no, Kind::Skipped, Json::null(), at),
            }
        }
        Some(command)
    }

    fn operate(&mut self) {
        let _ = self.ask();
    }

    /// What happens to it while nobody holds it.
    fn rest(&mut self) {
        self.read_back();
        let due = matches!(self.state, TaskState::Pending | TaskState::Waiting | TaskState::Compensating);
        let paused = self.state == TaskState::Paused;
        let command = match self.dice.u8(0..16) {
            0 => Some(Command::Cancel),
            1 if self.state == TaskState::BlockedByFailures => Some(Command::GiveUp),
            2 if !paused => Some(Command::Pause),
            3 | 4 if paused => Some(Command::Resume),
            5..10 => self.ask(),
            _ => None,
        };
        if let Some(command) = command {
            let whole = self.dice.u8(0..4) > 0;
            let moved = self.progress.after_command(&command, self.state, None, whole, self.now);
            return self.goes_to(moved.state);
        }
        if due {
            self.now = self.now + Duration::from_micros(10);
            self.held = true;
            self.read_back();
            let compensated = self.state == TaskState::Compensating;
            self.goes_to(if compensated { self.state } else { TaskState::InProgress });
        }
    }

    fn live(mut self) -> BTreeSet<(i16, i16)> {
        for _ in 0..120 {
            self.now = self.now + Duration::from_micros(1);
            match (self.state, self.held) {
                // Batches that failed in isolation can be tried again.
                (TaskState::Complete, _) => {
                    self.read_back();
                    let retry = Command::Retry { steps: Vec::new() };
                    if retry.facts(&self.progress, self.now).is_err() {
                        break;
                    }
                    while self.ask().is_none_or(|command| !matches!(command, Command::Retry { .. })) {}
                    self.goes_to(TaskState::Pending);
                }
                (state, _) if state.is_final() => break,
                (_, true) => self.hold(),
                (_, false) => self.rest(),
            }
        }
        self.tasks
    }
}

/// The arrows of a table, as numbers.
macro_rules! arrows {
    ($state:ident) => {
        $state::ALL
            .iter()
            .flat_map(|from| from.next().iter().map(|to| (from.code(), to.code())))
            .collect::<BTreeSet<(i16, i16)>>()
    };
}

/// Pairs by name, for messages.
macro_rules! named {
    ($state:ident, $pairs:expr) => {
        $pairs
            .map(|(from, to)| {
                format!("{} -> {}", $state::from_code(*from).unwrap(), $state::from_code(*to).unwrap())
            })
            .collect::<Vec<_>>()
    };
}

#[test]
fn moves_that_happen_are_those_of_the_tables() {
    STEPS.with_borrow_mut(BTreeSet::clear);
    let mut tasks = BTreeSet::new();
    for seed in 0..60_000 {
        tasks.extend(Life::new(seed).live());
    }
    let steps = STEPS.with_borrow(BTreeSet::clone);
    let none: Vec<String> = Vec::new();
    assert_eq!(named!(StepState, steps.difference(&arrows!(StepState))), none, "not in the table of steps");
    assert_eq!(named!(StepState, arrows!(StepState).difference(&steps)), none, "made by no step");
    assert_eq!(named!(TaskState, tasks.difference(&arrows!(TaskState))), none, "not in the table of tasks");
    assert_eq!(named!(TaskState, arrows!(TaskState).difference(&tasks)), none, "made by no task");
}

#[test]
fn fork_keeps_what_stands_above_and_nothing_below() {
    for seed in 0..10_000 {
        Life { forks: true, ..Life::new(seed) }.live();
    }
}
