//! The documents that are sent. What is absent is left out, never `null`.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::ObjectBuilder},
};
use uuid::Uuid;

use super::auth::Caller;
use crate::{
    api::{
        AuditEntry, BatchCounts, ChildReport, DeadLetterSummary, OriginKind, Permission, StepReport,
        TaskReport, TaskSummary, WorkerSummary,
    },
    model::{Json, StepError, StepState, TaskState, Timestamp},
};

/// JSON of the user's own, digit for digit as it was written.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Payload(pub Json);

impl Payload {
    /// What stands in its place for those who may not see it.
    pub(super) fn hidden() -> Self {
        Self(Json::stored(r#"{"hidden":"payload"}"#))
    }

    fn unless(hides: bool, json: &Json) -> Self {
        if hides { Self::hidden() } else { Self(json.clone()) }
    }
}

impl PartialSchema for Payload {
    fn schema() -> RefOr<Schema> {
        let any = ObjectBuilder::new().schema_type(utoipa::openapi::schema::SchemaType::AnyValue);
        any.description(Some("Any JSON.")).build().into()
    }
}

impl ToSchema for Payload {
    fn name() -> Cow<'static, str> {
        "Json".into()
    }
}

/// A state by its name; further names may come.
macro_rules! state {
    ($name:ident of $state:ident, $about:literal) => {
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $name(pub $state);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let names = $state::ALL.iter().map(|state| state.as_str());
                let text = ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
                text.enum_values(Some(names)).description(Some($about)).build().into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($state).into()
            }
        }
    };
}
state!(StateOfTask of TaskState, "Where a task stands. Further states may come.");
state!(StateOfStep of StepState, "Where a step stands. Further states may come.");

/// A time: RFC 3339, in UTC, with microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Time(pub Timestamp);

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
        text.format(Some(utoipa::openapi::SchemaFormat::Custom("date-time".to_owned()))).build().into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        "Time".into()
    }
}

/// What a report is to have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Include {
    pub context: bool,
    pub results: bool,
    pub errors: bool,
    pub steps: Steps,
    /// Whoever asks may not see payloads.
    pub hides: bool,
}

/// How much of its steps a report is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steps {
    None,
    States,
    Full,
}

impl Default for Include {
    fn default() -> Self {
        Self { context: true, results: true, errors: true, steps: Steps::Full, hides: false }
    }
}

impl Include {
    /// Of that, what whoever asks may see.
    pub(super) fn of(self, caller: &Caller) -> Self {
        let hides = !caller.may(Permission::TasksPayload);
        match caller.may(Permission::TasksRead) {
            true => Self { hides, ..self },
            false => Self { context: false, results: false, errors: false, steps: Steps::None, hides },
        }
    }
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Task {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub task_id: Uuid,
    /// The name of its template.
    template: String,
    /// The namespace of its template.
    namespace: String,
    /// The version of its template.
    version: String,
    pub state: StateOfTask,
    /// Why it is where it is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// What it waits for as a whole, before its first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    /// When it was submitted.
    created_at: Time,
    /// When the first of its steps was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Time>,
    /// When it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Time>,
    /// When it is due, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Time>,
    /// The queue it waits in.
    queue: String,
    /// Its priority in that queue; higher ones go first.
    priority: i64,
    /// The id its submitter gave it.
    #[schema(value_type = String, format = Uuid)]
    correlation_id: Uuid,
    /// The worker that holds it, or did when it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<i64>,
    /// The task that it was copied or forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<TaskOrigin>,
    /// The task that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<TaskParent>,
    /// The tasks that its steps started, by step, those of the last attempts first; 1,000 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    children: Vec<TaskChild>,
    /// What it was submitted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Payload>,
    /// What it came to, once it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Payload>,
    /// Its steps in the order of the template, batches after their worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<Step>>,
    /// What its rollback undoes, in the order it does so.
    #[serde(skip_serializing_if = "Option::is_none")]
    compensations: Option<Vec<Step>>,
}

/// Where a task comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskOrigin {
    /// The task that was its model.
    #[schema(value_type = String, format = Uuid)]
    task_id: Uuid,
    /// `replay` or `fork`.
    kind: &'static str,
    /// The step from which it was forked.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
}

/// The task that started another one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskParent {
    #[schema(value_type = String, format = Uuid)]
    task_id: Uuid,
    /// The namespace of its template.
    namespace: String,
    /// Which of its steps did.
    step: String,
}

