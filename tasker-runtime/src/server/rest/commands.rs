//! What operators do to tasks.

use axum::{extract::State, http::StatusCode};
use utoipa::ToSchema;
use uuid::Uuid;

use super::json;
use crate::{
    api::{CommandOutcome, Tasker},
    model::{Command, Json},
    server::{
        Service,
        auth::Caller,
        extract::{Fields, Query, TaskId},
        problem::{Answer, Problem},
        refusals,
        wire::{Include, Payload, Task},
    },
};

const MAX_ACTOR: usize = 100;
const MAX_REASON: usize = 500;

/// Who asks, and why.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `asker`")]
pub(in crate::server) struct Asker {
    /// Why, for people: it stands in the audit trail. At most 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// Who asks: the name that stands in the audit trail, behind that of the key by which they ask. At most 100
    /// characters; where there are no keys, `http` unless it is given.
    #[schema(min_length = 1, max_length = 100)]
    actor: Option<String>,
}

/// Which steps are to be tried again.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `retry`")]
pub(in crate::server) struct RetryBody {
    /// The steps; all that failed for good or wait for their next attempt unless they are given.
    steps: Option<Vec<String>>,
    /// Why, for people. At most 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// Who asks. At most 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    actor: Option<String>,
}

/// The result of a step, given by hand.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `resolve`")]
pub(in crate::server) struct ResolveBody {
    /// The step.
    step: String,
    /// Its result; `null` unless it is given.
    result: Option<Payload>,
    /// Why, for people. At most 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// Who asks. At most 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    actor: Option<String>,
}

/// The step to go on without.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `skip`")]
pub(in crate::server) struct SkipBody {
    /// The step.
    step: String,
    /// Why, for people. At most 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// Who asks. At most 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    actor: Option<String>,
}

/// The handle of whoever asks.
pub(super) fn actor(service: &Service, caller: &Caller, fields: &mut Fields) -> Tasker {
    caller.commands(service.tasker(), fields.text("actor", MAX_ACTOR))
}

/// The handle of whoever asks, who may say why.
pub(super) fn asker(service: &Service, caller: &Caller, fields: &mut Fields) -> Tasker {
    let tasker = actor(service, caller, fields);
    match fields.text("reason", MAX_REASON) {
        Some(reason) => tasker.because(reason),
        None => tasker,
    }
}

/// Has a command followed; the task as it stands then.
async fn follow(tasker: &Tasker, caller: &Caller, task: Uuid, command: &Command) -> Answer {
    let status = match tasker.operate(task, command).await {
        Ok(CommandOutcome::Followed) => StatusCode::OK,
        Ok(CommandOutcome::Pending) => StatusCode::ACCEPTED,
        Err(error) if refusals::is_done(command, &error) => StatusCode::OK,
        Err(error) => return Err(error.into()),
    };
    let report = tasker.show(task).await?.ok_or_else(|| Problem::no_such_task(task))?;
    json(status, &Task::of(report, Include::default(), caller))
}

/// A command that takes nothing.
async fn whole(asked: (Service, Caller, Uuid), query: Query, mut fields: Fields, command: Command) -> Answer {
    query.finish()?;
    let (service, caller, task) = asked;
    let tasker = asker(&service, &caller, &mut fields);
    fields.finish()?;
    follow(&tasker, &caller, task, &command).await
}

/// Try failed steps again
///
/// They get a new round of attempts; those that wait for their next attempt wait no longer.
#[utoipa::path(post, path = "/v1/tasks/{id}/retry", tag = "commands", request_body = RetryBody,
    params(("id" = String, Path, description = "The id of the task.")), responses(
        (status = 200, description = "It is followed: the task as it stands.", body = Task),
        (status = 202, description = "It is on record, and the process that runs the task will follow.", body = Task)))]
pub(super) async fn retry(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    mut fields: Fields,
) -> Answer {
    query.finish()?;
    let tasker = asker(&service, &caller, &mut fields);
    let steps = fields.take::<Vec<String>>("steps").unwrap_or_default();
    fields.finish()?;
    follow(&tasker, &caller, task, &Command::Retry { steps }).await
}

