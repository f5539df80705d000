//! Lists tasks, and shows one.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{json, tagged};
use crate::{
    api::{Cursor, StepReport, TaskFilter, TaskReport},
    model::{StepState, TaskState, Timestamp},
    server::{
        Service,
        extract::{self, Path, Query, TaskId},
        page::{self, Filter},
        problem::{Answer, Code, Problem},
        wire::{
            Audit, AuditPage, Failure, Include, StateOfStep, StateOfTask, Step, StepPage, Steps, Task,
            TaskPage, Time,
        },
    },
    template::nearest,
};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described here, read by `list_tasks`")]
pub(in crate::server) struct ListQuery {
    /// Only tasks in this state.
    #[param(value_type = Option<StateOfTask>)]
    state: Option<String>,
    /// Only tasks of the template `namespace/name`, or of all called `name`.
    template: Option<String>,
    /// Only tasks of templates of this namespace.
    namespace: Option<String>,
    /// Only tasks with this correlation id.
    #[param(format = Uuid)]
    correlation_id: Option<String>,
    /// Only tasks submitted at this time or later.
    #[param(format = DateTime)]
    created_after: Option<String>,
    /// Only tasks submitted before this time.
    #[param(format = DateTime)]
    created_before: Option<String>,
    /// Only tasks that have a step without a result whose last attempt failed with this code.
    error_code: Option<String>,
    /// Only tasks that wait for the step of this name.
    step: Option<String>,
    /// `true`: only tasks that are not over.
    open: Option<bool>,
    /// How many to a page: 1 to 200, 50 unless it is given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Goes on where a page ended: its `next_cursor`.
    cursor: Option<String>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time = serde_json::from_value(serde_json::Value::String(text.to_owned()));
    time.map_err(|_| "a time like 2026-01-31T12:00:00Z".to_owned())
}

/// List tasks, newest first
///
/// A page looks at no more than the newest 20,000 tasks after its cursor: it may have fewer tasks than it could, or
/// none, and says then that it is `incomplete`, and where the next one begins.
#[utoipa::path(get, path = "/v1/tasks", tag = "tasks", params(ListQuery),
    responses((status = 200, description = "A page.", body = TaskPage)))]
pub(super) async fn list_tasks(
    State(service): State<Service>,
    Filter(asked): Filter,
    mut query: Query,
) -> Answer {
    let limit = query.limit();
    let mut filter = TaskFilter::new().limit(limit);
    let state = query.read("state", |text| {
        let states = || TaskState::ALL.iter().map(|state| state.as_str());
        let found = TaskState::ALL.iter().copied().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("one of {}", states().collect::<Vec<_>>().join(", ")))
    });
    let correlation_id = query.parse::<Uuid>("correlation_id", "a UUID");
    let (after, before) = (query.read("created_after", time), query.read("created_before", time));
    let open = query.parse::<bool>("open", "true or false").unwrap_or_default();
    filter = state.into_iter().fold(filter, TaskFilter::state);
    // The template may have a namespace of its own, which comes second.
    filter = query.text("namespace").into_iter().fold(filter, TaskFilter::namespace);
    filter = query.text("template").into_iter().fold(filter, TaskFilter::template);
    filter = query.text("error_code").into_iter().fold(filter, TaskFilter::error_code);
    filter = query.text("step").into_iter().fold(filter, TaskFilter::waiting_for);
    filter = correlation_id.into_iter().fold(filter, TaskFilter::correlation_id);
    filter = after.into_iter().fold(filter, TaskFilter::created_since);
    filter = before.into_iter().fold(filter, TaskFilter::created_until);
    filter = if open { filter.open() } else { filter };
    let cursor = query.text("cursor");
    query.finish()?;
    if let Some(cursor) = cursor {
        filter = filter.after(page::read::<Cursor>(&cursor, &asked)?);
    }
    let found = service.tasker().list(&filter).await?;
    let document = TaskPage {
        items: found.tasks.into_iter().map(Task::from).collect(),
        next_cursor: found.next.map(|next| page::cursor(next, &asked)),
        incomplete: found.incomplete,
    };
    json(StatusCode::OK, &document)
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described here, read by `include`")]
pub(in crate::server) struct GetQuery {
    /// What it is to have of `context`, `results` and `errors`, with commas between; all unless it is given.
    include: Option<String>,
    /// How much of its steps: `none`, `states` or `full`; `full` unless it is given.
    steps: Option<String>,
}

