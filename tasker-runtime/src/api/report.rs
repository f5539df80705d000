//! A task as people and programs see it.

mod exact;
mod waits;

pub use waits::{ChildReport, ParentReport, SignalReport};

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    model::{Json, Progress, Signal, Slot, StepIndex, StepState, TaskState, Timestamp, Verdict, WorkerId},
    orchestration::{
        activity::Running,
        compiled::CompiledTemplate,
        family::Kin,
        fork::Origin,
        journal::{Entry, Failure, History},
        recover::Worker,
        result,
        share::OnOffer,
        view::{DeadLetter, StoredTask, TaskLine},
    },
};

/// One task with all its steps.
///
/// ```
/// use tasker_runtime::api::Submission;
/// # use tasker_runtime::{Tasker, prelude::*};
/// # #[step_handler]
/// # async fn greet(name: String) -> Result<String, StepError> {
/// #     if name.is_empty() { Err(StepError::permanent("NOBODY", "there is no name")) } else { Ok(format!("hello {name}")) }
/// # }
/// # workflow!(greeting = [greet]);
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let task = tasker.submit(Submission::to("greeting").context("Ada")?).await?;
/// tasker.wait(task).await?;
/// let report = tasker.show(task).await?.ok_or("it is gone")?;
/// assert_eq!(report.template, "greeting");
/// assert_eq!(report.step("greet").map(|step| step.attempts), Some(1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct TaskReport {
    /// Its id.
    pub task_id: Uuid,
    /// The name of its template.
    pub template: String,
    /// The namespace of its template.
    pub namespace: String,
    /// The version of its template.
    pub version: String,
    /// Where it stands.
    pub state: TaskState,
    /// The result of the last step, or of each by name where several have no dependents. `null` until the
    /// task is complete.
    #[serde(skip)]
    pub result: Value,
    /// The same as text, digit for digit, which numbers of a tree are not: so it is written.
    #[serde(rename = "result", serialize_with = "exact::written")]
    pub(crate) result_text: Json,
    /// Its steps in the order of the template, batch instances after their worker.
    pub steps: Vec<StepReport>,
    /// What a rollback undoes, in the order it does so, by names like `undo charge`. Empty while nothing is
    /// rolled back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compensations: Vec<StepReport>,
    /// Signals that were sent to it and that no step was there for yet, in the order they arrived.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mailbox: Vec<SignalReport>,
    /// Why it is where it is, in words.
    pub cause: Option<String>,
    /// What it waits for as a whole, in a sentence, before its first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When the first of its steps was called.
    pub started_at: Option<Timestamp>,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
    /// When it is due, while it waits.
    #[serde(rename = "due_at")]
    pub next_at: Option<Timestamp>,
    /// Its context.
    #[serde(skip)]
    pub context: Value,
    /// The same as text, digit for digit: so it is written.
    #[serde(rename = "input", serialize_with = "exact::written")]
    pub(crate) context_text: Json,
    /// The queue it waits in.
    pub queue: String,
    /// Its priority in that queue.
    pub priority: i64,
    /// The id its submitter gave it.
    pub correlation_id: Uuid,
    /// The worker that holds it, or did when it ended, as [`WorkerSummary`] numbers them.
    pub worker: Option<i64>,
    /// The task that it was replayed or forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The task that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentReport>,
    /// The tasks that its steps started, by step, those of the last attempts first; 1,000 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ChildReport>,
}

/// One step of a task.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// Where it stands. That it is in progress is known of steps that run in the process that looks, and of
    /// those that have run elsewhere for longer than a heartbeat (a third of `worker.lease_seconds`), unless
    /// more than a hundred others have run there for longer; until then they are ready.
    pub state: StepState,
    /// Attempts that have come to an end.
    pub attempts: u32,
    /// Its result, or `null`. Of a batch worker, what an operator gave for all its batches.
    #[serde(skip)]
    pub result: Value,
    /// The same as text, digit for digit: so it is written.
    #[serde(rename = "result", serialize_with = "exact::written")]
    pub(crate) result_text: Json,
    /// Of a batch worker: how many of its batches are in which state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches: Option<BatchCounts>,
    /// Of a batch: which worker it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_of: Option<String>,
    /// The error of its last attempt, if that failed.
    pub error: Option<crate::model::StepError>,
    /// When its last attempt started.
    pub started_at: Option<Timestamp>,
    /// When its last attempt came to an end.
    pub finished_at: Option<Timestamp>,
    /// When its next attempt starts, while it waits for that.
    pub retry_at: Option<Timestamp>,
    /// What it waits for, in a sentence, while it is not over and does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Of a step that goes round: where it stands, once its first round is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundReport>,
    /// Attempts it may have in all; 0 for a step that only waits.
    pub max_attempts: u32,
    /// The worker that made its last attempt, as [`WorkerSummary`] numbers them.
    pub worker: Option<i64>,
}

