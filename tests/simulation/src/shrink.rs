//! Leaves out of a scenario whatever it does not need to break its promise.

use crate::{
    checker::Promise,
    history::run,
    scenario::{Link, Scenario, Temper},
};

/// How many seeds each smaller scenario is tried with.
const TRIES: u64 = 12;

/// The smallest scenario found that breaks the same promise.
#[must_use]
pub fn shrink(scenario: &Scenario, promise: Promise) -> Scenario {
    let mut smallest = scenario.clone();
    loop {
        let smaller = candidates(&smallest).into_iter().find_map(|candidate| breaks(candidate, promise));
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// The scenario with a seed that breaks `promise`, if one of some does.
fn breaks(mut scenario: Scenario, promise: Promise) -> Option<Scenario> {
    let first = scenario.seed;
    (0..TRIES).find_map(|more| {
        scenario.seed = first.wrapping_add(more);
        let broken = run(&scenario, false).broken;
        broken.is_some_and(|broken| broken.promise == promise).then(|| scenario.clone())
    })
}

/// Scenarios that are smaller by one thing.
fn candidates(from: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Scenario)| {
        let mut smaller = from.clone();
        change(&mut smaller);
        if smaller != *from {
            all.push(smaller);
        }
    };
    for at in 0..from.submissions.len() {
        with(&|scenario| drop_submission(scenario, at));
    }
    for at in 0..from.engines.len() {
        with(&|scenario| drop_engine(scenario, at));
    }
    with(&|scenario| scenario.commands.clear());
    with(&|scenario| scenario.faults.clear());
    for at in 0..from.commands.len() {
        with(&|scenario| {
            scenario.commands.remove(at);
        });
    }
    for at in 0..from.faults.len() {
        with(&|scenario| {
            scenario.faults.remove(at);
        });
    }
    for at in 0..from.workflows.len() {
        with(&|scenario| drop_last_step(scenario, at));
    }
    with(&|scenario| scenario.link = Link::default());
    with(&|scenario| scenario.temper = Temper::default());
    with(&|scenario| scenario.link.lost = 0);
    with(&|scenario| scenario.link.unanswered = 0);
    with(&|scenario| scenario.link.slow = 0);
    with(&|scenario| scenario.link.racing = 0);
    with(&|scenario| scenario.temper.fails = 0);
    with(&|scenario| scenario.temper.fails_for_good = 0);
    with(&|scenario| scenario.temper.hangs = 0);
    with(&|scenario| scenario.temper.poison = 0);
    with(&|scenario| scenario.temper.nonsense = 0);
    with(&|scenario| scenario.one_clock = true);
    with(&|scenario| scenario.presence = false);
    for at in 0..from.engines.len() {
        with(&|scenario| scenario.engines[at].ahead = 0);
        with(&|scenario| scenario.engines[at].loops = 1);
        with(&|scenario| scenario.engines[at].window = 100);
        with(&|scenario| scenario.engines[at].concurrency = 100);
        with(&|scenario| scenario.engines[at].serves.fill(true));
        with(&|scenario| scenario.engines[at].has.iter_mut().for_each(|has| has.fill(true)));
    }
    for at in 0..from.submissions.len() {
        with(&|scenario| {
            let submission = &mut scenario.submissions[at];
            (submission.at, submission.delay, submission.priority) = (0, 0, 0);
        });
        with(&|scenario| scenario.submissions[at].by = None);
        with(&|scenario| scenario.submissions[at].deadly = None);
    }
    all
}

fn drop_submission(scenario: &mut Scenario, at: usize) {
    if scenario.submissions.len() < 2 {
        return;
    }
    scenario.submissions.remove(at);
    scenario.commands.retain(|command| command.task != at);
    scenario.commands.iter_mut().for_each(|command| command.task -= usize::from(command.task > at));
}

fn drop_engine(scenario: &mut Scenario, at: usize) {
    if scenario.engines.len() < 2 {
        return;
    }
    scenario.engines.remove(at);
    scenario.faults.retain(|fault| fault.engine != at);
    scenario.faults.iter_mut().for_each(|fault| fault.engine -= usize::from(fault.engine > at));
    for submission in &mut scenario.submissions {
        submission.by = submission.by.filter(|by| *by != at).map(|by| by - usize::from(by > at));
    }
}

fn drop_last_step(scenario: &mut Scenario, at: usize) {
    let steps = &mut scenario.workflows[at].steps;
    if steps.len() < 2 {
        return;
    }
    steps.pop();
    let left = u32::try_from(steps.len()).unwrap_or_default();
    scenario.engines.iter_mut().for_each(|engine| engine.has[at].truncate(left as usize));
    let submissions = &mut scenario.submissions;
    for submission in submissions.iter_mut().filter(|submission| submission.workflow == at) {
        submission.deadly = submission.deadly.filter(|step| *step < left);
    }
    scenario.commands.retain(|command| submissions[command.task].workflow != at || command.step < left);
}
