//! Decides whether what was promised was kept.
//!
//! It knows the submissions, the ledgers of the handlers and the rows at the end, and nothing of how the
//! engine works: each rule compares what somebody outside saw with what is stored.

mod checkpoints;
mod children;
mod events;
mod processes;
mod rollback;
mod rounds;
mod ticks;
mod waits;

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use self::processes::lent;
use super::{
    course::{Course, Fate, Node, Sees},
    ledger::{Execution, Heard},
    policy::{Policy, SLICE, rounds},
    state::{COMPENSATED, COMPLETE, FAILED, Failure, Recorded, State, Task},
    submissions::Submitted,
    verdict::{Rule, Verdict, Violation},
    workflows::{MAX_ATTEMPTS, PARALLELISM, POLLING, Workflow},
};

/// What is known.
struct Checker<'a> {
    submissions: &'a BTreeMap<u64, Submitted>,
    state: &'a State,
    /// By number of the task.
    courses: HashMap<i64, Course>,
    /// By task and step name, in the order they started.
    executions: HashMap<(Uuid, &'a str), Vec<&'a Execution>>,
    /// When a process was a worker: from, and until when if it stopped.
    tenures: HashMap<u32, Vec<(i64, Option<i64>)>>,
    /// What was sent to tasks, by number, as if somebody had executed it.
    sent: &'a HashMap<i64, Execution>,
    verdict: Verdict,
}

/// Checks every rule.
pub(crate) fn check(
    submissions: &BTreeMap<u64, Submitted>,
    ledgers: &[Execution],
    heard: &[Heard],
    state: &State,
) -> Verdict {
    let mut executions: HashMap<(Uuid, &str), Vec<&Execution>> = HashMap::new();
    for execution in ledgers {
        executions.entry((execution.task, &execution.step)).or_default().push(execution);
    }
    executions.values_mut().for_each(|of_step| of_step.sort_by_key(|execution| execution.start));
    let mut tenures: HashMap<u32, Vec<_>> = HashMap::new();
    for worker in state.workers.values() {
        tenures.entry(worker.pid).or_default().push((worker.started_at, worker.stopped_at));
    }
    let courses = state.tasks.iter().filter_map(|(number, task)| {
        Some((*number, Course::of(Workflow::named(&task.workflow)?, task.uuid)))
    });
    let verdict = Verdict {
        tasks: state.tasks.len(),
        steps: state.results.len(),
        executions: ledgers.len(),
        cut: ledgers.iter().filter(|execution| execution.end.is_none()).count(),
        ..Verdict::default()
    };
    let (courses, mut sent) = (courses.collect(), waits::sent(state));
    sent.extend(children::returned(state));
    let mut checker = Checker { submissions, state, courses, executions, tenures, sent: &sent, verdict };
    checker.submissions();
    checker.ticks();
    checker.children();
    checker.events(heard);
    checker.turns();
    checker.limits(ledgers);
    checker.verdict.lent = lent(state);
    checker.rows(ledgers);
    for (&number, task) in &state.tasks {
        if let Some(course) = checker.courses.remove(&number) {
            checker.task(number, task, &course);
        }
    }
    let recorded =
        checker.executed() + checker.rounds() + state.failures.values().map(Vec::len).sum::<usize>();
    checker.verdict.repeated = ledgers.len().saturating_sub(recorded);
    checker.verdict
}

/// So much before its time a retry may begin, in microseconds: the clocks of a database and of those who use it are
/// read at different moments.
const EARLY: i64 = 50_000;

/// The value in a recorded result: the result itself, or what a decision or an analyzer said besides.
fn value_of(recorded: &Recorded) -> Option<u64> {
    let result: serde_json::Value = serde_json::from_str(&recorded.result).ok()?;
    result.as_u64().or_else(|| result.get("data")?.as_u64())
}

/// How many attempts at a step are meant to bring no result before the one that does: those that fail, and the rounds
/// before the last one.
fn failed_before(task: Uuid, step: &str) -> u32 {
    match step == POLLING.1 {
        true => rounds(task) - 1,
        false => Policy::of(task, step).failures,
    }
}

impl<'a> Checker<'a> {
    fn broken(&mut self, rule: Rule, what: String) {
        self.verdict.violations.push(Violation { rule, what });
    }