/// Where a step stands that goes round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RoundReport {
    /// The round that runs, follows, or gave the result, from 2.
    pub number: u32,
    /// What it is called with: what the last one left.
    pub state: Json,
}

/// How many batches of a worker are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BatchCounts {
    /// All of them.
    pub total: u32,
    /// Complete, or resolved by an operator.
    pub complete: u32,
    /// Failed for good.
    pub failed: u32,
    /// Cancelled because another one failed, or left out by an operator.
    pub left_out: u32,
}

impl BatchCounts {
    fn count(&mut self, state: StepState) {
        self.total += 1;
        match state {
            StepState::Complete | StepState::ResolvedManually => self.complete += 1,
            StepState::Error => self.failed += 1,
            StepState::Cancelled | StepState::Skipped => self.left_out += 1,
            _ => {}
        }
    }
}

impl std::fmt::Display for BatchCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} batches complete", self.complete, self.total)?;
        for (count, what) in [(self.failed, "failed"), (self.left_out, "left out")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// One task in a list.
#[derive(Clone, Debug, Serialize)]
pub struct TaskSummary {
    /// Its id.
    pub task_id: Uuid,
    /// The name of its template.
    pub template: String,
    /// The namespace of its template.
    pub namespace: String,
    /// The version of its template.
    pub version: String,
    /// Where it stands, as the database keeps it: a held task that waits for a near retry is in progress here.
    pub state: TaskState,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
    /// When it is due, while it waits for that.
    pub due_at: Option<Timestamp>,
    /// Why it is where it is, in words.
    pub cause: Option<String>,
    /// The queue it waits in.
    pub queue: String,
    /// Its priority in that queue.
    pub priority: i64,
    /// The id its submitter gave it.
    pub correlation_id: Uuid,
    /// The worker that holds it, or did when it ended, as [`WorkerSummary`] numbers them.
    pub worker: Option<i64>,
}

/// A process that runs tasks.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerSummary {
    /// Its number.
    pub worker: i64,
    /// Its process id and machine.
    pub name: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// When its tasks go to others unless it is heard of before.
    pub expires_at: Timestamp,
    /// The handlers it has.
    pub handlers: Vec<String>,
    /// The queues it works for; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
}

impl WorkerSummary {
    pub(super) fn new(worker: Worker) -> Self {
        let Worker { id, name, started_at, seen_at, expires_at, handlers, queues } = worker;
        Self { worker: id.0, name, started_at, seen_at, expires_at, handlers, queues }
    }
}

/// A task that was set aside because the processes that held it died one after the other.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetterSummary {
    /// The task.
    pub task_id: Uuid,
    /// The name of its template.
    pub template: String,
    /// The namespace of its template.
    pub namespace: String,
    /// When it was set aside.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

impl DeadLetterSummary {
    pub(super) fn new(letter: DeadLetter) -> Self {
        let DeadLetter { uuid, namespace, name, since, reason } = letter;
        Self { task_id: uuid, template: name, namespace, since, reason }
    }
}

impl TaskSummary {
    pub(super) fn new(line: TaskLine, on_offer: &[OnOffer]) -> Self {
        Self {
            task_id: line.uuid,
            template: line.name,
            namespace: line.namespace,
            version: line.version,
            state: line.state,
            created_at: line.created_at,
            finished_at: line.finished_at,
            due_at: (line.state == TaskState::Waiting).then_some(line.run_at),
            cause: both(line.cause, waits::for_handlers(on_offer)),
            queue: line.queue,
            priority: line.priority,
            correlation_id: line.correlation_id,
            worker: line.owner.filter(|worker| *worker != 0),
        }
    }
}

