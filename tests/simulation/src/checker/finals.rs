//! What has to hold when nothing happens any more.

use std::rc::Rc;

use tasker_model::{Kind, Rules, StepIndex, TaskNo, TaskState};

use super::{Promise, Standing, waits};
use crate::{
    engine::Process,
    scenario::Scenario,
    store::{Db, StepRow, TaskRows},
    world::{Micros, World},
};

/// Whether nothing is to be done any more that somebody can do.
pub(crate) fn at_rest(world: &World, scenario: &Scenario) -> bool {
    let db = world.db.borrow();
    let watch = world.watch.borrow();
    watch.submitting == 0
        && db.commands.is_empty()
        && db.numbered().all(|(task, rows)| stands(rows) || waits_for_handler(world, scenario, task))
}

/// The tasks that wait for a handler nobody has, or for a queue nobody serves.
pub(crate) fn waiting(world: &World, scenario: &Scenario) -> Vec<TaskNo> {
    let db = world.db.borrow();
    let tasks = db.numbered().map(|(task, _)| task);
    tasks.filter(|task| waits_for_handler(world, scenario, *task)).collect()
}

fn stands(rows: &TaskRows) -> bool {
    let waits = matches!(rows.run.state, TaskState::Paused | TaskState::BlockedByFailures);
    let waits = waits || rows.run.state == TaskState::Waiting && rows.run.run_at == Micros::MAX;
    rows.run.over || (waits && rows.run.owner.is_none())
}

/// Whether a task can go on only where there is a handler that no process has, or a queue that none serves.
fn waits_for_handler(world: &World, scenario: &Scenario, task: TaskNo) -> bool {
    // What goes wrong is over by then, and every lease of those that are gone.
    if !world.has_healed() {
        return false;
    }
    let db = world.db.borrow();
    let processes = &world.watch.borrow().processes;
    let rows = db.task(task);
    let live = || processes.iter().filter(|process| !process.life.dead.get());
    // One that is full of tasks that wait so takes no others; that its room is free again is looked at apart.
    let takes = |process: &Rc<Process>| {
        process.spec.serves[rows.run.queue] && process.held.get() < process.spec.window
    };
    if rows.run.owner.is_none() && !live().any(takes) {
        return true;
    }
    let rules = scenario.workflows[rows.run.template].rules(|_| true);
    let standing = Standing::of(&rules, rows);
    let nobody = |no: &StepIndex| {
        let at = no.step() as usize;
        let step = &scenario.workflows[rows.run.template].steps[at];
        if !step.calls() {
            return false;
        }
        let queue = step.queue.unwrap_or(scenario.workflows[rows.run.template].queue);
        !live().any(|process| process.spec.has[rows.run.template][at] && process.spec.serves[queue])
    };
    // Whether anything undoes a step, only those know that have its handler.
    let unsure =
        standing.rolling_back && rows.steps.keys().any(|no| no.compensates().is_none() && nobody(no));
    !standing.waits && (unsure || (!standing.ready.is_empty() && standing.ready.iter().all(nobody)))
}

/// Notes that tasks did not come to rest.
pub(crate) fn stuck(world: &World, scenario: &Scenario) {
    let db = world.db.borrow();
    for (task, rows) in db.numbered() {
        if !stands(rows) && !waits_for_handler(world, scenario, task) {
            world.watch.borrow_mut().break_promise(Promise::NothingLost, || {
                let offers: Vec<_> = db.offers.iter().filter(|((of, _), _)| *of == task).collect();
                format!("task {} does not come to its end: {:?}, offers {offers:?}", task.0, rows.run)
            });
        }
    }
    for command in &db.commands {
        world
            .watch
            .borrow_mut()
            .break_promise(Promise::CommandOnce, || format!("nobody follows {command:?}"));
    }
}

