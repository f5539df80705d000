//! Attempts that run, and what has to hold when one starts.

use std::rc::Rc;

use tasker_model::{Attempt, Failure, StepIndex, StepState, task_loop::MAX_TAKEOVERS};

use super::{Promise, Standing, promise, reference::is_settled};
use crate::{engine::Process, store::Db, world::World};

/// An attempt whose handler runs.
#[derive(Clone, Debug)]
pub(super) struct Run {
    number: u64,
    pub(super) attempt: Attempt,
    pub(super) worker: i64,
    pub(super) lent: bool,
}

impl Run {
    /// Whether the right to run it holds: the lease of the task, or the loan.
    pub(super) fn is_valid(&self, db: &Db) -> bool {
        let Attempt { lease, step, number } = self.attempt;
        let run = &db.task(lease.task).run;
        if !self.lent {
            return db.covers(self.worker, lease) && !run.over;
        }
        db.has_on_loan(self.worker, self.attempt)
            && db
                .offers
                .get(&(lease.task, step))
                .is_some_and(|offer| offer.attempt == number && db.is_live((lease.task, step), offer))
    }
}

/// Notes that an attempt runs until it is dropped.
pub(crate) struct Execution {
    world: Rc<World>,
    number: u64,
}

impl Execution {
    /// An attempt begins; nothing may have been broken by that.
    pub(crate) fn begin(process: &Rc<Process>, attempt: Attempt, borrower: Option<i64>) -> Self {
        let world = process.world.clone();
        let number = {
            let mut watch = world.watch.borrow_mut();
            watch.executions += 1;
            watch.executions
        };
        let worker = borrower.unwrap_or(process.worker.get());
        let run = Run { number, attempt, worker, lent: borrower.is_some() };
        {
            let db = world.db.borrow();
            if run.is_valid(&db) {
                check(process, &db, &run);
            }
        }
        world.watch.borrow_mut().running.push(run);
        Self { world, number }
    }

    /// No other execution has this number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.world.watch.borrow_mut().running.retain(|run| run.number != self.number);
    }
}

/// What a handler does follows from this.
pub(crate) fn script_rng(process: &Process, attempt: Attempt, execution: u64) -> fastrand::Rng {
    let code = u64::from(attempt.step.code().cast_unsigned());
    let parts = [attempt.task().0.cast_unsigned(), code, u64::from(attempt.number), execution];
    let mix = |seed: u64, part: u64| (seed ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    fastrand::Rng::with_seed(parts.into_iter().fold(process.scenario.seed, mix))
}

fn check(process: &Rc<Process>, db: &Db, run: &Run) {
    let Attempt { lease, step, number } = run.attempt;
    if let Some(offer) = db.offers.get(&(lease.task, step)).filter(|_| run.lent) {
        promise(process, Promise::SetAside, offer.deaths < MAX_TAKEOVERS, || {
            format!("{:?} runs, although {} processes died over it", run.attempt, offer.deaths)
        });
    }
    let rows = db.task(lease.task);
    let rules = process.scenario.workflows[rows.run.template].rules(|_| true);
    let what = || format!("{:?}", run.attempt);
    if let Some(row) = rows.steps.get(&step) {
        let result = row.entry.result.as_str();
        promise(process, Promise::NeverAgain, false, || {
            format!("{} runs, and has the result {result}", what())
        });
    }
    let failed: Vec<_> = rows.attempts.range((step, 0)..=(step, u32::MAX)).collect();
    let gapless = u32::try_from(failed.len()).is_ok_and(|failed| failed + 1 == number);
    promise(process, Promise::Gapless, gapless, || {
        format!("{} runs after {} failed attempts", what(), failed.len())
    });
    let of_round = |(_, failure): &&(_, &Failure)| !failure.reopened && failure.came.error().is_some();
    let round = failed.iter().rev().take_while(of_round).count();
    let most = rules.retry(step).max_attempts.max(1) as usize;
    promise(process, Promise::AtMost, round < most, || {
        format!("{} runs after {round} attempts of {most} in this round", what())
    });
    let others = running(process, db, run);
    promise(process, Promise::OneRuns, !others.iter().any(|other| other.attempt.step == step), || {
        format!("{} runs twice", what())
    });
    let standing = Standing::of(&rules, rows);
    match step.compensates() {
        None => check_step(process, &rules, &standing, &others, run),
        Some(_) => check_compensation(process, &rules, &standing, &others, run),
    }
}

/// The other attempts of the task that run and have the right to.
fn running(process: &Process, db: &Db, run: &Run) -> Vec<Run> {
    let watch = process.world.watch.borrow();
    let of_task = watch.running.iter().filter(|other| other.attempt.task() == run.attempt.task());
    of_task.filter(|other| other.is_valid(db)).cloned().collect()
}

fn check_step(
    process: &Process,
    rules: &tasker_model::Rules,
    standing: &Standing,
    others: &[Run],
    run: &Run,
) {
    let step = run.attempt.step;
    let rule = &rules.steps[step.step() as usize];
    let open = rule.dependencies.iter().find(|from| !is_settled(standing.steps[**from as usize]));
    promise(process, Promise::DurableFirst, open.is_none(), || {
        format!("{:?} runs before step {open:?} is durable", run.attempt)
    });
    let skipped = standing.steps[step.step() as usize] == StepState::Skipped;
    promise(process, Promise::DurableFirst, !skipped, || {
        format!("{:?} runs although it is on a path that is not taken", run.attempt)
    });
    // An instance that was called before its batch failed may come to its turn only now.
    let compensated = standing.begun || others.iter().any(|other| other.attempt.step.compensates().is_some());
    promise(process, Promise::RollbackOrder, !compensated, || {
        format!("{:?} runs although the task is being rolled back", run.attempt)
    });
    if let Some(batch) = &rule.batch {
        let of_batch = |other: &&Run| {
            let no: StepIndex = other.attempt.step;
            no.step() == step.step() && no.compensates().is_none()
        };
        let at_once = others.iter().filter(of_batch).count() + 1;
        promise(process, Promise::Parallelism, at_once <= batch.parallelism as usize, || {
            format!("{:?} runs as one of {at_once}, and {} may", run.attempt, batch.parallelism)
        });
    }
}

fn check_compensation(
    process: &Process,
    rules: &tasker_model::Rules,
    standing: &Standing,
    others: &[Run],
    run: &Run,
) {
    let step = run.attempt.step;
    promise(process, Promise::RollbackOrder, others.is_empty(), || {
        format!("{:?} runs while {:?} does", run.attempt, others[0].attempt)
    });
    promise(process, Promise::RollbackOrder, standing.rolling_back, || {
        format!("{:?} runs although steps can run", run.attempt)
    });
    let before = standing.compensated.iter().take_while(|(no, _)| *no != step);
    let open = before.clone().find(|(_, state)| !is_settled(*state));
    let known = standing.compensated.iter().any(|(no, _)| *no == step);
    promise(process, Promise::RollbackOrder, !known || open.is_none(), || {
        format!("{:?} runs before {open:?}, which finished after it", run.attempt)
    });
    // Whatever the clocks say: what used a step is undone before it.
    let users = standing.compensated.iter().filter(|(no, _)| {
        let user = &rules.steps[no.step() as usize];
        user.dependencies.contains(&step.step())
    });
    let open = users.clone().find(|(_, state)| !is_settled(*state));
    promise(process, Promise::RollbackOrder, open.is_none(), || {
        format!("{:?} runs before {open:?}, which used it", run.attempt)
    });
}