/// What is known of a task besides its journal.
pub(super) struct Seen<'s> {
    pub on_offer: &'s [OnOffer],
    /// Who made the last attempt at each step.
    pub workers: &'s HashMap<StepIndex, WorkerId>,
    /// Everything that was sent to it.
    pub signals: Vec<Signal>,
    /// The tasks that it started.
    pub kin: &'s [Kin],
}

impl TaskReport {
    /// The task as it stands at the time `now`.
    pub(super) fn new(
        task: StoredTask,
        history: &History,
        plan: &CompiledTemplate,
        seen: Seen<'_>,
        now: Timestamp,
    ) -> Self {
        let Seen { on_offer, workers, signals, kin } = seen;
        let mut progress = history.replay(plan.rules().clone());
        progress.receive(signals);
        let over = task.state.is_final();
        let report = |no: StepIndex, slot: &Slot| {
            let worker = workers.get(&no).map(|worker| worker.0).filter(|worker| *worker != 0);
            let waits_for = (!over).then(|| waits::of_step(&progress, no, slot, on_offer, kin)).flatten();
            StepReport { worker, waits_for, ..step(&progress, no, slot, history, over) }
        };
        let mut steps: Vec<StepReport> = progress.slots().map(|(no, slot)| report(no, slot)).collect();
        count_batches(&progress, &mut steps);
        // Whether a step is compensated whose handler is not here is not known before somebody has begun.
        let known = |(no, slot): &(StepIndex, &Slot)| {
            let how = progress.rules().steps[no.step() as usize].compensation;
            !how.is_some_and(|how| how.elsewhere)
                || slot.state() != StepState::Pending
                || slot.failed_attempts() > 0
        };
        let compensations =
            progress.compensations().filter(known).map(|(no, slot)| report(no, slot)).collect();
        let started_at = steps.iter().filter_map(|step| step.started_at).min();
        // Who holds a task keeps near retries to itself: the journal has them.
        let (state, next_at) = match (task.state, progress.verdict()) {
            (TaskState::InProgress, Verdict::Waiting(at)) if at > now => (TaskState::Waiting, Some(at)),
            (TaskState::Compensating, Verdict::Waiting(at)) => (task.state, Some(at)),
            (TaskState::Waiting, _) => (task.state, Some(task.run_at)),
            (TaskState::Pending, _) if task.run_at == Timestamp::NEVER => (task.state, None),
            (TaskState::Pending, _) if task.cause.is_some() || task.run_at > now => {
                (task.state, Some(task.run_at))
            }
            _ => (task.state, None),
        };
        let result_text = if state == TaskState::Complete { result_text(plan, &steps) } else { Json::null() };
        Self {
            task_id: task.uuid,
            template: task.name,
            namespace: task.namespace,
            version: task.version,
            state,
            result: result_text.to_value(),
            result_text,
            steps,
            compensations,
            mailbox: progress.mailbox().iter().map(SignalReport::new).collect(),
            waits_for: None,
            cause: both(task.cause, waits::for_worker(plan, on_offer)),
            created_at: task.created_at,
            started_at,
            finished_at: task.finished_at,
            next_at,
            context: task.context.to_value(),
            context_text: task.context,
            queue: task.queue,
            priority: task.priority,
            correlation_id: task.correlation_id,
            // 0 stands for an operator, who holds nothing.
            worker: task.owner.filter(|worker| *worker != 0),
            origin: task.origin,
            parent: None,
            children: kin.iter().map(|kin| ChildReport::new(&progress, kin)).collect(),
        }
    }

    /// Says of steps that are to be called next that they run.
    pub(super) fn show_running(&mut self, running: &[Running]) {
        for step in self.steps.iter_mut().chain(&mut self.compensations) {
            let next = |running: &&Running| running.step == step.name && running.attempt == step.attempts + 1;
            let waits = matches!(
                step.state,
                StepState::Pending
                    | StepState::Ready
                    | StepState::WaitingForRetry
                    | StepState::Waiting
                    | StepState::InProgress
            );
            let Some(running) = running.iter().find(next).filter(|_| waits) else { continue };
            step.state = StepState::InProgress;
            step.started_at = Some(Timestamp::from_micros(running.since));
            (step.finished_at, step.retry_at, step.waits_for) = (None, None, None);
        }
    }

