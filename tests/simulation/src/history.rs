//! One history, from its scenario to what is left of its promises.

use std::rc::Rc;

use tasker_model::{Command, Json, Rules, StepIndex, TaskNo};
use tasker_template::StepKind;

use crate::{
    checker::{self, Broken},
    engine::{Fate, Process},
    scenario::{Operation, Scenario, Verb},
    workflow::SIGNALS,
    world::{MS, Micros, SECOND, World},
};

/// How long a history may take to come to rest once nothing goes wrong any more.
const HEALING: Micros = 120 * SECOND;

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct History {
    /// The first promise that was broken.
    pub broken: Option<Broken>,
    /// What happened, where it was to be traced.
    pub lines: Vec<String>,
    /// How many attempts ran.
    pub executions: u64,
}

/// Lets the scenario happen. The same one happens in the same way each time.
#[must_use]
pub fn run(scenario: &Scenario, traced: bool) -> History {
    let world = World::new(scenario.seed, scenario.link, scenario.temper, traced);
    let scenario = Rc::new(scenario.clone());
    let fates: Vec<Rc<Fate>> = (0..scenario.engines.len()).map(|at| Fate::new(&scenario, at)).collect();
    for (at, fate) in fates.iter().enumerate() {
        start(&world, &scenario, at, fate);
    }
    submit(&world, &scenario);
    operate(&world, &scenario);
    let begin = world.now();
    let events = events_until(&scenario);
    let broken = || world.watch.borrow().broken().is_some();
    let restart = || {
        for (at, fate) in fates.iter().enumerate() {
            if fate.restart_at.get().is_some_and(|due| due <= world.now()) {
                start(&world, &scenario, at, fate);
            }
        }
    };
    let rest = || world.now() >= begin + events && checker::at_rest(&world, &scenario);
    world.run(begin + scenario.rough_for.max(events), || {
        restart();
        broken() || rest()
    });
    heal(&world, &fates);
    let rested = world.run(world.now() + HEALING, || {
        restart();
        broken() || rest()
    });
    if !rested {
        checker::stuck(&world, &scenario);
    }
    if !broken() {
        end(&world, &scenario);
    }
    let history = History {
        broken: world.watch.borrow().broken().cloned(),
        lines: world.lines(),
        executions: world.watch.borrow().executions(),
    };
    world.watch.borrow_mut().forget();
    world.end();
    history
}

fn start(world: &Rc<World>, scenario: &Rc<Scenario>, at: usize, fate: &Rc<Fate>) {
    let process = Process::start(world, scenario, at, fate);
    world.watch.borrow_mut().processes.push(process);
}

/// From here on nothing goes wrong any more.
fn heal(world: &Rc<World>, fates: &[Rc<Fate>]) {
    world.trace(|| "nothing goes wrong any more".to_owned());
    world.heal();
    for fate in fates.iter().filter(|fate| fate.restart_at.get().is_some()) {
        fate.restart_at.set(Some(world.now()));
    }
    for process in &world.watch.borrow().processes {
        let awake = process.life.paused_until.get().min(world.now());
        process.life.paused_until.set(awake);
    }
}

/// Stops every process and looks at what is left.
fn end(world: &Rc<World>, scenario: &Rc<Scenario>) {
    let tasks = world.db.borrow().tasks.len();
    let waited: Vec<TaskNo> = checker::waiting(world, scenario);
    let live: Vec<Rc<Process>> = {
        let watch = world.watch.borrow();
        watch.processes.iter().filter(|process| !process.life.dead.get()).cloned().collect()
    };
    live.iter().for_each(Process::stop);
    world.run(world.now() + 30 * SECOND, || live.iter().all(|process| process.life.dead.get()));
    checker::check_end(world, scenario, tasks, &waited);
}

/// When the last submission and the last command have been.
fn events_until(scenario: &Scenario) -> Micros {
    let submitted = scenario.submissions.iter().map(|submission| submission.at + submission.delay);
    let asked = scenario.commands.iter().map(|command| command.at);
    submitted.chain(asked).max().unwrap_or_default() + 20 * MS
}

fn submit(world: &Rc<World>, scenario: &Rc<Scenario>) {
    for (number, submission) in scenario.submissions.iter().cloned().enumerate() {
        let scenario = scenario.clone();
        world.later(submission.at, move |world| {
            let note = {
                let world = Rc::clone(world);
                move |task: TaskNo| {
                    let mut watch = world.watch.borrow_mut();
                    watch.acknowledged.push(task);
                    watch.submitted(number, task);
                    watch.deadly.extend(submission.deadly.map(|step| (task, step)));
                }
            };
            let by = submission.by.and_then(|at| world.watch.borrow().running_at(at));
            let (template, delay, priority) = (submission.workflow, submission.delay, submission.priority);
            match by {
                Some(process) => process.submit(template, delay, priority, note),
                None => {
                    let (queue, run_at) = (scenario.workflows[template].queue, world.now() + delay);
                    let task = world.db.borrow_mut().submit(template, queue, run_at, priority, None);
                    world.trace(|| format!("task {} is acknowledged", task.0));
                    note(task);
                }
            }
        });
    }
}

fn operate(world: &Rc<World>, scenario: &Rc<Scenario>) {
    for operation in scenario.commands.iter().cloned() {
        let scenario = scenario.clone();
        world.later(operation.at, move |world| {
            let Some(task) = world.watch.borrow().task_of(operation.task) else { return };
            let template = world.db.borrow().task(task).run.template;
            let rules = scenario.workflows[template].rules(|_| true);
            let now = tasker_model::Timestamp::from_micros(world.now());
            let Some(command) = command(&operation, &rules) else {
                // Mostly one that the step waits for.
                let step = rules.steps[operation.step as usize].wait.as_ref();
                let name = step.and_then(tasker_model::Wait::signal).map_or(SIGNALS[0], |name| &**name);
                world.trace(|| format!("a signal `{name}` is sent to task {}", task.0));
                return world.db.borrow_mut().send(task, name, now);
            };
            world.trace(|| format!("an operator asks of task {}: {command:?}", task.0));
            world.db.borrow_mut().ask(task, &command, &rules, now);
        });
    }
}

/// The command that an operator gives; `None`: a signal is sent.
fn command(operation: &Operation, rules: &Rules) -> Option<Command> {
    let mut no = StepIndex::of(operation.step);
    if let Some(index) = operation.instance.filter(|_| rules.steps[operation.step as usize].batch.is_some()) {
        no = StepIndex::instance(operation.step, index);
    }
    if operation.compensation {
        no = no.compensation();
    }
    let step = rules.name(no).to_string();
    Some(match operation.verb {
        Verb::RetryAll => Command::Retry { steps: Vec::new() },
        Verb::Retry => Command::Retry { steps: vec![step] },
        Verb::Resolve => Command::Resolve { step, result: result(operation, rules) },
        Verb::Skip => Command::Skip { step },
        Verb::Cancel => Command::Cancel,
        Verb::Pause => Command::Pause,
        Verb::Resume => Command::Resume,
        Verb::GiveUp => Command::GiveUp,
        Verb::Signal => return None,
    })
}

/// A result that the step may have, most of the time.
fn result(operation: &Operation, rules: &Rules) -> Json {
    let rule = &rules.steps[operation.step as usize];
    Json::stored(&match rule.kind {
        StepKind::Decision => format!("{{\"routes\":[],\"data\":{}}}", operation.at),
        StepKind::Batchable => format!("{{\"batches\":[],\"data\":{}}}", operation.at),
        StepKind::BatchWorker if operation.instance.is_none() => "[]".to_owned(),
        _ => operation.at.to_string(),
    })
}