fn include(query: &mut Query) -> Include {
    let steps = query.read("steps", |text| match text {
        "none" => Ok(Steps::None),
        "states" => Ok(Steps::States),
        "full" => Ok(Steps::Full),
        _ => Err("none, states or full".to_owned()),
    });
    let parts = query.read("include", |text| {
        let mut include = Include { context: false, results: false, errors: false, steps: Steps::Full };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part {
                "context" => include.context = true,
                "results" => include.results = true,
                "errors" => include.errors = true,
                _ => return Err("context, results and errors, with commas between".to_owned()),
            }
        }
        Ok(include)
    });
    let include = parts.unwrap_or_default();
    Include { steps: steps.unwrap_or(include.steps), ..include }
}

async fn report(service: &Service, task: Uuid) -> Answer<TaskReport> {
    service.tasker().show(task).await?.ok_or_else(|| Problem::no_such_task(task))
}

/// Whether a task in this state goes on by itself.
const fn goes_on(state: TaskState) -> bool {
    !(state.is_final() || matches!(state, TaskState::BlockedByFailures | TaskState::Paused))
}

/// Waits until a task rests, the time is over or the service stops.
async fn wait(service: &Service, task: Uuid, patience: Duration) -> Answer<()> {
    tokio::select! {
        waited = service.tasker().wait(task) => drop(waited?),
        () = tokio::time::sleep(patience) => {}
        () = service.0.closing.cancelled() => {}
    }
    Ok(())
}

/// The task once it rests, or as it stands after this time.
pub(super) async fn rested(service: &Service, task: Uuid, patience: Duration) -> Answer {
    wait(service, task, patience).await?;
    let report = report(service, task).await?;
    let status = if goes_on(report.state) { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut response = json(status, &Task::new(report, Include::default()))?;
    say_waited(&mut response, patience);
    Ok(response)
}

fn say_waited(response: &mut Response, patience: Duration) {
    let applied = HeaderValue::from_str(&format!("wait={}", patience.as_secs()));
    let name = HeaderName::from_static("preference-applied");
    response.headers_mut().extend(applied.ok().map(|applied| (name, applied)));
}

/// Show a task
///
/// With the header `Prefer: wait=N` the answer comes when the task rests, or after N seconds, 60 at most.
#[utoipa::path(get, path = "/v1/tasks/{id}", tag = "tasks", params(
    ("id" = String, Path, description = "The id of the task."), GetQuery,
    ("Prefer" = Option<String>, Header, description = "`wait=N` waits N seconds, 60 at most, for the task to rest."),
    ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer that is known.")),
    responses(
        (status = 200, description = "The task.", body = Task, headers(("ETag" = String, description = "Changes with the answer."))),
        (status = 304, description = "The answer is the one that is known.")))]
pub(super) async fn get_task(
    State(service): State<Service>,
    TaskId(task): TaskId,
    headers: HeaderMap,
    mut query: Query,
) -> Answer {
    let include = include(&mut query);
    query.finish()?;
    let patience = extract::wait(&headers);
    if let Some(patience) = patience {
        wait(&service, task, patience).await?;
    }
    let mut response = tagged(&headers, &Task::new(report(&service, task).await?, include))?;
    patience.into_iter().for_each(|patience| say_waited(&mut response, patience));
    Ok(response)
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described here, read where pages are")]
pub(in crate::server) struct PageQuery {
    /// How many to a page: 1 to 200, 50 unless it is given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Goes on where a page ended: its `next_cursor`.
    cursor: Option<String>,
}

/// List the steps of a task
#[utoipa::path(get, path = "/v1/tasks/{id}/steps", tag = "tasks",
    params(("id" = String, Path, description = "The id of the task."), PageQuery),
    responses((status = 200, description = "A page.", body = StepPage)))]
pub(super) async fn list_steps(
    State(service): State<Service>,
    TaskId(task): TaskId,
    mut query: Query,
) -> Answer {
    let (limit, cursor) = (query.limit(), query.text("cursor"));
    query.finish()?;
    let list = task.to_string();
    let from = cursor.map(|cursor| page::read::<usize>(&cursor, &list)).transpose()?.unwrap_or_default();
    let report = report(&service, task).await?;
    let items: Vec<Step> =
        report.all().skip(from).take(limit).map(|step| Step::new(step, Include::default())).collect();
    let end = from.saturating_add(items.len());
    let next_cursor = report.all().nth(end).map(|_| page::cursor(end, &list));
    json(StatusCode::OK, &StepPage { items, next_cursor })
}

/// Show a step of a task
#[utoipa::path(get, path = "/v1/tasks/{id}/steps/{step}", tag = "tasks", params(
    ("id" = String, Path, description = "The id of the task."),
    ("step" = String, Path, description = "The name of the step.")),
    responses((status = 200, description = "The step.", body = Step)))]