    /// Whether a step failed for good because of what the task was submitted with: another attempt comes to the same.
    #[must_use]
    pub fn failed_by_context(&self) -> bool {
        self.all().filter_map(|step| step.error.as_ref()).any(crate::model::StepError::is_about_context)
    }

    /// The step or the compensation of this name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&StepReport> {
        self.all().find(|step| step.name == name)
    }

    /// The steps, and after them the compensations.
    pub fn all(&self) -> impl Iterator<Item = &StepReport> {
        self.steps.iter().chain(&self.compensations)
    }
}

/// Why a task is in its state, and what it waits for there.
fn both(cause: Option<String>, waits: Option<String>) -> Option<String> {
    match (cause, waits) {
        (Some(cause), Some(waits)) => Some(format!("{cause}; {waits}")),
        (cause, waits) => cause.or(waits),
    }
}

fn step(progress: &Progress, no: StepIndex, slot: &Slot, history: &History, over: bool) -> StepReport {
    // Both are read in the order of the steps.
    let found = history.entries.binary_search_by_key(&no, |entry| entry.step).ok();
    let entry: Option<&Entry> = found.and_then(|at| history.entries.get(at));
    let after = history.failures.partition_point(|failure| failure.step <= no);
    let failure: Option<&Failure> = history.failures[..after].last().filter(|failure| failure.step == no);
    let finished = entry.filter(|_| slot.state().has_result());
    let retry = progress.rules().retry(no);
    let result_text = finished.map_or_else(Json::null, |entry| entry.result.clone());
    StepReport {
        name: progress.rules().name(no).to_string(),
        state: match slot.state() {
            StepState::Pending | StepState::Ready | StepState::WaitingForRetry | StepState::Waiting
                if over =>
            {
                StepState::Cancelled
            }
            StepState::WaitingForRetry if slot.is_between_rounds() => StepState::Waiting,
            state => state,
        },
        attempts: match progress.rules().only_waits(no) {
            true => 0,
            false => {
                slot.failed_attempts() + u32::from(slot.state() == StepState::Complete && entry.is_some())
            }
        },
        batches: None,
        batch_of: no.index().map(|_| progress.rules().name(StepIndex::of(no.step())).to_string()),
        result: result_text.to_value(),
        result_text,
        error: failure.filter(|_| finished.is_none()).and_then(|failure| failure.came.error().cloned()),
        started_at: entry.map(|e| e.started_at).or(failure.map(|f| f.started_at)),
        finished_at: entry.map(|e| e.finished_at).or(failure.map(|f| f.failed_at)),
        retry_at: slot.retry_at().filter(|_| !over),
        waits_for: None,
        round: progress
            .rounds(no)
            .map(|rounds| RoundReport { number: rounds.last.number + 1, state: rounds.last.state.clone() }),
        max_attempts: match progress.rules().only_waits(no) {
            true => 0,
            false => slot.failed_attempts() - slot.spent() + retry.max_attempts.max(1),
        },
        worker: None,
    }
}

/// Sums up the batches of each worker, which come right after it.
fn count_batches(progress: &Progress, steps: &mut [StepReport]) {
    let mut worker = 0;
    for (at, (no, _)) in progress.slots().enumerate() {
        let Some(state) = steps.get(at).map(|step| step.state) else { return };
        if no.index().is_none() {
            worker = at;
        } else if let Some(step) = steps.get_mut(worker) {
            step.batches.get_or_insert_default().count(state);
        }
    }
}

/// The result of the last step, or an object with those of several, put together as text.
fn result_text(plan: &CompiledTemplate, steps: &[StepReport]) -> Json {
    result::of(&plan.template, |leaf| {
        let rule = &plan.rules().steps[leaf as usize];
        let name = &*rule.name;
        let own = steps.iter().find(|step| step.name == name)?;
        if own.state != StepState::Complete || rule.batch.is_none() {
            return Some(own.result_text.clone());
        }
        let parts = steps.iter().filter(|step| step.batch_of.as_deref() == Some(name));
        let done = parts.filter(|part| part.state.has_result());
        Some(result::of_batches(done.map(|part| part.result_text.as_str())))
    })
}
