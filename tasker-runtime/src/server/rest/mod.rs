//! The routes, a file for each noun.

mod commands;
mod copies;
mod keys;
mod progress;
mod schedules;
mod service;
mod signals;
mod submit;
mod tasks;
mod templates;
mod workers;

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::from_fn_with_state,
    response::IntoResponse,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Service, guard, openapi,
    problem::{Answer, Code, Problem},
};
use crate::template::nearest;

fn described() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(submit::submit_task, tasks::list_tasks))
        .routes(routes!(submit::submit_tasks))
        .routes(routes!(tasks::get_task))
        .routes(routes!(tasks::list_steps))
        .routes(routes!(tasks::get_step))
        .routes(routes!(tasks::why))
        .routes(routes!(tasks::audit))
        .routes(routes!(progress::follow_task))
        .routes(routes!(commands::retry))
        .routes(routes!(commands::resolve))
        .routes(routes!(commands::skip))
        .routes(routes!(commands::cancel))
        .routes(routes!(commands::give_up))
        .routes(routes!(commands::pause))
        .routes(routes!(commands::resume))
        .routes(routes!(signals::send_signal))
        .routes(routes!(copies::copy_task))
        .routes(routes!(copies::fork_task))
        .routes(routes!(templates::list_templates))
        .routes(routes!(templates::get_template))
        .routes(routes!(workers::list_workers))
        .routes(routes!(workers::list_dead_letters))
        .routes(routes!(schedules::list_schedules))
        .routes(routes!(schedules::get_schedule, schedules::delete_schedule))
        .routes(routes!(schedules::pause_schedule))
        .routes(routes!(schedules::resume_schedule))
        .routes(routes!(schedules::trigger_schedule))
        .routes(routes!(keys::create_key, keys::list_keys))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(keys::whoami))
        .routes(routes!(service::config))
        .routes(routes!(service::index))
        .routes(routes!(service::contract))
        .routes(routes!(service::metrics))
        .routes(routes!(service::health))
        .routes(routes!(service::live))
        .routes(routes!(service::ready))
        .routes(routes!(service::started))
}

/// The routes as a document, still with what generators do not like.
pub(super) fn contract() -> OpenApi {
    described().into_openapi()
}

/// The routes.
pub(super) fn router(service: Service) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .route("/livez", axum::routing::get(service::live))
        .route("/readyz", axum::routing::get(service::ready))
        .route("/startupz", axum::routing::get(service::started))
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(service.clone(), guard::guard))
        .with_state(service)
}

/// The first words of all paths.
const NOUNS: [&str; 9] = [
    "config",
    "dead-letters",
    "keys",
    "openapi.json",
    "schedules",
    "tasks",
    "templates",
    "whoami",
    "workers",
];

async fn no_such_path(uri: Uri) -> Problem {
    let path = super::extract::shortened(uri.path()).into_owned();
    let problem = Problem::new(Code::NoSuchPath, format!("there is no path {path}"));
    let noun = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next());
    match noun.and_then(|noun| nearest(noun, NOUNS)) {
        Some(nearest) => problem.hint(format!("did you mean /v1/{nearest}? /v1/openapi.json has all paths")),
        None => problem.hint("/v1/openapi.json has all paths"),
    }
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path = super::extract::shortened(uri.path()).into_owned();
    Problem::new(Code::MethodNotAllowed, format!("{path} does not have {method}"))
}

/// An answer in JSON.
fn json<T: Serialize>(status: StatusCode, document: &T) -> Answer {
    let bytes = serde_json::to_vec(document).map_err(|error| Problem::internal(&error))?;
    let kind = HeaderValue::from_static("application/json");
    Ok((status, [(header::CONTENT_TYPE, kind)], bytes).into_response())
}

/// An answer in JSON with a tag of its content, or none where the caller has that already.
fn tagged<T: Serialize>(request: &HeaderMap, document: &T) -> Answer {
    let bytes = serde_json::to_vec(document).map_err(|error| Problem::internal(&error))?;
    let digest = Sha256::digest(&bytes);
    let tag: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("W/\"{tag}\"");
    let known = request.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').map(str::trim).any(|known| known == tag || known == "*");
    let headers = [(header::ETAG, tag), (header::CONTENT_TYPE, "application/json".to_owned())];
    Ok(match is_known {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (StatusCode::OK, headers, bytes).into_response(),
    })
}
