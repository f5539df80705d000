//! Runs one attempt: permit, deadline, cancellation, and what its handler does.

use std::{rc::Rc, time::Duration};

use tasker_model::{
    Again, Attempt, Ended, Json, StepError,
    task_loop::{AttemptEnded, Call, Message},
};
use tasker_template::StepKind;

use super::{Body, GRACE, Process};
use crate::{
    checker::{self, Execution},
    store::POISON,
    workflow::{StepSpec, name},
    world::{MS, Micros, SECOND, Signal},
};

/// An attempt that waited so long is offered to others, if there are any.
const PATIENCE: Micros = 20 * MS;

/// What an attempt holds while it runs.
pub(super) struct Permit(Rc<Process>);

impl Permit {
    pub(super) fn take(process: &Rc<Process>) -> Option<Self> {
        let left = process.permits.get().checked_sub(1)?;
        process.permits.set(left);
        Some(Self(process.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.permits.set(self.0.permits.get() + 1);
        self.0.freed.give(&self.0.world);
    }
}

/// Runs an attempt of a held task.
pub(super) fn spawn(process: &Rc<Process>, body: &Body, call: Call) {
    let (me, cancel, stop) = (process.clone(), body.cancel.clone(), body.stop.clone());
    process.world.spawn(&process.life, async move {
        let attempt = call.attempt;
        let lendable = attempt.step.compensates().is_none();
        let Some(_permit) = turn(&me, lendable).await else {
            return me.tell(attempt.task(), Message::Overflow(attempt));
        };
        checker::goes_on_from(&me, attempt, call.rounds.as_ref());
        let ended = run(&me, attempt, &cancel, &stop, None).await;
        me.tell(attempt.task(), Message::AttemptEnded(ended));
    });
}

async fn turn(me: &Rc<Process>, lendable: bool) -> Option<Permit> {
    let patience = me.world.now() + PATIENCE;
    loop {
        if let Some(permit) = Permit::take(me) {
            return Some(permit);
        }
        let elsewhere = lendable && me.others.get() > 0;
        if elsewhere && me.world.now() >= patience {
            return None;
        }
        me.world.wait(&[&me.freed], Some(me.world.now() + PATIENCE)).await;
    }
}

/// Runs the handler, until it ends, its deadline has come, or it is dropped because it is not wanted any more.
/// `borrower`: as which worker it is on loan here.
pub(super) async fn run(
    me: &Rc<Process>,
    attempt: Attempt,
    cancel: &Signal,
    stop: &Signal,
    borrower: Option<i64>,
) -> AttemptEnded {
    let started_at = me.now();
    let outcome = if stop.is_given() { None } else { outcome(me, attempt, cancel, borrower).await };
    AttemptEnded { attempt, started_at, finished_at: me.now(), outcome, said: Vec::new() }
}

async fn outcome(
    me: &Rc<Process>,
    attempt: Attempt,
    cancel: &Signal,
    borrower: Option<i64>,
) -> Option<Result<Ended, StepError>> {
    let world = &me.world;
    let running = Execution::begin(me, attempt, borrower);
    let (takes, does) = script(me, attempt, running.number());
    if does == Does::Kill {
        world.sleep(takes).await;
        me.die(world.below(SECOND));
        world.step_aside().await;
    }
    let timeout = i64::try_from(step(me, attempt).timeout_ms).unwrap_or(i64::MAX) * MS;
    let end = world.now() + takes.min(timeout);
    if world.wait(&[cancel], Some(end)).await.is_some() {
        let dropped = world.now() + GRACE;
        world.wait(&[], Some(dropped.min(end))).await;
        if dropped < end {
            return None;
        }
    }
    world.trace(|| format!("{}: {:?} of {:?} {does:?}", me.name, attempt.step, attempt.lease));
    Some(match does {
        _ if takes > timeout => Err(StepError::retryable("TIMEOUT", "it took too long")),
        Does::Succeed(result) => Ok(Ended::Done(result)),
        Does::GoRound(again) => Ok(Ended::Again(again)),
        Does::Fail => Err(StepError::retryable("FAILED", "it failed")),
        Does::FailLater(after) => Err(StepError::retryable("BUSY", "later").after(after)),
        Does::FailForGood | Does::Kill => Err(StepError::permanent("REFUSED", "it failed for good")),
    })
}

/// What a handler does.
#[derive(Clone, Debug, PartialEq)]
enum Does {
    Succeed(Json),
    GoRound(Again),
    Fail,
    FailLater(Duration),
    FailForGood,
    /// Takes its process with it.
    Kill,
}

fn step(me: &Process, attempt: Attempt) -> &StepSpec {
    let template = me.world.db.borrow().task(attempt.task()).run.template;
    &me.scenario.workflows[template].steps[attempt.step.step() as usize]
}

/// How long a handler takes and what it comes to; the same for the same execution of the same history.
fn script(me: &Process, attempt: Attempt, execution: u64) -> (Micros, Does) {
    let mut rng = checker::script_rng(me, attempt, execution);
    let temper = &me.world.temper;
    let deadly = me.world.watch.borrow().deadly(attempt.task()) == Some(attempt.step.step());
    let takes = if rng.u32(0..4) == 0 { rng.i64(0..400) } else { rng.i64(0..30) } * MS;
    if deadly && attempt.step.compensates().is_none() && me.world.rough.get() {
        return (takes, Does::Kill);
    }
    let mut chance = |of_thousand: u32| rng.u32(0..1000) < of_thousand;
    if chance(temper.hangs) {
        return (10 * SECOND, Does::Fail);
    }
    if chance(temper.fails_for_good) {
        return (takes, Does::FailForGood);
    }
    if chance(temper.fails) {
        let later = chance(100);
        return (takes, if later { Does::FailLater(Duration::from_millis(700)) } else { Does::Fail });
    }
    let rounds = step(me, attempt).rounds;
    if rounds > 0 && attempt.step.compensates().is_none() && chance(600) {
        let after = Duration::from_millis([0, 30, 900, 7_000][rng.usize(0..4)]);
        return (takes, Does::GoRound(Again { state: Json::stored(&execution.to_string()), after }));
    }
    let mut chance = |of_thousand: u32| rng.u32(0..1000) < of_thousand;
    let (poison, nonsense) = (chance(temper.poison), chance(temper.nonsense));
    let text = if poison {
        format!("\"{POISON} {execution}\"")
    } else {
        result(me, attempt, execution, nonsense, &mut rng)
    };
    (takes, Does::Succeed(Json::stored(&text)))
}

/// A result that no other execution gives.
fn result(me: &Process, attempt: Attempt, execution: u64, nonsense: bool, rng: &mut fastrand::Rng) -> String {
    let template = me.world.db.borrow().task(attempt.task()).run.template;
    let steps = &me.scenario.workflows[template].steps;
    let number = attempt.step.step();
    match steps[number as usize].kind {
        _ if attempt.step.compensates().is_some() => format!("{{\"undone\":{execution}}}"),
        StepKind::Decision => {
            let below = steps.iter().enumerate().filter(|(_, step)| {
                step.needs.contains(&number) && step.kind != StepKind::DeferredConvergence
            });
            let mut routes: Vec<String> =
                below.filter(|_| rng.bool()).map(|(at, _)| format!("\"{}\"", name(at))).collect();
            if nonsense {
                routes.push("\"nowhere\"".to_owned());
            }
            format!("{{\"routes\":[{}],\"data\":{execution}}}", routes.join(","))
        }
        StepKind::Batchable if nonsense => format!("{{\"batches\":{execution}}}"),
        StepKind::Batchable => {
            let batches = vec!["{\"start\":0,\"end\":1}"; rng.usize(0..5)];
            format!("{{\"batches\":[{}],\"data\":{execution}}}", batches.join(","))
        }
        _ => format!("{{\"execution\":{execution}}}"),
    }
}
