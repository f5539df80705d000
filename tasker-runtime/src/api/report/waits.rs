//! What steps wait for, in sentences with the way on.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use uuid::Uuid;

use crate::{
    model::{Progress, Signal, Slot, StepIndex, StepState, TaskState, Timestamp, Wait},
    orchestration::{compiled::CompiledTemplate, family::Kin, share::OnOffer},
};

/// A signal that waits for a step.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SignalReport {
    /// Its number among those of the task, from 1, in the order they arrived.
    pub number: u32,
    /// What it is called.
    pub name: String,
    /// What it says.
    pub payload: Value,
    /// When it was sent.
    pub sent_at: Timestamp,
}

impl SignalReport {
    pub(super) fn new(signal: &Signal) -> Self {
        let Signal { number, name, payload, sent_at } = signal;
        Self { number: *number, name: name.to_string(), payload: payload.to_value(), sent_at: *sent_at }
    }
}

/// A task that a step started.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChildReport {
    /// The step that started it.
    pub step: String,
    /// Which of the tasks of that step it is, from 0.
    pub item: u32,
    /// The attempt of the step that started it, from 1.
    pub attempt: u32,
    /// Its id.
    pub task_id: Uuid,
    /// Where it stands.
    pub state: TaskState,
}

impl ChildReport {
    pub(super) fn new(progress: &Progress, kin: &Kin) -> Self {
        let Kin { step, item, attempt, uuid, state } = kin;
        let step = progress.rules().name(*step).to_string();
        Self { step, item: *item, attempt: *attempt, task_id: *uuid, state: *state }
    }
}

/// The task that started another one.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ParentReport {
    /// Its id.
    pub task_id: Uuid,
    /// Which of its steps did.
    pub step: String,
}

/// So many steps are named that another one waits for.
const MOST_NAMED: usize = 5;

/// What a step of a task that is not over waits for; `None`: for nothing.
pub(super) fn of_step(
    progress: &Progress,
    no: StepIndex,
    slot: &Slot,
    on_offer: &[OnOffer],
    kin: &[Kin],
) -> Option<String> {
    match slot.state() {
        StepState::Pending if progress.rolling_back() => None,
        StepState::Pending => above(progress, no),
        StepState::Ready | StepState::InProgress => {
            let offer = on_offer.iter().find(|offer| offer.step == no && !offer.taken)?;
            let (handler, since) = (&offer.handler, offer.since);
            Some(format!("a worker with handler `{handler}`, since {since}: start one that has it"))
        }
        StepState::WaitingForRetry if slot.is_between_rounds() => {
            let (round, at) = (progress.round(no), slot.retry_at()?);
            Some(format!("round {round}, at {at}: `retry` has it start at once"))
        }
        StepState::WaitingForRetry => {
            let at = slot.retry_at()?;
            Some(format!("the next attempt, at {at}: `retry` has it start at once"))
        }
        StepState::Waiting => waiting(progress, no, kin),
        _ => None,
    }
}

/// The steps that a step waits for.
fn above(progress: &Progress, no: StepIndex) -> Option<String> {
    let rules = progress.rules();
    if no.index().is_some() {
        return Some("other batches of its worker".to_owned());
    }
    let open = |step: &&u32| {
        let slot = progress.slot(StepIndex::of(**step));
        slot.is_some_and(|slot| !slot.state().is_settled())
    };
    let open: Vec<u32> =
        rules.steps.get(no.step() as usize)?.dependencies.iter().filter(open).copied().collect();
    let mut names: Vec<String> =
        open.iter().take(MOST_NAMED).map(|step| format!("`{}`", rules.name(StepIndex::of(*step)))).collect();
    if open.len() > MOST_NAMED {
        names.push(format!("{} more", open.len() - MOST_NAMED));
    }
    (!names.is_empty()).then(|| names.join(", "))
}

fn waiting(progress: &Progress, no: StepIndex, kin: &[Kin]) -> Option<String> {
    let until = progress.waits_until(no)?;
    let rules = progress.rules();
    Some(match rules.steps.get(no.step() as usize)?.wait.as_ref()? {
        Wait::Delay(_) => format!("its start, at {until}"),
        Wait::Timer(_) => format!("its time, {until}: `skip` ends the wait"),
        Wait::Children(_) => children(progress, no, kin),
        Wait::Signal { name, .. } if until == Timestamp::NEVER => {
            format!("the signal `{name}`: `signal` sends it")
        }
        Wait::Signal { name, .. } => format!("the signal `{name}`, until {until}: `signal` sends it"),
    })
}

/// What a step waits for that started tasks of another workflow.
fn children(progress: &Progress, no: StepIndex, kin: &[Kin]) -> String {
    let number = progress.slot(no).map_or(0, Slot::failed_attempts) + 1;
    let of_attempt = || kin.iter().filter(|child| child.step == no && child.attempt == number);
    let open: Vec<&Kin> = of_attempt().filter(|child| !child.state.is_final()).collect();
    match &*open {
        [] => "the tasks that it starts".to_owned(),
        [child] => format!("task {} ({}): `show` says what that waits for", child.uuid, child.state),
        [child, ..] => format!(
            "{} tasks that it started, {} ({}) among them: `show` says what that waits for",
            open.len(),
            child.uuid,
            child.state
        ),
    }
}

/// The handlers a task waits for, in short.
pub(super) fn for_handlers(on_offer: &[OnOffer]) -> Option<String> {
    let waiting = on_offer.iter().filter(|offer| !offer.taken);
    let handlers: BTreeSet<String> = waiting.map(|offer| format!("`{}`", offer.handler)).collect();
    let handlers: Vec<String> = handlers.into_iter().collect();
    (!handlers.is_empty()).then(|| format!("waits for a worker with handler {}", handlers.join(", ")))
}

/// What a task waits for whose steps are offered and taken by nobody.
pub(super) fn for_worker(plan: &CompiledTemplate, on_offer: &[OnOffer]) -> Option<String> {
    let waiting = on_offer.iter().filter(|offer| !offer.taken);
    let lines: Vec<String> = waiting
        .map(|offer| {
            let step = plan.rules().name(offer.step);
            format!("step `{step}` waits since {} for a worker with handler `{}`", offer.since, offer.handler)
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}
