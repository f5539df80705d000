//! What the service says of itself.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::json;
use crate::server::{Service, extract::Query, openapi, problem::Answer};

/// What is here.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Index {
    name: &'static str,
    /// The version of the program.
    version: &'static str,
    /// The path of the contract.
    openapi: &'static str,
    /// The path of the list of tasks.
    tasks: &'static str,
    /// The path of the health checks.
    health: &'static str,
}

/// How a part is.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Check {
    /// `ok`, `degraded` or `down`. Further words may come.
    state: &'static str,
}

/// How the service is.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Health {
    /// `ok`, `degraded` or `down`. Further words may come.
    state: &'static str,
    /// Whether the database answers.
    store: Check,
    /// It is to stop.
    draining: bool,
}

/// The settings of this process.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct SettingList {
    items: Vec<Setting>,
}

/// A setting.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Setting {
    name: String,
    /// Its value, without passwords.
    value: String,
    /// Where that comes from: a file, a variable, or `default`.
    source: String,
}

/// Show the settings of this process
#[utoipa::path(get, path = "/v1/config", tag = "service", operation_id = "get_config",
    responses((status = 200, description = "The settings.", body = SettingList)))]
pub(super) async fn config(State(service): State<Service>, query: Query) -> Answer {
    query.finish()?;
    let settings = service.0.options.settings.iter().cloned();
    let items = settings.map(|(name, value, source)| Setting { name, value, source }).collect();
    json(StatusCode::OK, &SettingList { items })
}

/// Say what is here
#[utoipa::path(get, path = "/", tag = "service", responses((status = 200, description = "What is here.", body = Index)))]
pub(super) async fn index(query: Query) -> Answer {
    query.finish()?;
    let document = Index {
        name: "tasker",
        version: env!("CARGO_PKG_VERSION"),
        openapi: "/v1/openapi.json",
        tasks: "/v1/tasks",
        health: "/health",
    };
    json(StatusCode::OK, &document)
}

/// The contract of the service
#[utoipa::path(get, path = "/v1/openapi.json", tag = "service", operation_id = "get_openapi",
    responses((status = 200, description = "This document.", body = crate::server::wire::Payload)))]
pub(super) async fn contract(query: Query) -> Answer {
    query.finish()?;
    let kind = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, kind)], openapi::document()).into_response())
}

/// What this process counts, for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, description = "The numbers.", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(service): State<Service>, query: Query) -> Answer {
    query.finish()?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], service.metrics_page()).into_response())
}

fn state_of(service: &Service) -> &'static str {
    match () {
        () if service.health().is_away() => "down",
        () if service.health().is_unsure() || !service.health().has_started() => "degraded",
        () => "ok",
    }
}

/// Say how the service is, for people
#[utoipa::path(get, path = "/health", tag = "service",
    responses((status = 200, description = "How it is, also when it is not well.", body = Health)))]
pub(super) async fn health(State(service): State<Service>) -> Answer {
    let state = state_of(&service);
    let document = Health { state, store: Check { state }, draining: service.is_draining() };
    json(StatusCode::OK, &document)
}

fn check(well: bool) -> Response {
    let (status, state) =
        if well { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "down") };
    json(status, &Check { state }).unwrap_or_else(IntoResponse::into_response)
}

/// Whether the process is alive
#[utoipa::path(get, path = "/health/live", tag = "service",
    responses((status = 200, description = "It is.", body = Check)))]
pub(super) async fn live() -> Response {
    check(true)
}

/// Whether requests are to be sent here
///
/// Not while the service is to stop, and not once three questions in a row to the database had no answer.
#[utoipa::path(get, path = "/health/ready", tag = "service", responses(
    (status = 200, description = "They are.", body = Check),
    (status = 503, description = "They are not.", body = Check)))]
pub(super) async fn ready(State(service): State<Service>) -> Response {
    let health = service.health();
    check(health.has_started() && !health.is_away() && !service.is_draining())
}

/// Whether the service has reached its database once
#[utoipa::path(get, path = "/health/started", tag = "service", responses(
    (status = 200, description = "It has.", body = Check),
    (status = 503, description = "Not so far.", body = Check)))]
pub(super) async fn started(State(service): State<Service>) -> Response {
    check(service.health().has_started())
}
