//! Submits tasks anew.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{commands::actor, json, submit::point_to};
use crate::{
    api::Fork,
    server::{
        Service,
        auth::Caller,
        extract::{Fields, Query, TaskId},
        problem::Answer,
        wire::Payload,
    },
};

/// Who asks for a copy.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `actor`")]
pub(in crate::server) struct CopyBody {
    /// Who asks. At most 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    actor: Option<String>,
}

/// From where a task is forked, and with what context.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `fork_task`")]
pub(in crate::server) struct ForkBody {
    /// It and everything below it run again.
    step: String,
    /// Another context; what is kept was computed from the old one.
    context: Option<Payload>,
    /// Who asks. At most 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    actor: Option<String>,
}

/// The new task.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Copied {
    #[schema(value_type = String, format = Uuid)]
    task_id: Uuid,
}

fn created(task: Uuid) -> Answer {
    let mut response = json(StatusCode::CREATED, &Copied { task_id: task })?;
    point_to(&mut response, task, false);
    Ok(response)
}

/// Submit a task anew, from its beginning
///
/// With the same template, context, queue, priority and correlation id. The other one stays as it is.
#[utoipa::path(post, path = "/v1/tasks/{id}/copy", tag = "tasks", request_body = CopyBody,
    params(("id" = String, Path, description = "The id of the task.")),
    responses((status = 201, description = "The new task.", body = Copied)))]
pub(super) async fn copy_task(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    mut fields: Fields,
) -> Answer {
    query.finish()?;
    let tasker = actor(&service, &caller, &mut fields);
    fields.finish()?;
    created(tasker.replay(task).await?)
}

/// Submit a task anew that goes on from one step of an old one
///
/// It keeps the results of everything that is not below the step.
#[utoipa::path(post, path = "/v1/tasks/{id}/fork", tag = "tasks", request_body = ForkBody,
    params(("id" = String, Path, description = "The id of the task.")),
    responses((status = 201, description = "The new task.", body = Copied)))]
pub(super) async fn fork_task(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    query: Query,
    mut fields: Fields,
) -> Answer {
    query.finish()?;
    let tasker = actor(&service, &caller, &mut fields);
    let step = fields.need::<String>("step").unwrap_or_default();
    let context = fields.json("context");
    fields.finish()?;
    let fork = context.into_iter().fold(Fork::from_step(step), Fork::json);
    created(tasker.fork(task, fork).await?)
}