    /// The executions of a step, a batch or a compensation.
    fn executions(&self, task: &Task, node: &Node) -> Vec<&'a Execution> {
        self.executions.get(&(task.uuid, node.name.as_str())).cloned().unwrap_or_default()
    }

    /// Submissions and tasks belong to each other, one to one.
    fn submissions(&mut self) {
        let mut of_number: HashMap<u64, Vec<&Task>> = HashMap::new();
        for task in self.state.tasks.values().filter(|task| task.tick.is_none() && !task.is_child) {
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

    /// Every row and every execution belongs to a task and to something that it has.
    fn rows(&mut self, ledgers: &[Execution]) {
        let state = self.state;
        for row in &state.stray {
            self.broken(Rule::Unknown, row.clone());
        }
        let rows = state.results.keys().chain(state.failures.keys()).chain(state.checkpoints.keys());
        for &(task, code) in rows {
            let course = self.courses.get(&task);
            if !course.is_some_and(|course| course.nodes.iter().any(|node| node.code == code)) {
                self.broken(Rule::Unknown, format!("a row of step {code} of task {task}, which is none"));
            }
        }
        let number: HashMap<Uuid, i64> = state.tasks.iter().map(|(no, task)| (task.uuid, *no)).collect();
        for execution in ledgers {
            let course = number.get(&execution.task).and_then(|number| self.courses.get(number));
            if course.is_none_or(|course| course.find(&execution.step).is_none()) {
                let what =
                    format!("step {} of task {} was executed and is none", execution.step, execution.task);
                self.broken(Rule::Unknown, what);
            }
        }
    }

    fn task(&mut self, number: i64, task: &'a Task, course: &Course) {
        let over = [COMPLETE, COMPENSATED, FAILED].contains(&task.state) && task.finished_at.is_some();
        if !over {
            self.broken(Rule::Lost, format!("task {} is not over: {}", task.uuid, task.about));
        } else if task.state != course.state {
            let what = format!("task {} must end in state {}: {}", task.uuid, course.state, task.about);
            self.broken(Rule::State, what);
        }
        // What counts of each step, by its place.
        let mut counted: Vec<Option<&Execution>> = Vec::new();
        for node in &course.nodes {
            let recorded = self.state.results.get(&(number, node.code));
            if !node.kind.has_handler() {
                counted.push(self.waited(number, task, node, course));
                continue;
            }
            let of_node = self.executions(task, node);
            if node.fate == Fate::Out && !of_node.is_empty() || node.fate != Fate::Done && recorded.is_some()
            {
                let rule = if node.compensates.is_some() { Rule::Compensation } else { Rule::Route };
                let what = format!("step {} of task {} ran or has a result", node.name, task.uuid);
                self.broken(rule, format!("{what}, and must not"));
            }
            counted.push(recorded.and_then(|recorded| self.result(task, node, recorded, &of_node)));
            if over && node.fate == Fate::Done && recorded.is_none() {
                let what = format!("step {} of task {}, which is over, has none", node.name, task.uuid);
                self.broken(Rule::Result, what);
            }
            self.attempts((number, node.code), task, node, &of_node);
        }
        for node in course.nodes.iter().filter(|node| node.fate != Fate::Out) {
            let of_node = self.executions(task, node);
            for execution in &of_node {
                self.saw(task, execution, node, course, &counted);
            }
            if matches!(node.sees, Sees::Slice { .. }) {
                self.checkpoints((number, node.code), task, &of_node, counted_of(course, node, &counted));
            }
        }
        self.parallel(task, course, &counted);
        self.compensated(number, task, course, &counted);
    }

    /// The execution whose value was recorded.
    fn result(
        &mut self,
        task: &Task,
        node: &Node,
        recorded: &Recorded,
        of_node: &[&'a Execution],
    ) -> Option<&'a Execution> {
        let step = &node.name;
        let value = value_of(recorded);
        let returned = |execution: &&Execution| {
            Some(execution.value) == value && execution.end.is_some_and(|(_, ok)| ok)
        };
        let Some(execution) = of_node.iter().copied().find(returned) else {
            let what = format!(
                "step {step} of task {} has `{}`, which no execution returned",
                task.uuid, recorded.result
            );
            self.broken(Rule::Result, what);
            return None;
        };
        let failures = failed_before(task.uuid, step);
        if recorded.kind != 0 || recorded.attempt != failures + 1 || execution.attempt != recorded.attempt {
            let what = format!(
                "step {step} of task {} fails {failures} times, and its result is of attempt {} and kind {}, executed as attempt {}",
                task.uuid, recorded.attempt, recorded.kind, execution.attempt
            );
            self.broken(Rule::Attempts, what);
        }
        self.ran(task, recorded.worker, execution);
        self.late(task, recorded, execution, of_node);
        Some(execution)
    }

    /// Refuses a result whose worker was given up before it returned, while another worker was already at
    /// work on the same step: that one had the task, and the former one had nothing to say any more.
    fn late(&mut self, task: &Task, recorded: &Recorded, execution: &Execution, of_node: &[&Execution]) {
        let Some((returned, _)) = execution.end else { return };
        let Some(lost) = self.state.workers.get(&recorded.worker).and_then(|worker| worker.stopped_at) else {
            return;
        };
        if lost >= returned {
            return;
        }
        let holder = of_node.iter().find(|other| {
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
    fn attempts(&mut self, place: (i64, i64), task: &Task, node: &Node, of_node: &[&Execution]) {
        let step = &node.name;
        let policy = Policy::of(task.uuid, step);
        let mut recorded = self.state.failures.get(&place).cloned().unwrap_or_default();
        recorded.sort_unstable();
        let doomed = node.fate == Fate::Failed;
        let last = policy.failures + u32::from(doomed);
        let meant: Vec<Failure> = match node.fate {
            Fate::Out => Vec::new(),
            _ => (1..=last).map(|attempt| Failure { attempt, for_good: doomed && attempt == last }).collect(),
        };
        let done = self.state.results.contains_key(&place) || doomed && task.finished_at.is_some();
        let known = if done { recorded == meant } else { meant.starts_with(&recorded) };
        if !known {
            let what = format!(
                "step {step} of task {} failed at {recorded:?} and was meant to at {meant:?}",
                task.uuid
            );
            self.broken(Rule::Attempts, what);
        }
        for Failure { attempt, .. } in recorded {
            let failed = |execution: &&&Execution| {
                execution.attempt == attempt && execution.end.is_some_and(|(_, ok)| !ok)
            };
            let worker = self.state.failed_by.get(&(place.0, place.1, attempt)).copied().unwrap_or_default();
            let of_worker =
                of_node.iter().find(|execution| failed(execution) && self.is_of(worker, execution));
            match of_worker.or_else(|| of_node.iter().find(failed)) {
                Some(execution) => self.ran(task, worker, execution),
                None => {
                    let what =
                        format!("failure {attempt} of step {step} of task {} was never executed", task.uuid);
                    self.broken(Rule::Attempts, what);
                }
            }
        }
        for execution in of_node {
            let before = execution.attempt.checked_sub(1);
            let due = before.and_then(|before| self.state.retries.get(&(place.0, place.1, before)));
            if let Some(early) = due.map(|due| due - execution.start).filter(|early| *early > EARLY) {
                let (attempt, task) = (execution.attempt, task.uuid);
                let what = format!("attempt {attempt} of step {step} of task {task} began {early} µs early");
                self.broken(Rule::Retry, what);
            }
        }
        let most = match step == POLLING.1 {
            true => failed_before(task.uuid, step) + 1,
            false => MAX_ATTEMPTS.min(policy.failures + 1),
        };
        if let Some(execution) = of_node.iter().find(|execution| execution.attempt > most) {
            let what =
                format!("step {step} of task {} was executed as attempt {}", task.uuid, execution.attempt);
            self.broken(Rule::Attempts, what);
        }
    }

    /// Of a worker no more batches run at once than its template says, of those that count.
    fn parallel(&mut self, task: &Task, course: &Course, counted: &[Option<&Execution>]) {
        let batches = course.nodes.iter().zip(counted);
        let batches = batches.filter(|(node, _)| matches!(node.sees, Sees::Slice { .. }));
        let spans: Vec<_> = batches
            .filter_map(|(_, execution)| execution.and_then(|of| Some((of.start, of.end?.0))))
            .collect();
        for (start, _) in &spans {
            let at_once = spans.iter().filter(|(from, until)| from <= start && start < until).count();
            if at_once > PARALLELISM as usize {
                let what =
                    format!("{at_once} batches of task {} ran at once, and {PARALLELISM} may", task.uuid);
                return self.broken(Rule::Parallel, what);
            }
        }
    }

    /// One execution saw what is recorded, and started after all of it had returned.
    fn saw(
        &mut self,
        task: &Task,
        execution: &Execution,
        node: &Node,
        course: &Course,
        counted: &[Option<&Execution>],
    ) {
        let (step, attempt) = (&execution.step, execution.attempt);
        let (after, wanted): (Vec<usize>, Vec<Option<u64>>) = match &node.sees {
            Sees::Number => (vec![], vec![Some(task.number)]),
            Sees::Slice { analyzer, index } => {
                let start = counted[*analyzer].map(|cut| cut.value + index * SLICE);
                (vec![*analyzer], vec![start, start.map(|start| start + SLICE)])
            }
            Sees::Results(results) => {
                let value = |at: &Option<usize>| at.and_then(|at| counted[at]).map(|seen| seen.value);
                (results.iter().flatten().copied().collect(), results.iter().map(value).collect())
            }
        };
        if execution.seen != wanted {
            let what = format!(
                "step {step} of task {}, attempt {attempt}, saw {:?}; recorded is {wanted:?}",
                task.uuid, execution.seen
            );
            self.broken(Rule::Mixed, what);
        }
        for at in after {
            let name = &course.nodes[at].name;
            let returned = counted[at].and_then(|dependency| dependency.end).map(|(returned, _)| returned);
            if returned.is_none_or(|returned| returned > execution.start) {
                self.broken(
                    Rule::Early,
                    format!("step {step} of task {} started before {name} returned", task.uuid),
                );
            }
        }
    }
}

/// What counts of `node`.
fn counted_of<'a>(course: &Course, node: &Node, counted: &[Option<&'a Execution>]) -> Option<&'a Execution> {
    counted[course.find(&node.name)?]
}

#[cfg(test)]
mod tests;
