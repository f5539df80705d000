//! Decides whether what was promised was kept.
//!
//! It knows the submissions, the ledgers of the handlers and the rows at the end, and nothing of how the
//! engine works: each rule compares what somebody outside saw with what is stored.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use uuid::Uuid;

use super::{
    ledger::Execution,
    state::{COMPLETE, Recorded, State, Task},
    submissions::Submitted,
    workflows::{MAX_ATTEMPTS, Policy, Workflow},
};

/// The rules. Each is a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Every acknowledged task is there and complete.
    Lost,
    /// Nothing is there that nobody submitted, and nothing twice.
    Unknown,
    /// Each step has one result, and an execution was about to return it.
    Result,
    /// Every execution saw the recorded results of what its step depends on.
    Mixed,
    /// No execution started before what its step depends on had returned.
    Early,
    /// Attempts are counted as the failures say, each failure is recorded once, and there are no others.
    Attempts,
    /// No result counts that came after its worker had lost it to another.
    Late,
}

/// A promise that was broken, and how.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Tasks in the database.
    pub(crate) tasks: usize,
    /// Those that were never acknowledged.
    pub(crate) doubtful: usize,
    /// Results in the database.
    pub(crate) steps: usize,
    /// Executions in the ledgers.
    pub(crate) executions: usize,
    /// Executions that were neither recorded nor meant to fail: repeated because of a fault.
    pub(crate) repeated: usize,
    /// Executions that never came to their end.
    pub(crate) cut: usize,
    /// The broken promises.
    pub(crate) violations: Vec<Violation>,
}

/// What is known.
struct Checker<'a> {
    submissions: &'a BTreeMap<u64, Submitted>,
    state: &'a State,
    /// By task and step name.
    executions: HashMap<(Uuid, &'a str), Vec<&'a Execution>>,
    /// When a process was a worker: from, and until when if it stopped.
    tenures: HashMap<u32, Vec<(i64, Option<i64>)>>,
    verdict: Verdict,
}

/// Checks every rule.
pub(crate) fn check(submissions: &BTreeMap<u64, Submitted>, ledgers: &[Execution], state: &State) -> Verdict {
    let mut executions: HashMap<(Uuid, &str), Vec<&Execution>> = HashMap::new();
    for execution in ledgers {
        executions.entry((execution.task, &execution.step)).or_default().push(execution);
    }
    let mut tenures: HashMap<u32, Vec<_>> = HashMap::new();
    for worker in state.workers.values() {
        tenures.entry(worker.pid).or_default().push((worker.started_at, worker.stopped_at));
    }
    let verdict = Verdict {
        tasks: state.tasks.len(),
        steps: state.results.len(),
        executions: ledgers.len(),
        cut: ledgers.iter().filter(|execution| execution.end.is_none()).count(),
        ..Verdict::default()
    };
    let mut checker = Checker { submissions, state, executions, tenures, verdict };
    checker.submissions();
    checker.rows(ledgers);
    for (&number, task) in &state.tasks {
        if let Some(workflow) = Workflow::named(&task.workflow) {
            checker.task(number, task, workflow);
        }
    }
    let recorded = checker.verdict.steps + state.failures.values().map(Vec::len).sum::<usize>();
    checker.verdict.repeated = ledgers.len().saturating_sub(recorded);
    checker.verdict
}

impl<'a> Checker<'a> {
    fn broken(&mut self, rule: Rule, what: String) {
        self.verdict.violations.push(Violation { rule, what });
    }