pub(super) async fn get_step(
    State(service): State<Service>,
    TaskId(task): TaskId,
    path: Path,
    query: Query,
) -> Answer {
    query.finish()?;
    let report = report(&service, task).await?;
    let name = path.text("step");
    let step = report.step(name).ok_or_else(|| {
        let detail = format!("the task has no step `{}`", extract::shortened(name));
        let problem = Problem::new(Code::NoSuchStep, detail);
        match nearest(name, report.all().map(|step| &*step.name)) {
            Some(nearest) => problem.hint(format!("did you mean `{nearest}`?")),
            None => problem,
        }
    })?;
    json(StatusCode::OK, &Step::new(step, Include::default()))
}

/// Why a task does not go on.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Why {
    #[schema(value_type = String, format = Uuid)]
    task_id: Uuid,
    state: StateOfTask,
    /// Why it is where it is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// What it waits for as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    /// The call that helps, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// The steps that are not over and whose turn has come, and those that failed.
    steps: Vec<OpenStep>,
}

/// Why a step does not go on.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct OpenStep {
    name: String,
    state: StateOfStep,
    /// Since when: the end of its last attempt, or the start of the one that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Time>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
    /// What it waits for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    /// The call that helps, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl OpenStep {
    fn new(task: Uuid, step: &StepReport) -> Option<Self> {
        let call = |commands: &str| Some(format!("POST /v1/tasks/{task}/{commands}"));
        let (since, help) = match step.state {
            StepState::Error => (step.finished_at, call("retry, …/resolve or …/skip")),
            StepState::WaitingForRetry => (step.finished_at, call("retry starts its next attempt at once")),
            StepState::Waiting if step.round.is_some() => {
                (step.finished_at, call("retry starts its next round at once; …/resolve or …/skip ends it"))
            }
            StepState::Waiting => (step.finished_at, call("skip or …/resolve ends the wait")),
            StepState::InProgress => (step.started_at, None),
            StepState::Ready => (None, None),
            _ => return None,
        };
        Some(Self {
            name: step.name.clone(),
            state: StateOfStep(step.state),
            since: since.map(Time),
            retry_at: step.retry_at.map(Time),
            waits_for: step.waits_for.clone(),
            error: step.error.as_ref().map(|error| Failure::new(error, true)),
            help,
        })
    }
}

/// Say why a task does not go on
#[utoipa::path(get, path = "/v1/tasks/{id}/why", tag = "tasks",
    params(("id" = String, Path, description = "The id of the task.")),
    responses((status = 200, description = "Every step that is open, with its cause and the call that helps.", body = Why)))]
pub(super) async fn why(State(service): State<Service>, TaskId(task): TaskId, query: Query) -> Answer {
    query.finish()?;
    let report = report(&service, task).await?;
    let help = match report.state {
        TaskState::Paused => Some(format!("POST /v1/tasks/{task}/resume")),
        TaskState::BlockedByFailures => Some(format!("POST /v1/tasks/{task}/retry, or …/give_up ends it")),
        _ => None,
    };
    let over = report.state.is_final();
    let document = Why {
        task_id: task,
        state: StateOfTask(report.state),
        cause: report.cause.clone(),
        waits_for: report.waits_for.clone(),
        help,
        steps: report.all().filter(|_| !over).filter_map(|step| OpenStep::new(task, step)).collect(),
    };
    json(StatusCode::OK, &document)
}

/// List what was asked of a task, oldest first
#[utoipa::path(get, path = "/v1/tasks/{id}/audit", tag = "tasks",
    params(("id" = String, Path, description = "The id of the task."), PageQuery),
    responses((status = 200, description = "A page.", body = AuditPage)))]
pub(super) async fn audit(State(service): State<Service>, TaskId(task): TaskId, mut query: Query) -> Answer {
    let (limit, cursor) = (query.limit(), query.text("cursor"));
    query.finish()?;
    let list = task.to_string();
    let after = cursor.map(|cursor| page::read::<i64>(&cursor, &list)).transpose()?.unwrap_or_default();
    let trail = service.tasker().audit(task, after, limit + 1).await?;
    let mut trail = trail.ok_or_else(|| Problem::no_such_task(task))?;
    let more = trail.len() > limit;
    trail.truncate(limit);
    let next_cursor = trail.last().filter(|_| more).map(|last| page::cursor(last.number, &list));
    let items = trail.into_iter().map(Audit::from).collect();
    json(StatusCode::OK, &AuditPage { items, next_cursor })
}
