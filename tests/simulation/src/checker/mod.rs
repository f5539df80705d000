//! The promises, and who looks whether they are kept: some while a history runs, the rest when it is over.
//!
//! What is looked at is the tables and what processes do, never what their task loops think.

mod events;
mod finals;
mod reference;
mod running;
mod waits;

use std::{fmt, rc::Rc};

use tasker_model::{
    Attempt, Failed, Json, Lease, NoResult, Offer, Rounds, StepIndex, TaskNo,
    task_loop::{Call, MAX_TAKEOVERS, QUARANTINE_AFTER},
};

pub(crate) use finals::{at_rest, check_end, stuck, waiting};
pub(crate) use reference::Standing;
pub(crate) use running::{Execution, script_rng};

use crate::{engine::Process, store::Db, world::World};

/// What is promised. The numbers are those of `docs/guarantees.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Promise {
    /// 1: every task whose submission was acknowledged comes to its end, or stands where the rules say.
    NothingLost,
    /// 2: the result of a step is applied once, and every holder knows what the journal has.
    AppliedOnce,
    /// 2: a step whose success was recorded is not run again.
    NeverAgain,
    /// 2: at most one process runs an attempt of a step under a lease, or a loan, that holds.
    OneRuns,
    /// 4: attempts are counted without gaps.
    Gapless,
    /// 4: a step has at most so many attempts in each round.
    AtMost,
    /// 4: a task is set aside after so many deaths in a row, of its holders or of those who ran one of its steps
    /// for them, and not before; and does not run then.
    SetAside,
    /// 4: of the tasks of a loop whose holders died, one runs at a time.
    OneSuspect,
    /// 5: no step starts before what it depends on is durable.
    DurableFirst,
    /// 6: a retry does not start before its time.
    RetryInTime,
    /// 7: what completed is undone last first, one at a time, and no step runs any more.
    RollbackOrder,
    /// Of a batch no more instances run at once than it says.
    Parallelism,
    /// Offers are of tasks that are held, and lent steps come back.
    NoOfferLeaks,
    /// A command is followed exactly once, or refused.
    CommandOnce,
    /// The room of a task that is let go is free again.
    NoHoldLeaks,
    /// 8: a signal settles one step at most, and none waits beside a step that waits for it.
    SignalOnce,
    /// 8: who started tasks is told of their ends, none is started twice, and none goes on without the one that started
    /// it.
    Children,
    /// 8: each round of a step goes on from the last one that was recorded.
    RoundsInOrder,
    /// 8: a wait is not over before its time.
    WaitInTime,
    /// 11: each recorded outcome has its events, once, and the numbers of a task have no gaps.
    EventsWhole,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.seen)
    }
}

/// What the world knows of its processes, and what the checker notes.
#[derive(Default)]
pub(crate) struct Watch {
    broken: Option<Broken>,
    running: Vec<running::Run>,
    executions: u64,
    pub(crate) processes: Vec<Rc<Process>>,
    borrowers: Vec<Rc<Process>>,
    /// Which step of a task takes its process with it.
    pub(crate) deadly: Vec<(TaskNo, u32)>,
    pub(crate) acknowledged: Vec<TaskNo>,
    /// The tasks of the submissions that came to one.
    submitted: Vec<(usize, TaskNo)>,
    /// Submissions that have been begun and not answered.
    pub(crate) submitting: u32,
}

impl Watch {
    /// Notes the first promise that is broken.
    pub(crate) fn break_promise(&mut self, promise: Promise, seen: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(Broken { promise, seen: seen() });
        }
    }

    pub(crate) fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// How many attempts have begun.
    pub(crate) fn executions(&self) -> u64 {
        self.executions
    }

    /// Lets go of all processes, which hold on to the world.
    pub(crate) fn forget(&mut self) {
        self.processes.clear();
        self.borrowers.clear();
    }

    /// Notes that a submission came to this task.
    pub(crate) fn submitted(&mut self, submission: usize, task: TaskNo) {
        self.submitted.push((submission, task));
    }

    /// The task that a submission came to.
    pub(crate) fn task_of(&self, submission: usize) -> Option<TaskNo> {
        self.submitted.iter().find(|(of, _)| *of == submission).map(|(_, task)| *task)
    }

    /// The process that runs in a place.
    pub(crate) fn running_at(&self, at: usize) -> Option<Rc<Process>> {
        self.processes.iter().find(|process| process.at == at && !process.life.dead.get()).cloned()
    }

    pub(crate) fn deadly(&self, task: TaskNo) -> Option<u32> {
        self.deadly.iter().find(|(of, _)| *of == task).map(|(_, step)| *step)
    }

    /// The workers whose processes are gone.
    pub(crate) fn gone_workers(&self) -> Vec<i64> {
        self.processes.iter().filter(|p| p.life.dead.get()).map(|p| p.worker.get()).collect()
    }

    pub(crate) fn borrows(&mut self, process: &Rc<Process>) {
        self.borrowers.push(process.clone());
    }

    /// Tells processes that steps are offered; some do not hear it.
    pub(crate) fn offered(&self, world: &World) {
        self.borrowers.iter().filter(|_| world.chance(700)).for_each(|process| process.hear_offer());
    }

    /// Tells the holder that a lent step came back, who may not hear it.
    pub(crate) fn returned(&self, world: &World, owner: i64) {
        let holder = self.processes.iter().find(|process| process.worker.get() == owner);
        holder.filter(|_| world.chance(700)).into_iter().for_each(|process| process.hear_return());
    }
}