/// Give a step its result by hand
///
/// The step failed, or waits: for a retry, a time or a signal.
#[utoipa::path(post, path = "/v1/tasks/{id}/resolve", tag = "commands", request_body = ResolveBody,
    params(("id" = String, Path, description = "The id of the task.")), responses(
        (status = 200, description = "It is followed: the task as it stands.", body = Task),
        (status = 202, description = "It is on record, and the process that runs the task will follow.", body = Task)))]
pub(super) async fn resolve(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    mut fields: Fields,
) -> Answer {
    query.finish()?;
    let tasker = asker(&service, &caller, &mut fields);
    let step = fields.need::<String>("step").unwrap_or_default();
    let result = fields.json("result").unwrap_or_else(Json::null);
    fields.finish()?;
    follow(&tasker, &caller, task, &Command::Resolve { step, result }).await
}

/// Go on without a step
///
/// What needs its result is left out as well. A timer waits no longer.
#[utoipa::path(post, path = "/v1/tasks/{id}/skip", tag = "commands", request_body = SkipBody,
    params(("id" = String, Path, description = "The id of the task.")), responses(
        (status = 200, description = "It is followed: the task as it stands.", body = Task),
        (status = 202, description = "It is on record, and the process that runs the task will follow.", body = Task)))]
pub(super) async fn skip(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    mut fields: Fields,
) -> Answer {
    query.finish()?;
    let tasker = asker(&service, &caller, &mut fields);
    let step = fields.need::<String>("step").unwrap_or_default();
    fields.finish()?;
    follow(&tasker, &caller, task, &Command::Skip { step }).await
}

/// Cancel a task
///
/// Handlers that run are told and then dropped. A task that is cancelled already stays so.
#[utoipa::path(post, path = "/v1/tasks/{id}/cancel", tag = "commands", request_body = Asker,
    params(("id" = String, Path, description = "The id of the task.")), responses(
        (status = 200, description = "It is followed: the task as it stands.", body = Task),
        (status = 202, description = "It is on record, and the process that runs the task will follow.", body = Task)))]
pub(super) async fn cancel(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    fields: Fields,
) -> Answer {
    whole((service, caller, task), query, fields, Command::Cancel).await
}

/// Let a task that is blocked by failures end as failed
///
/// Nothing is undone.
#[utoipa::path(post, path = "/v1/tasks/{id}/give_up", tag = "commands", request_body = Asker,
    params(("id" = String, Path, description = "The id of the task.")), responses(
        (status = 200, description = "It is followed: the task as it stands.", body = Task),
        (status = 202, description = "It is on record, and the process that runs the task will follow.", body = Task)))]
pub(super) async fn give_up(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    fields: Fields,
) -> Answer {
    whole((service, caller, task), query, fields, Command::GiveUp).await
}

/// Pause a task
///
/// No further step of it starts; what runs comes to its end.
#[utoipa::path(post, path = "/v1/tasks/{id}/pause", tag = "commands", request_body = Asker,
    params(("id" = String, Path, description = "The id of the task.")), responses(
        (status = 200, description = "It is followed: the task as it stands.", body = Task),
        (status = 202, description = "It is on record, and the process that runs the task will follow.", body = Task)))]
pub(super) async fn pause(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    fields: Fields,
) -> Answer {
    whole((service, caller, task), query, fields, Command::Pause).await
}

/// Resume a paused task
///
/// Also one that is to be paused and still has steps that run.
#[utoipa::path(post, path = "/v1/tasks/{id}/resume", tag = "commands", request_body = Asker,
    params(("id" = String, Path, description = "The id of the task.")), responses(
        (status = 200, description = "It is followed: the task as it stands.", body = Task),
        (status = 202, description = "It is on record, and the process that runs the task will follow.", body = Task)))]
pub(super) async fn resume(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    fields: Fields,
) -> Answer {
    whole((service, caller, task), query, fields, Command::Resume).await
}