    /// Submissions and tasks belong to each other, one to one.
    fn submissions(&mut self) {
        let mut of_number: HashMap<u64, Vec<&Task>> = HashMap::new();
        for task in self.state.tasks.values() {
            of_number.entry(task.number).or_default().push(task);
        }
        let (submissions, state) = (self.submissions, self.state);
        for (number, submitted) in submissions {
            let found = of_number.remove(number).unwrap_or_default();
            match (submitted.task, &found[..]) {
                (Some(task), []) => {
                    self.broken(Rule::Lost, format!("task {task} (submission {number}) is gone"));
                }
                (Some(task), [found]) if found.uuid != task => {
                    let what =
                        format!("submission {number} was acknowledged as {task} and is {}", found.uuid);
                    self.broken(Rule::Unknown, what);
                }
                (None, [_]) => self.verdict.doubtful += 1,
                (_, [_, _, ..]) => {
                    self.broken(Rule::Unknown, format!("submission {number} became {} tasks", found.len()));
                }
                (Some(_), [_]) | (None, []) => {}
            }
            if let Some(found) = found.iter().find(|found| found.workflow != submitted.workflow) {
                self.broken(
                    Rule::Unknown,
                    format!("submission {number} became a task of {}", found.workflow),
                );
            }
        }
        for task in of_number.values().flatten() {
            self.broken(Rule::Unknown, format!("task {} was submitted by nobody", task.uuid));
        }
        let known: HashSet<Uuid> = state.tasks.values().map(|task| task.uuid).collect();
        for key in state.keys.iter().filter(|task| !known.contains(task)) {
            self.broken(Rule::Unknown, format!("an idempotency key belongs to the missing task {key}"));
        }
    }

    /// Every row and every execution belongs to a task and a step.
    fn rows(&mut self, ledgers: &[Execution]) {
        let state = self.state;
        for row in &state.stray {
            self.broken(Rule::Unknown, row.clone());
        }
        let steps =
            |task: i64| Workflow::named(&state.tasks.get(&task)?.workflow).map(|flow| flow.steps.len());
        for (task, step) in state.results.keys().chain(state.failures.keys()) {
            if steps(*task).is_none_or(|steps| *step >= steps) {
                self.broken(Rule::Unknown, format!("a row of step {step} of task {task}, which is none"));
            }
        }
        let tasks: HashMap<Uuid, &str> =
            state.tasks.values().map(|task| (task.uuid, task.workflow.as_str())).collect();
        for execution in ledgers {
            let workflow = tasks.get(&execution.task).and_then(|name| Workflow::named(name));
            if workflow.is_none_or(|workflow| workflow.place(&execution.step).is_none()) {
                let what =
                    format!("step {} of task {} was executed and is none", execution.step, execution.task);
                self.broken(Rule::Unknown, what);
            }
        }
    }

    fn task(&mut self, number: i64, task: &'a Task, workflow: &'static Workflow) {
        let complete = task.state == COMPLETE && task.finished_at.is_some();
        if !complete {
            self.broken(Rule::Lost, format!("task {} is not complete: {}", task.uuid, task.about));
        }
        // What counts of each step, by its place.
        let mut counted: Vec<Option<&Execution>> = Vec::new();
        for (place, (step, _)) in workflow.steps.iter().enumerate() {
            let execution = match self.state.results.get(&(number, place)) {
                Some(recorded) => self.result(task, step, recorded),
                None => {
                    if complete {
                        self.broken(
                            Rule::Result,
                            format!("step {step} of complete task {} has none", task.uuid),
                        );
                    }
                    None
                }
            };
            self.attempts((number, place), task, step);
            counted.push(execution);
        }
        for (step, depends_on) in workflow.steps {
            let dependencies: Vec<_> =
                depends_on.iter().map(|name| workflow.place(name).and_then(|place| counted[place])).collect();
            for execution in self.executions.get(&(task.uuid, *step)).cloned().unwrap_or_default() {
                self.saw(task, execution, &dependencies);
            }
        }
    }

