//! Sends signals to tasks.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{commands::asker, json};
use crate::{
    api::Message,
    model::Json,
    server::{
        Service,
        auth::Caller,
        extract::{Fields, Path, Query, TaskId, idempotency_key},
        problem::{Answer, Problem},
        wire::Payload,
    },
};

/// What a signal says.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `send_signal`")]
pub(in crate::server) struct NewSignal {
    /// The result of the step that the signal settles; `null` unless it is given.
    payload: Option<Payload>,
    /// Sends it once, however often it is sent with this key, 1 to 255 characters; as the header `Idempotency-Key`.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Why, for people. At most 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// Who sends it. At most 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    actor: Option<String>,
}

/// What became of a signal.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Sent {
    /// Its number among those of its task, from 1, in the order they arrived.
    number: u32,
}

/// Send a signal to a task
///
/// It is durable once the answer is there, and settles one step that waits for signals of its name, now or later.
#[utoipa::path(post, path = "/v1/tasks/{id}/signals/{name}", tag = "commands", request_body = NewSignal, params(
    ("id" = String, Path, description = "The id of the task."),
    ("name" = String, Path, description = "The name of the signal."),
    ("Idempotency-Key" = Option<String>, Header, description = "Sends it once, however often it is sent with this key.")),
    responses((status = 200, description = "It was sent, or was before with this key.", body = Sent)))]
pub(super) async fn send_signal(
    State(service): State<Service>,
    caller: Caller,
    TaskId(task): TaskId,
    path: Path,
    headers: HeaderMap,
    query: Query,
    mut fields: Fields,
) -> Answer {
    query.finish()?;
    let tasker = asker(&service, &caller, &mut fields);
    let payload = fields.json("payload").unwrap_or_else(Json::null);
    let key = fields.text("idempotency_key", 255);
    fields.finish()?;
    let key = idempotency_key(&headers, key)?;
    let message = Message::named(path.text("name")).payload(&payload);
    let message = message.map_err(|error| Problem::internal(&error))?;
    let message = key.into_iter().fold(message, Message::idempotency_key);
    let receipt = tasker.send(task, &message).await?;
    json(StatusCode::OK, &Sent { number: receipt.number })
}
