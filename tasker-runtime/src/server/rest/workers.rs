//! Who runs tasks, and which tasks were set aside.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::json;
use crate::server::{
    Service,
    auth::Caller,
    extract::Query,
    problem::Answer,
    wire::{DeadLetter, Worker},
};

/// The processes that run tasks.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct WorkerList {
    items: Vec<Worker>,
}

/// Tasks that were set aside, newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct DeadLetterList {
    items: Vec<DeadLetter>,
}

/// So many are looked at for those who do not see all.
const MAX_LOOKED_AT: usize = 1000;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described here, read by `list_dead_letters`")]
pub(in crate::server) struct LimitQuery {
    /// How many at most: 1 to 200, 50 unless it is given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// List the processes that run tasks
#[utoipa::path(get, path = "/v1/workers", tag = "workers",
    responses((status = 200, description = "The processes.", body = WorkerList)))]
pub(super) async fn list_workers(State(service): State<Service>, query: Query) -> Answer {
    query.finish()?;
    let items = service.tasker().workers().await?.into_iter().map(Worker::from).collect();
    json(StatusCode::OK, &WorkerList { items })
}

/// List the tasks that were set aside, newest first
///
/// The processes that held such a task died one after the other. The command `retry` runs it again.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "tasks", params(LimitQuery),
    responses((status = 200, description = "The newest.", body = DeadLetterList)))]
pub(super) async fn list_dead_letters(
    State(service): State<Service>,
    caller: Caller,
    mut query: Query,
) -> Answer {
    let limit = query.limit();
    query.finish()?;
    // Whoever sees some namespaces only gets those of the newest that are of them.
    let most = if caller.namespaces.is_some() { limit.max(MAX_LOOKED_AT) } else { limit };
    let mut letters = service.tasker().dead_letters(most).await?;
    letters.retain(|letter| caller.sees(&letter.namespace));
    letters.truncate(limit);
    let items = letters.into_iter().map(DeadLetter::from).collect();
    json(StatusCode::OK, &DeadLetterList { items })
}