/// A task that a step of another one started.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskChild {
    /// The step that started it.
    step: String,
    /// Which of the tasks of that step it is, from 0.
    item: u32,
    /// The attempt of the step that started it, from 1.
    attempt: u32,
    #[schema(value_type = String, format = Uuid)]
    task_id: Uuid,
    /// The namespace of its template.
    namespace: String,
    state: StateOfTask,
}

impl From<ChildReport> for TaskChild {
    fn from(child: ChildReport) -> Self {
        let ChildReport { step, item, attempt, task_id, namespace, state, .. } = child;
        Self { step, item, attempt, task_id, namespace, state: StateOfTask(state) }
    }
}

/// A step of a task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Step {
    /// Its name.
    name: String,
    state: StateOfStep,
    /// Attempts that have come to an end.
    attempts: u32,
    /// Attempts it may have; 0 for a step that only waits.
    max_attempts: u32,
    /// When its last attempt started.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Time>,
    /// When its last attempt came to an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Time>,
    /// When its next attempt starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
    /// What it waits for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    /// Of a step that goes round, once its first round is over: the round that runs, follows, or gave the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<u32>,
    /// The worker that made its last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<i64>,
    /// Of a batch: the batch worker it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_of: Option<String>,
    /// Of a batch worker: how many of its batches are in which state.
    #[serde(skip_serializing_if = "Option::is_none")]
    batches: Option<Batches>,
    /// Why its last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    /// What it returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Payload>,
}

/// How many batches are in which state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Batches {
    total: u32,
    complete: u32,
    failed: u32,
    left_out: u32,
}

/// Why an attempt failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failure {
    /// The reason in a word.
    code: String,
    /// Another attempt may succeed.
    retryable: bool,
    /// The reason for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What else the handler said.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Payload>,
}

impl Failure {
    pub(super) fn new(error: &StepError, include: Include) -> Self {
        let context = error.context().filter(|_| include.errors).and_then(|context| Json::of(context).ok());
        Self {
            code: error.code().to_owned(),
            retryable: error.is_retryable(),
            message: (include.errors && !include.hides).then(|| error.message().to_owned()),
            context: match include.errors && include.hides {
                true => Some(Payload::hidden()),
                false => context.map(Payload),
            },
        }
    }
}

impl Step {
    pub(super) fn new(step: &StepReport, include: Include) -> Self {
        let full = include.steps == Steps::Full;
        let result = step.result_json();
        let has_result = full && include.results && result.as_str() != "null";
        Self {
            name: step.name.clone(),
            state: StateOfStep(step.state),
            attempts: step.attempts,
            max_attempts: step.max_attempts,
            started_at: step.started_at.filter(|_| full).map(Time),
            finished_at: step.finished_at.filter(|_| full).map(Time),
            retry_at: step.retry_at.filter(|_| full).map(Time),
            waits_for: step.waits_for.clone().filter(|_| full),
            round: step.round.as_ref().map(|round| round.number),
            worker: step.worker.filter(|_| full),
            batch_of: step.batch_of.clone(),
            batches: step.batches.map(|BatchCounts { total, complete, failed, left_out }| Batches {
                total,
                complete,
                failed,
                left_out,
            }),
            error: step.error.as_ref().filter(|_| full).map(|error| Failure::new(error, include)),
            result: has_result.then(|| Payload::unless(include.hides, result)),
        }
    }
}

impl Task {
    /// Of a task, what is wanted and what whoever asks may see.
    pub(super) fn of(report: TaskReport, include: Include, caller: &Caller) -> Self {
        let mut task = Self::new(report, include.of(caller));
        task.parent = task.parent.filter(|parent| caller.sees(&parent.namespace));
        task.children.retain(|child| caller.sees(&child.namespace));
        task
    }

    /// Its steps and compensations by name.
    pub(super) fn named_steps(&self) -> impl Iterator<Item = (String, &Step)> {
        let all = self.steps.iter().chain(&self.compensations).flatten();
        all.map(|step| (step.name.clone(), step))
    }