/// Looks at the tables after every process has stopped. Of the tasks, at the first ones: what a process that died
/// submits after the end waits for others.
pub(crate) fn check_end(world: &World, scenario: &Scenario, tasks: usize, waited: &[TaskNo]) {
    let db = world.db.borrow();
    let mut watch = world.watch.borrow_mut();
    for task in watch.acknowledged.clone() {
        if usize::try_from(task.0).map_or(true, |at| at >= db.tasks.len()) {
            watch.break_promise(Promise::NothingLost, || format!("task {} is not there", task.0));
        }
    }
    // Those of other tasks go with the next claim.
    for (key, offer) in db.offers.iter().filter(|((task, _), _)| db.task(*task).run.over) {
        watch.break_promise(Promise::NoOfferLeaks, || format!("{key:?} is still offered: {offer:?}"));
    }
    for row in &db.audit {
        let ways = u32::from(row.refused) + row.followed + u32::from(row.taken_back);
        if ways != 1 {
            watch.break_promise(Promise::CommandOnce, || format!("{row:?} was answered {ways} times"));
        }
    }
    for (task, rows) in db.numbered().take(tasks) {
        if let Err(seen) = check_children(&db, rows) {
            watch.break_promise(Promise::Children, || format!("task {}: {seen}", task.0));
        }
        if let Err((promise, seen)) =
            check_task(scenario, rows, waited.contains(&task), |worker| db.lives(worker))
        {
            watch.break_promise(promise, || format!("task {}: {seen}", task.0));
        }
    }
}

/// Whoever started tasks was told of their ends, none was started twice for one attempt, and none goes on without it.
fn check_children(db: &Db, rows: &TaskRows) -> Result<(), String> {
    for ((step, item, attempt), row) in &rows.children {
        let child = &db.task(row.task).run;
        if child.over != row.ended {
            return Err(format!(
                "{step:?} was told {} of task {}, which is {child:?}",
                row.ended, row.task.0
            ));
        }
        if rows.run.over && !child.over {
            return Err(format!("it is over, and task {} that it started is {child:?}", row.task.0));
        }
        let again = rows.children.range((*step, *item, attempt + 1)..=(*step, *item, u32::MAX)).next();
        if again.is_some() && child.state == TaskState::Complete {
            return Err(format!(
                "item {item} of {step:?} was started anew, and task {} is complete",
                row.task.0
            ));
        }
    }
    let started = |other: &TaskRows| other.parent.is_some_and(|parent| std::ptr::eq(db.task(parent), rows));
    let count = db.tasks.iter().filter(|other| started(other)).count();
    if count != rows.children.len() {
        return Err(format!("{count} tasks were started, and {} are noted", rows.children.len()));
    }
    Ok(())
}

fn check_task(
    scenario: &Scenario,
    rows: &TaskRows,
    waited: bool,
    lives: impl Fn(i64) -> bool,
) -> Result<(), (Promise, String)> {
    let rules = scenario.workflows[rows.run.template].rules(|_| true);
    check_attempts(&rules, rows)?;
    waits::check(&rules, rows)?;
    let run = &rows.run;
    if run.owner.is_some_and(|owner| !lives(owner)) && !run.over {
        return Err((Promise::NoHoldLeaks, format!("{run:?} is held by a process that has stopped")));
    }
    let by_hand = matches!(run.state, TaskState::Cancelled | TaskState::Paused | TaskState::Error);
    if waited || by_hand || rows.set_aside {
        return Ok(());
    }
    let standing = Standing::of(&rules, rows);
    let end = standing.end();
    if !rows.run.over {
        waits::check_mailbox(&rules, rows, &standing)?;
    }
    if end != Some(run.state) {
        return Err((
            Promise::NothingLost,
            format!("it is {}, and by its journal {end:?}: {standing:?}", run.state),
        ));
    }
    Ok(())
}

fn check_attempts(rules: &Rules, rows: &TaskRows) -> Result<(), (Promise, String)> {
    let mut last: Option<(StepIndex, u32)> = None;
    for &(step, number) in rows.attempts.keys() {
        let before = last.filter(|(of, _)| *of == step).map_or(0, |(_, number)| number);
        if number != before + 1 {
            return Err((Promise::Gapless, format!("attempt {number} of {step:?} comes after {before}")));
        }
        last = Some((step, number));
    }
    let by_handler =
        |(step, row): &(&StepIndex, &StepRow)| row.entry.kind == Kind::Handler && !rules.only_waits(**step);
    for (step, row) in rows.steps.iter().filter(by_handler) {
        let failed = rows.attempts.range((*step, 0)..=(*step, u32::MAX)).count();
        if row.entry.attempt as usize != failed + 1 {
            let attempt = row.entry.attempt;
            return Err((
                Promise::Gapless,
                format!("{step:?} has a result of attempt {attempt} after {failed} failed"),
            ));
        }
    }
    Ok(())
}