    /// The execution whose value was recorded.
    fn result(&mut self, task: &Task, step: &str, recorded: &Recorded) -> Option<&'a Execution> {
        let of_step = self.executions.get(&(task.uuid, step)).cloned().unwrap_or_default();
        let value: Option<u64> = recorded.result.parse().ok();
        let returned = |execution: &&Execution| {
            Some(execution.value) == value && execution.end.is_some_and(|(_, ok)| ok)
        };
        let Some(execution) = of_step.iter().copied().find(returned) else {
            let what = format!(
                "step {step} of task {} has `{}`, which no execution returned",
                task.uuid, recorded.result
            );
            self.broken(Rule::Result, what);
            return None;
        };
        let failures = Policy::of(task.uuid, step).failures;
        if recorded.kind != 0 || recorded.attempt != failures + 1 || execution.attempt != recorded.attempt {
            let what = format!(
                "step {step} of task {} fails {failures} times, and its result is of attempt {} and kind {}, executed as attempt {}",
                task.uuid, recorded.attempt, recorded.kind, execution.attempt
            );
            self.broken(Rule::Attempts, what);
        }
        self.late(task, recorded, execution, &of_step);
        Some(execution)
    }

    /// Refuses a result whose worker was given up before it returned, while another worker was already at
    /// work on the same step: that one had the task, and the former one had nothing to say any more.
    fn late(&mut self, task: &Task, recorded: &Recorded, execution: &Execution, of_step: &[&Execution]) {
        let Some((returned, _)) = execution.end else { return };
        let Some(lost) = self.state.workers.get(&recorded.worker).and_then(|worker| worker.stopped_at) else {
            return;
        };
        if lost >= returned {
            return;
        }
        let holder = of_step.iter().find(|other| {
            execution.start < other.start && other.start < returned && self.was_worker(other.pid, other.start)
        });
        if let Some(other) = holder {
            let what = format!(
                "step {} of task {}: process {} returned {} µs after it had lost the task, {} µs after process {} \
                 had started the step anew, and its result counts",
                execution.step,
                task.uuid,
                execution.pid,
                returned - lost,
                returned - other.start,
                other.pid
            );
            self.broken(Rule::Late, what);
        }
    }

    fn was_worker(&self, pid: u32, time: i64) -> bool {
        let tenures = self.tenures.get(&pid).map(Vec::as_slice).unwrap_or_default();
        tenures.iter().any(|&(from, until)| from <= time && until.is_none_or(|until| time < until))
    }

    /// The failures that are recorded are those that were meant, each once, and were executed.
    fn attempts(&mut self, place: (i64, usize), task: &Task, step: &str) {
        let policy = Policy::of(task.uuid, step);
        let mut recorded = self.state.failures.get(&place).cloned().unwrap_or_default();
        recorded.sort_unstable();
        let done = self.state.results.contains_key(&place);
        let meant: Vec<u32> = (1..=policy.failures).collect();
        let known = if done { recorded == meant } else { meant.starts_with(&recorded) };
        if !known {
            let what = format!(
                "step {step} of task {} failed at {recorded:?} and was meant to at {meant:?}",
                task.uuid
            );
            self.broken(Rule::Attempts, what);
        }
        let of_step = self.executions.get(&(task.uuid, step)).cloned().unwrap_or_default();
        for attempt in recorded {
            let failed = |execution: &&Execution| {
                execution.attempt == attempt && execution.end.is_some_and(|(_, ok)| !ok)
            };
            if !of_step.iter().any(failed) {
                let what =
                    format!("failure {attempt} of step {step} of task {} was never executed", task.uuid);
                self.broken(Rule::Attempts, what);
            }
        }
        let most = MAX_ATTEMPTS.min(policy.failures + 1);
        if let Some(execution) = of_step.iter().find(|execution| execution.attempt > most) {
            let what =
                format!("step {step} of task {} was executed as attempt {}", task.uuid, execution.attempt);
            self.broken(Rule::Attempts, what);
        }
    }

    /// One execution saw what is recorded, and started after all of it had returned.
    fn saw(&mut self, task: &Task, execution: &Execution, dependencies: &[Option<&Execution>]) {
        let (step, attempt) = (&execution.step, execution.attempt);
        if dependencies.is_empty() {
            if execution.seen != [task.number] {
                let what = format!("step {step} of task {} saw the context {:?}", task.uuid, execution.seen);
                self.broken(Rule::Mixed, what);
            }
            return;
        }
        for (place, dependency) in dependencies.iter().enumerate() {
            let Some(dependency) = dependency else {
                let what =
                    format!("step {step} of task {} started without a result it depends on", task.uuid);
                self.broken(Rule::Early, what);
                continue;
            };
            if execution.seen.get(place) != Some(&dependency.value) {
                let what = format!(
                    "step {step} of task {}, attempt {attempt}, saw {:?} of {}, whose result is {}",
                    task.uuid,
                    execution.seen.get(place),
                    dependency.step,
                    dependency.value
                );
                self.broken(Rule::Mixed, what);
            }
            if dependency.end.is_none_or(|(returned, _)| returned > execution.start) {
                let what =
                    format!("step {step} of task {} started before {} returned", task.uuid, dependency.step);
                self.broken(Rule::Early, what);
            }
        }
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