    fn new(report: TaskReport, include: Include) -> Self {
        let steps = |steps: &[StepReport]| steps.iter().map(|step| Step::new(step, include)).collect();
        let listed = include.steps != Steps::None;
        let complete = report.state == TaskState::Complete;
        Self {
            steps: listed.then(|| steps(&report.steps)),
            compensations: (listed && !report.compensations.is_empty()).then(|| steps(&report.compensations)),
            context: include.context.then(|| Payload::unless(include.hides, report.context_json())),
            result: (include.results && complete)
                .then(|| Payload::unless(include.hides, report.result_json())),
            task_id: report.task_id,
            template: report.template,
            namespace: report.namespace,
            version: report.version,
            state: StateOfTask(report.state),
            cause: report.cause,
            waits_for: report.waits_for,
            created_at: Time(report.created_at),
            started_at: report.started_at.map(Time),
            finished_at: report.finished_at.map(Time),
            due_at: report.next_at.map(Time),
            queue: report.queue,
            priority: report.priority,
            correlation_id: report.correlation_id,
            worker: report.worker,
            origin: report.origin.map(|origin| TaskOrigin {
                task_id: origin.task,
                kind: match origin.kind {
                    OriginKind::Fork => "fork",
                    OriginKind::Replay => "replay",
                },
                step: origin.from,
            }),
            parent: report.parent.map(|parent| TaskParent {
                task_id: parent.task_id,
                namespace: parent.namespace,
                step: parent.step,
            }),
            children: report.children.into_iter().map(TaskChild::from).collect(),
        }
    }
}

impl From<TaskSummary> for Task {
    /// A task of a list, of which less is known.
    fn from(line: TaskSummary) -> Self {
        Self {
            task_id: line.task_id,
            template: line.template,
            namespace: line.namespace,
            version: line.version,
            state: StateOfTask(line.state),
            cause: line.cause,
            waits_for: None,
            created_at: Time(line.created_at),
            started_at: None,
            finished_at: line.finished_at.map(Time),
            due_at: line.due_at.map(Time),
            queue: line.queue,
            priority: line.priority,
            correlation_id: line.correlation_id,
            worker: line.worker,
            origin: None,
            parent: None,
            children: Vec::new(),
            context: None,
            result: None,
            steps: None,
            compensations: None,
        }
    }
}

/// Makes the page of a list.
macro_rules! page {
    ($name:ident of $item:ty, $about:literal) => {
        #[doc = $about]
        #[derive(Debug, Serialize, ToSchema)]
        pub(super) struct $name {
            pub items: Vec<$item>,
            /// The `cursor` of the next page; absent on the last.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub next_cursor: Option<String>,
        }
    };
}
page!(StepPage of Step, "Some steps of a task.");
page!(AuditPage of Audit, "Some of what was asked of a task, oldest first.");

/// Some tasks of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskPage {
    pub items: Vec<Task>,
    /// The `cursor` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// It has fewer tasks than it could have, because it had looked at as many as one page may: the next one goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub incomplete: bool,
}

/// Something that was asked of a task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Audit {
    /// When it was asked.
    at: Time,
    /// Who asked.
    actor: String,
    /// What: `retry`, `cancel`, `signal` and so on.
    action: String,
    /// The command in full.
    detail: Payload,
    /// Why, in the words of who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why the process that runs the task did not follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    /// The process that runs the task has not followed so far.
    pending: bool,
}

impl Audit {
    pub(super) fn new(entry: AuditEntry, hides: bool) -> Self {
        let AuditEntry { at, actor, action, detail, reason, refused, pending, .. } = entry;
        let detail = Payload::unless(hides, &detail);
        Self { at: Time(at), actor, action, detail, reason, refused, pending }
    }
}

/// A process that runs tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Worker {
    /// Its number.
    worker: i64,
    /// Its process id and machine.
    name: String,
    /// When it started.
    started_at: Time,
    /// When it was last heard of.
    seen_at: Time,
    /// When its tasks go to others unless it is heard of before.
    expires_at: Time,
    /// The handlers it has.
    handlers: Vec<String>,
    /// The queues it works for; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    queues: Option<Vec<String>>,
}

impl From<WorkerSummary> for Worker {
    fn from(worker: WorkerSummary) -> Self {
        let WorkerSummary { worker, name, started_at, seen_at, expires_at, handlers, queues } = worker;
        let (started_at, seen_at, expires_at) = (Time(started_at), Time(seen_at), Time(expires_at));
        Self { worker, name, started_at, seen_at, expires_at, handlers, queues }
    }
}

/// A task that was set aside because the processes that held it died one after the other.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetter {
    /// The task.
    #[schema(value_type = String, format = Uuid)]
    task_id: Uuid,
    /// The name of its template.
    template: String,
    /// The namespace of its template.
    namespace: String,
    /// When it was set aside.
    since: Time,
    /// Why.
    reason: String,
}

impl From<DeadLetterSummary> for DeadLetter {
    fn from(letter: DeadLetterSummary) -> Self {
        let DeadLetterSummary { task_id, template, namespace, since, reason } = letter;
        Self { task_id, template, namespace, since: Time(since), reason }
    }
}