/// Breaks `promise` unless `kept`.
fn promise(process: &Process, promise: Promise, kept: bool, seen: impl FnOnce() -> String) {
    if !kept {
        let name = &process.name;
        process.world.watch.borrow_mut().break_promise(promise, || format!("{name}: {}", seen()));
    }
}

/// A holder takes this for the result of a step.
pub(crate) fn knows(process: &Process, lease: Lease, step: StepIndex, result: &Json) {
    let db = process.world.db.borrow();
    if !db.covers(process.worker.get(), lease) {
        return;
    }
    let recorded = db.task(lease.task).steps.get(&step).map(|row| &row.entry.result);
    promise(process, Promise::AppliedOnce, recorded == Some(result), || {
        let recorded = recorded.map_or("nothing", Json::as_str);
        format!("{step:?} of {lease:?} has {} here, and {recorded} in the journal", result.as_str())
    });
}

/// A holder takes this failure for recorded.
pub(crate) fn failed(process: &Process, failed: &Failed) {
    let db = process.world.db.borrow();
    let Attempt { lease, step, number } = failed.attempt;
    if !db.covers(process.worker.get(), lease) {
        return;
    }
    let recorded = db.task(lease.task).attempts.get(&(step, number));
    let same = recorded.is_some_and(|recorded| recorded.retry_at == failed.retry_at);
    promise(process, Promise::AppliedOnce, same, || {
        let recorded = recorded.map(|recorded| recorded.retry_at);
        let here = failed.retry_at;
        format!("{:?} failed, to be tried again at {here:?}, and {recorded:?} in the journal", failed.attempt)
    });
}

/// An attempt is called of a step that stands there, as its holder knows.
pub(crate) fn goes_on_from(process: &Process, attempt: Attempt, rounds: Option<&Rounds>) {
    let db = process.world.db.borrow();
    let step = attempt.step;
    if !db.covers(process.worker.get(), attempt.lease) || step.compensates().is_some() {
        return;
    }
    let attempts = db.task(attempt.task()).attempts.range((step, 0)..=(step, u32::MAX));
    let last = attempts.rev().find_map(|(_, row)| match &row.came {
        NoResult::Again(round) => Some(round),
        NoResult::Failed(_) => None,
    });
    let known = rounds.map(|rounds| &rounds.last);
    promise(process, Promise::RoundsInOrder, known == last, || {
        format!("{attempt:?} goes on from {known:?}, and {last:?} was the last round")
    });
}

/// A holder starts an attempt.
pub(crate) fn may_start(process: &Process, call: &Call, at: usize) {
    let db = process.world.db.borrow();
    let attempt = call.attempt;
    process.world.trace(|| format!("{} starts {attempt:?}", process.name));
    if !db.covers(process.worker.get(), attempt.lease) || db.task(attempt.task()).run.over {
        return;
    }
    in_time(process, &db, attempt);
    let rows = db.task(attempt.task());
    promise(process, Promise::SetAside, rows.run.takeovers < MAX_TAKEOVERS, || {
        format!("{attempt:?} starts, although {} holders of its task died", rows.run.takeovers)
    });
    let is_suspect = |task: TaskNo| {
        let rows = db.task(task);
        rows.run.takeovers >= QUARANTINE_AFTER && rows.recorded_under != rows.run.lease
    };
    if is_suspect(attempt.task()) {
        let watch = process.world.watch.borrow();
        let mine = |task: TaskNo| usize::try_from(task.0).unwrap_or_default() % process.spec.loops == at;
        let other = watch.running.iter().find(|run| {
            let task = run.attempt.task();
            run.worker == process.worker.get()
                && !run.lent
                && task != attempt.task()
                && mine(task)
                && is_suspect(task)
                && run.is_valid(&db)
        });
        let other = other.map(|run| run.attempt);
        drop(watch);
        promise(process, Promise::OneSuspect, other.is_none(), || {
            format!("{attempt:?} starts while {other:?} runs, and holders of both died")
        });
    }
}

/// A holder offers an attempt.
pub(crate) fn may_offer(process: &Process, offer: &Offer) {
    let db = process.world.db.borrow();
    process.world.trace(|| format!("{} offers {:?}", process.name, offer.attempt));
    if db.covers(process.worker.get(), offer.attempt.lease) {
        in_time(process, &db, offer.attempt);
    }
}

/// The clock that counts is that of the holder, and what was due once stays due.
fn in_time(process: &Process, db: &Db, attempt: Attempt) {
    let (due, latest) = (db.retry_at(attempt), process.latest());
    promise(process, Promise::RetryInTime, due.is_none_or(|due| due <= latest), || {
        format!("{attempt:?} starts at {latest:?}, and was to wait until {due:?}")
    });
}

/// A holder is about to set a task aside.
pub(crate) fn set_aside(process: &Process, lease: Lease) {
    let db = process.world.db.borrow();
    if db.covers(process.worker.get(), lease) {
        let rows = db.task(lease.task);
        let deaths = rows.deaths_at_claim.max(rows.taker_deaths);
        promise(process, Promise::SetAside, deaths >= MAX_TAKEOVERS, || {
            format!("{lease:?} is set aside after {deaths} deaths")
        });
    }
}

/// A process has given back everything.
pub(crate) fn drained(process: &Process) {
    let held = process.held.get().saturating_sub(process.under_way());
    promise(process, Promise::NoHoldLeaks, held == 0, || {
        format!("{held} tasks are held after everything was given back")
    });
}

/// A process could not give back everything; `calm`: nothing went wrong since it was told to.
pub(crate) fn not_drained(process: &Process, calm: bool) {
    promise(process, Promise::NoHoldLeaks, !calm, || {
        format!("{} tasks could not be given back", process.held.get())
    });
}
