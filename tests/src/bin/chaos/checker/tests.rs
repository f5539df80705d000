//! Each rule notices when its promise is broken, and only then.
#![allow(clippy::unwrap_used, clippy::panic)]

mod capabilities;

use tasker_runtime::template::StepKind;

use super::super::{
    ledger::{Heard, Loaded},
    policy::{children as children_of, rounds as rounds_of},
    state::{Child, Logged, Recorded, Task, Tenure, Tick, Ticking},
    workflows::{FAMILY, LIMITED, POLLING, TICKING},
};
use super::*;

/// A run in which everything went well: one task, executed step by step by the process 7, worker 1.
struct Story {
    submissions: BTreeMap<u64, Submitted>,
    course: Course,
    ledgers: Vec<Execution>,
    state: State,
}

/// The time an execution takes; each starts when all before it have ended.
const TAKES: i64 = 10;
/// From the start of one execution to that of the next.
const PACE: i64 = 20;

impl Story {
    /// A diamond.
    fn new() -> Self {
        Self::of("diamond", |_| true)
    }

    /// The first task of `workflow` that is as `wanted`, and of which no attempt fails but what fails for good.
    fn of(workflow: &str, wanted: impl Fn(&Course) -> bool) -> Self {
        let shape = Workflow::named(workflow).unwrap();
        let calm = |task: Uuid, course: &Course| {
            course.nodes.iter().all(|node| Policy::of(task, &node.name).failures == 0)
        };
        let found = (1..).map(Uuid::from_u128).find_map(|task| {
            let course = Course::of(shape, task);
            (calm(task, &course) && wanted(&course)).then_some((task, course))
        });
        let (task, course) = found.unwrap();
        let submitted = Submitted { workflow: workflow.to_owned(), task: Some(task) };
        let mut story = Self {
            submissions: BTreeMap::from([(5, submitted)]),
            course: course.clone(),
            ledgers: Vec::new(),
            state: State::default(),
        };
        story.state.tasks.insert(
            1,
            Task {
                uuid: task,
                workflow: workflow.to_owned(),
                number: 5,
                tick: None,
                is_child: false,
                state: course.state,
                finished_at: Some(900),
                lease: 1,
                about: String::new(),
            },
        );
        story.state.workers.insert(1, Tenure { pid: 7, started_at: 0, stopped_at: None });
        let (compensations, steps): (Vec<&Node>, Vec<&Node>) =
            course.nodes.iter().partition(|node| node.compensates.is_some());
        for node in steps.into_iter().chain(compensations.into_iter().rev()) {
            story.run(task, node);
        }
        story
    }

    /// Adds what is left of a step that runs, with its place among the executions as its value.
    fn run(&mut self, task: Uuid, node: &Node) {
        if node.fate == Fate::Out {
            return;
        }
        let place = i64::try_from(self.ledgers.len()).unwrap();
        let (start, value) = (100 + PACE * place, 100 + place.cast_unsigned());
        let value_of = |at: usize| {
            let name = &self.course.nodes[at].name;
            self.ledgers.iter().find(|execution| execution.step == *name).unwrap().value
        };
        let seen = match &node.sees {
            Sees::Number => vec![Some(5)],
            Sees::Slice { analyzer, index } => {
                let start = value_of(*analyzer) + index * SLICE;
                vec![Some(start), Some(start + SLICE)]
            }
            Sees::Results(results) => results.iter().map(|at| at.map(value_of)).collect(),
        };
        let done = node.fate == Fate::Done;
        self.ledgers.push(Execution {
            pid: 7,
            task,
            step: node.name.clone(),
            attempt: 1,
            value,
            seen,
            loaded: None,
            saves: Vec::new(),
            start,
            end: Some((start + TAKES, done)),
        });
        if done {
            let result = match node.kind {
                StepKind::Decision | StepKind::Batchable => format!("{{\"data\":{value}}}"),
                _ => value.to_string(),
            };
            let finished_at = start + TAKES;
            let recorded = Recorded { attempt: 1, worker: 1, kind: 0, finished_at, result };
            self.state.results.insert((1, node.code), recorded);
        } else {
            self.state.failures.insert((1, node.code), vec![Failure { attempt: 1, for_good: true }]);
            self.state.failed_by.insert((1, node.code, 1), 1);
        }
    }

    /// The only execution of the step `name`.
    fn execution(&mut self, name: &str) -> &mut Execution {
        self.ledgers.iter_mut().find(|execution| execution.step == name).unwrap()
    }

    /// The number of the step `name` in the database.
    fn code(&self, name: &str) -> i64 {
        self.course.nodes[self.course.find(name).unwrap()].code
    }

    /// What is published of it and who heard of that, as it should be.
    fn published(&self) -> (HashMap<i64, Vec<Logged>>, Vec<Heard>) {
        let (mut events, mut heard): (HashMap<i64, Vec<Logged>>, Vec<Heard>) = (HashMap::new(), Vec::new());
        for (number, task) in &self.state.tasks {
            for (sequence, told) in (1..).zip(events::meant(&self.state, *number, &task.workflow)) {
                let (step, attempt, name, says) = told;
                let payload = serde_json::from_str(&says).unwrap_or_default();
                events.entry(*number).or_default().push(Logged { sequence, step, attempt, name, payload });
                heard.push(Heard { task: task.uuid, sequence, time: i64::from(sequence) });
            }
        }
        (events, heard)
    }

    /// With all of it published and heard.
    fn check(&self) -> Verdict {
        let (events, heard) = self.published();
        check(&self.submissions, &self.ledgers, &heard, &State { events, ..self.state.clone() })
    }

    /// The rules that are broken, each once.
    fn broken(&self) -> Vec<Rule> {
        let verdict = self.check();
        let mut rules: Vec<Rule> = verdict.violations.iter().map(|violation| violation.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn task(&mut self) -> &mut Task {
        self.state.tasks.get_mut(&1).unwrap()
    }

    /// The process 8, as worker 2, executes step `place` anew at `start`; its value is 900.
    fn again(&mut self, place: usize, start: i64) -> &mut Execution {
        self.state.workers.insert(2, Tenure { pid: 8, started_at: 0, stopped_at: None });
        let again = Execution {
            pid: 8,
            value: 900,
            start,
            end: Some((start + TAKES, true)),
            ..self.ledgers[place].clone()
        };
        self.ledgers.push(again);
        self.ledgers.last_mut().unwrap()
    }
}

#[test]
fn what_went_well_breaks_no_rule() {
    assert_eq!(Story::new().broken(), []);
    let verdict = Story::new().check();
    assert_eq!((verdict.tasks, verdict.steps, verdict.executions, verdict.repeated), (1, 4, 4, 0));
}

#[test]
fn acknowledged_task_that_is_gone_or_open_is_lost() {
    let mut gone = Story::new();
    gone.submissions.insert(6, Submitted { workflow: "tree".to_owned(), task: Some(Uuid::from_u128(1)) });
    assert_eq!(gone.broken(), [Rule::Lost]);
    let mut open = Story::new();
    open.task().state = 1;
    assert_eq!(open.broken(), [Rule::Lost]);
    let mut compensated = Story::new();
    compensated.task().state = COMPENSATED;
    assert_eq!(compensated.broken(), [Rule::State]);
}

#[test]
fn task_of_nobody_or_twice_or_in_a_stray_row_is_unknown() {
    let mut nobody = Story::new();
    nobody.submissions.clear();
    assert_eq!(nobody.broken(), [Rule::Unknown]);
    let mut other = Story::new();
    other.submissions.get_mut(&5).unwrap().task = Some(Uuid::from_u128(1));
    assert_eq!(other.broken(), [Rule::Unknown]);
    let mut stray = Story::new();
    stray.state.stray.push("a row".to_owned());
    assert_eq!(stray.broken(), [Rule::Unknown]);
    let mut step = Story::new();
    let recorded = step.state.results[&(1, 0)].clone();
    step.state.results.insert((1, 4), recorded);
    assert_eq!(step.broken(), [Rule::Unknown]);
}

#[test]
fn submission_in_doubt_may_be_there_or_not() {
    let mut doubt = Story::new();
    doubt.submissions.get_mut(&5).unwrap().task = None;
    doubt.submissions.insert(6, Submitted { workflow: "tree".to_owned(), task: None });
    assert_eq!(doubt.broken(), []);
}

#[test]
fn result_nobody_returned_is_found() {
    let mut invented = Story::new();
    invented.state.results.get_mut(&(1, 3)).unwrap().result = "77".to_owned();
    assert_eq!(invented.broken(), [Rule::Result]);
    let mut cut_off = Story::new();
    cut_off.ledgers[3].end = None;
    assert_eq!(cut_off.broken(), [Rule::Result]);
    let mut missing = Story::new();
    missing.state.results.remove(&(1, 3));
    assert_eq!(missing.broken(), [Rule::Result]);
}

#[test]
fn result_that_is_not_the_one_seen_downstream_is_mixed_up() {
    let mut replaced = Story::new();
    let again = replaced.again(1, 120).value;
    let recorded = replaced.state.results.get_mut(&(1, 1)).unwrap();
    (recorded.result, recorded.worker) = (again.to_string(), 2);
    assert_eq!(replaced.broken(), [Rule::Mixed]);
    let mut context = Story::new();
    context.ledgers[0].seen = vec![Some(6)];
    assert_eq!(context.broken(), [Rule::Mixed]);
}

#[test]
fn start_before_a_dependency_returned_is_early() {
    let mut early = Story::new();
    early.ledgers[3].start = 125;
    assert_eq!(early.broken(), [Rule::Early]);
}

#[test]
fn attempts_follow_from_the_failures_that_are_meant() {
    let mut counted = Story::new();
    counted.state.results.get_mut(&(1, 2)).unwrap().attempt = 2;
    assert_eq!(counted.broken(), [Rule::Attempts]);
    let mut failed = Story::new();
    failed.state.failures.insert((1, 2), vec![Failure { attempt: 1, for_good: false }]);
    assert_eq!(failed.broken(), [Rule::Attempts]);
    let mut too_many = Story::new();
    too_many.again(2, 150).attempt = 2;
    assert_eq!(too_many.broken(), [Rule::Attempts]);
}

#[test]
fn result_that_came_after_its_lease_was_lost_is_late() {
    // The process 7 lost the task at 141, the process 8 started the step anew at 145, and 7 returned at 150.
    let mut late = Story::new();
    late.again(2, 145);
    late.state.workers.get_mut(&1).unwrap().stopped_at = Some(141);
    assert_eq!(late.broken(), [Rule::Late]);
}

#[test]
fn repeated_execution_without_effect_is_no_matter() {
    let mut repeated = Story::new();
    repeated.again(2, 145);
    assert_eq!(repeated.broken(), []);
    // The holder of before came too late to start: it was given up already.
    repeated.state.workers.get_mut(&1).unwrap().stopped_at = Some(141);
    repeated.state.workers.get_mut(&2).unwrap().stopped_at = Some(100);
    assert_eq!(repeated.broken(), []);
    let verdict = repeated.check();
    assert_eq!(verdict.repeated, 1);
}

#[test]
fn what_stands_under_a_worker_was_run_by_its_process() {
    let mut lent = Story::new();
    lent.again(2, 145);
    let recorded = lent.state.results.get_mut(&(1, 2)).unwrap();
    recorded.worker = 2;
    assert_eq!(lent.broken(), [Rule::Worker], "the value is of process 7");
    let mut failed = Story::of("doomed", |course| course.state == FAILED);
    assert_eq!(failed.broken(), []);
    let code = failed.code("doomed_middle");
    failed.state.failed_by.insert((1, code, 1), 2);
    assert_eq!(failed.broken(), [Rule::Worker]);
}

#[test]
fn steps_of_a_task_that_was_taken_once_are_lent_where_another_did_them() {
    let mut lent = Story::new();
    let count = |story: &Story| story.check().lent;
    assert_eq!(count(&lent), 0);
    lent.state.results.get_mut(&(1, 2)).unwrap().worker = 2;
    assert_eq!(count(&lent), 1);
    lent.task().lease = 2;
    assert_eq!(count(&lent), 0, "perhaps it was taken over");
}

#[test]
fn handler_runs_no_more_often_at_once_in_a_process_than_it_allows() {
    let (step, limit) = LIMITED;
    let mut story = Story::new();
    let place = story.ledgers.iter().position(|execution| execution.step == step).unwrap();
    let start = story.ledgers[place].start;
    for _ in 0..limit {
        story.again(place, start + 1);
    }
    assert_eq!(story.broken(), [], "each in a process of its own, or as many as may");
    story.again(place, start + 2);
    assert_eq!(story.broken(), [Rule::Limit]);
}

#[test]
fn each_second_of_a_schedule_is_one_task() {
    const SECOND: i64 = 1_000_000;
    let ticked = |seconds: &[i64]| {
        let mut story = Story::new();
        let ticking =
            Ticking { created_at: 3 * SECOND + 5, last_at: Some(6 * SECOND), next_at: Some(7 * SECOND) };
        story.state.schedules.insert("often".to_owned(), ticking);
        for (number, &second) in (10..).zip(seconds) {
            let mut task = story.state.tasks[&1].clone();
            task.uuid = Uuid::from_u128(number);
            (task.workflow, task.number) = (TICKING.to_owned(), 0);
            task.tick = Some(Tick { schedule: "often".to_owned(), second });
            // Of its steps the test says nothing.
            (task.state, task.finished_at) = (COMPLETE, Some(900));
            story.state.tasks.insert(i64::try_from(number).unwrap(), task);
        }
        let verdict = story.check();
        (verdict.ticks, verdict.violations.iter().filter(|violation| violation.rule == Rule::Tick).count())
    };
    assert_eq!(ticked(&[4, 5, 6]), (3, 0));
    assert_eq!(ticked(&[4, 6]), (2, 1), "one is missing");
    assert_eq!(ticked(&[4, 5, 5, 6]), (4, 1), "one was started twice");
    assert_eq!(ticked(&[3, 4, 5, 6]), (4, 1), "one was before it was made");
}

#[test]
fn no_more_tasks_of_a_schedule_run_at_once_than_may() {
    let ran = |spans: &[(i64, i64)]| {
        let mut story = Story::new();
        for (number, &(start, end)) in (10..).zip(spans) {
            let mut task = story.state.tasks[&1].clone();
            task.uuid = Uuid::from_u128(number);
            (task.workflow, task.finished_at) = (TICKING.to_owned(), Some(end));
            task.tick = Some(Tick { schedule: "often".to_owned(), second: 1 });
            let mut execution = story.ledgers[0].clone();
            (execution.task, execution.start) = (task.uuid, start);
            story.ledgers.push(execution);
            story.state.tasks.insert(i64::try_from(number).unwrap(), task);
        }
        let verdict = story.check();
        verdict.violations.iter().filter(|violation| violation.rule == Rule::Turn).count()
    };
    let second = 1_000_000;
    assert_eq!(ran(&[(0, second), (second, 2 * second)]), 0);
    assert_eq!(ran(&[(0, second), (second / 2, 2 * second)]), 1);
}

#[test]
fn task_starts_each_of_its_own_once_and_has_their_results() {
    let broken = |spoil: &dyn Fn(&mut State, i64)| {
        let mut story = Story::new();
        let parent = (1..).map(Uuid::from_u128).find(|task| children_of(*task) == 2).unwrap();
        let task = story.state.tasks[&1].clone();
        let family = Task { uuid: parent, workflow: FAMILY.0.to_owned(), state: COMPLETE, ..task.clone() };
        story.state.tasks.insert(10, family);
        for (item, number) in [(0, 11), (1, 12)] {
            let (uuid, workflow) = (Uuid::from_u128(number), FAMILY.3.to_owned());
            let number = i64::try_from(number).unwrap();
            story.state.tasks.insert(number, Task { uuid, workflow, is_child: true, ..task.clone() });
            story.state.results.insert((number, 1), recorded(&(item + 5).to_string()));
            let child = Child { item, attempt: 1, task: number, ended: true };
            story.state.children.entry(10).or_default().push(child);
        }
        story.state.results.insert((10, 1), recorded("[5,6]"));
        spoil(&mut story.state, 10);
        let verdict = story.check();
        verdict.violations.iter().filter(|violation| violation.rule == Rule::Child).count()
    };
    assert_eq!(broken(&|_, _| ()), 0);
    let told = |state: &mut State, of: i64| state.children.get_mut(&of).unwrap()[1].ended = false;
    assert_eq!(broken(&told), 1, "its end was told to nobody");
    let swapped = |state: &mut State, of: i64| drop(state.results.insert((of, 1), recorded("[6,5]")));
    assert_eq!(broken(&swapped), 1, "the results are in another order");
    let twice = |state: &mut State, of: i64| {
        let child = Child { attempt: 2, ..state.children[&of][1] };
        state.children.get_mut(&of).unwrap().push(child);
    };
    assert!(broken(&twice) > 0, "one was started twice");
    let lost = |state: &mut State, of: i64| state.children.get_mut(&of).unwrap().truncate(1);
    assert!(broken(&lost) > 0, "one is not noted");
}

#[test]
fn each_result_is_published_once_and_heard_in_order() {
    let story = Story::new();
    let broken = |spoil: &dyn Fn(&mut Vec<Logged>, &mut Vec<Heard>)| {
        let (mut events, mut heard) = story.published();
        spoil(events.get_mut(&1).unwrap(), &mut heard);
        let state = State { events, ..story.state.clone() };
        let verdict = check(&story.submissions, &story.ledgers, &heard, &state);
        verdict.violations.iter().map(|violation| violation.rule).collect::<Vec<_>>()
    };
    assert_eq!(broken(&|_, _| ()), []);
    assert_eq!(broken(&|_, heard| heard.push(Heard { time: 90, ..heard[0] })), [], "once more is fine");
    let swapped = |_: &mut Vec<Logged>, heard: &mut Vec<Heard>| heard[0].time = 90;
    assert_eq!(broken(&swapped), [Rule::Heard]);
    let unheard = |_: &mut Vec<Logged>, heard: &mut Vec<Heard>| heard.truncate(heard.len() - 1);
    assert_eq!(broken(&unheard), [Rule::Heard]);
    let unknown =
        |_: &mut Vec<Logged>, heard: &mut Vec<Heard>| heard.push(Heard { sequence: 90, ..heard[0] });
    assert_eq!(broken(&unknown), [Rule::Heard]);
    let lost = |events: &mut Vec<Logged>, heard: &mut Vec<Heard>| drop((events.pop(), heard.pop()));
    assert_eq!(broken(&lost), [Rule::Event]);
    let gap = |events: &mut Vec<Logged>, heard: &mut Vec<Heard>| {
        (events[3].sequence, heard[3].sequence) = (7, 7);
    };
    assert_eq!(broken(&gap), [Rule::Event]);
    let other = |events: &mut Vec<Logged>, _: &mut Vec<Heard>| events[2].payload = 7.into();
    assert_eq!(broken(&other), [Rule::Event]);
}

#[test]
fn each_round_goes_on_from_the_last_one_and_there_are_as_many_as_were_meant() {
    let broken = |spoil: &dyn Fn(&mut Vec<Execution>)| {
        let mut story = Story::of(POLLING.0, |_| true);
        let task = (1..).map(Uuid::from_u128).find(|task| rounds_of(*task) == 3).unwrap();
        story.ledgers.clear();
        let known = story.state.tasks.get_mut(&1).unwrap();
        (known.uuid, known.state) = (task, COMPLETE);
        for round in 1..=3 {
            let from = (round > 1).then(|| (u64::from(round) - 1, 99 + u64::from(round)));
            let start = i64::from(round) * PACE;
            story.ledgers.push(Execution {
                pid: 7,
                task,
                step: POLLING.1.to_owned(),
                attempt: round,
                value: 100 + u64::from(round),
                seen: vec![Some(100)],
                loaded: Some(Loaded { time: start, from }),
                saves: Vec::new(),
                start,
                end: Some((start + TAKES, true)),
            });
        }
        spoil(&mut story.ledgers);
        let verdict = story.check();
        verdict.violations.iter().filter(|violation| violation.rule == Rule::Round).count()
    };
    assert_eq!(broken(&|_| ()), 0);
    let again = |ledgers: &mut Vec<Execution>| {
        let once_more = Execution { value: 777, ..ledgers[1].clone() };
        ledgers.push(once_more);
    };
    assert_eq!(broken(&again), 0, "a round that was lost in a crash is called again");
    let forked = |ledgers: &mut Vec<Execution>| {
        again(ledgers);
        let mut other = ledgers[2].clone();
        (other.value, other.loaded) = (778, Some(Loaded { time: 60, from: Some((2, 777)) }));
        ledgers.push(other);
    };
    assert_eq!(broken(&forked), 1, "two different rounds went before one");
    let stale =
        |ledgers: &mut Vec<Execution>| ledgers[2].loaded = Some(Loaded { time: 60, from: Some((1, 101)) });
    assert_eq!(broken(&stale), 1, "it went on from the round before the last one");
    let first =
        |ledgers: &mut Vec<Execution>| ledgers[0].loaded = Some(Loaded { time: 60, from: Some((1, 101)) });
    assert_eq!(broken(&first), 1, "nothing went before the first one");
    assert_eq!(broken(&|ledgers| drop(ledgers.pop())), 1, "one is missing");
}

fn recorded(result: &str) -> Recorded {
    Recorded { attempt: 1, worker: 1, kind: 0, finished_at: 900, result: result.to_owned() }
}
