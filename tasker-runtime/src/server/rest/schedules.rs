//! Schedules: when tasks start by themselves.

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{json, tasks::PageQuery};
use crate::{
    api::{Permission, ScheduleError, ScheduleReport},
    model::Json,
    server::{
        Service,
        auth::Caller,
        extract::{Fields, Path, Query},
        page,
        problem::Answer,
        wire::{Payload, Time},
    },
};

/// A schedule and how far it is.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct ScheduleDetail {
    name: String,
    /// Namespace and name of the template that it starts tasks of.
    template: String,
    /// The version of the template that says it; absent: it was made by a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    of_version: Option<String>,
    /// It starts nothing until it is resumed.
    paused: bool,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Payload>,
    /// Its next ticks, at most five, in its zone.
    next: Vec<String>,
    /// How many ticks wait for the task of the last one.
    waiting: usize,
    /// The last tick that started a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<Time>,
    /// The task it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    last_task: Option<Uuid>,
    /// How many tasks it has started.
    started: u64,
    /// How many ticks started none.
    skipped: u64,
    /// Why its last tick started nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// When it was made.
    created_at: Time,
}

impl ScheduleDetail {
    /// What whoever asks may see of it: not what its tasks are submitted with, where they may not see payloads.
    fn new(mut report: ScheduleReport, caller: &Caller) -> Self {
        if let Some(definition) = report.definition.as_mut().filter(|_| !caller.may(Permission::TasksPayload))
        {
            definition.input = Payload::hidden().0.to_value();
        }
        Self {
            definition: report.definition.as_ref().and_then(|schedule| Json::of(schedule).ok()).map(Payload),
            name: report.name,
            template: report.template,
            of_version: report.of_version,
            paused: report.paused,
            next: report.next,
            waiting: report.waiting,
            last_at: report.last_at.map(Time),
            last_task: report.last_task,
            started: report.started,
            skipped: report.skipped,
            problem: report.problem,
            created_at: Time(report.created),
        }
    }
}

/// Some schedules, by name.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct SchedulePage {
    items: Vec<ScheduleDetail>,
    /// The `cursor` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The task that a schedule started.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Triggered {
    #[schema(value_type = String, format = Uuid)]
    task_id: Uuid,
}

/// The digest of the list that cursors belong to.
const LIST: &str = "schedules";

/// List schedules, by name
#[utoipa::path(get, path = "/v1/schedules", tag = "schedules", params(PageQuery),
    responses((status = 200, description = "A page.", body = SchedulePage)))]
pub(super) async fn list_schedules(
    State(service): State<Service>,
    caller: Caller,
    mut query: Query,
) -> Answer {
    let (limit, cursor) = (query.limit(), query.text("cursor"));
    query.finish()?;
    let after = cursor.map(|cursor| page::read::<String>(&cursor, LIST)).transpose()?;
    let mut found = service.tasker().schedules().list(after.as_deref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| page::cursor(&last.name, LIST));
    found.retain(|schedule| caller.sees_template(&schedule.template));
    let items = found.into_iter().map(|schedule| ScheduleDetail::new(schedule, &caller)).collect();
    json(StatusCode::OK, &SchedulePage { items, next_cursor })
}

/// The schedule of that name, if it is there for whoever asks.
async fn seen(service: &Service, caller: &Caller, name: &str) -> Answer<ScheduleReport> {
    let found = service.tasker().schedules().get(name).await?;
    let found = found.filter(|schedule| caller.sees_template(&schedule.template));
    Ok(found.ok_or_else(|| ScheduleError::Unknown { name: name.to_owned() })?)
}

/// Show a schedule
#[utoipa::path(get, path = "/v1/schedules/{name}", tag = "schedules",
    params(("name" = String, Path, description = "Its name; a `/` in it is written `%2F`.")),
    responses((status = 200, description = "The schedule.", body = ScheduleDetail)))]
pub(super) async fn get_schedule(
    State(service): State<Service>,
    caller: Caller,
    path: Path,
    query: Query,
) -> Answer {
    query.finish()?;
    let found = seen(&service, &caller, path.text("name")).await?;
    json(StatusCode::OK, &ScheduleDetail::new(found, &caller))
}

/// Delete a schedule
///
/// The tasks that it started stay.
#[utoipa::path(delete, path = "/v1/schedules/{name}", tag = "schedules",
    params(("name" = String, Path, description = "Its name; a `/` in it is written `%2F`.")),
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn delete_schedule(
    State(service): State<Service>,
    caller: Caller,
    path: Path,
    query: Query,
) -> Answer {
    query.finish()?;
    seen(&service, &caller, path.text("name")).await?;
    service.tasker().schedules().delete(path.text("name")).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Pause a schedule
///
/// It starts nothing until it is resumed.
#[utoipa::path(post, path = "/v1/schedules/{name}/pause", tag = "schedules",
    params(("name" = String, Path, description = "Its name; a `/` in it is written `%2F`.")),
    responses((status = 200, description = "The schedule.", body = ScheduleDetail)))]
pub(super) async fn pause_schedule(
    State(service): State<Service>,
    caller: Caller,
    path: Path,
    query: Query,
    fields: Fields,
) -> Answer {
    query.finish()?;
    fields.finish()?;
    seen(&service, &caller, path.text("name")).await?;
    let paused = service.tasker().schedules().pause(path.text("name")).await?;
    json(StatusCode::OK, &ScheduleDetail::new(paused, &caller))
}

/// Resume a paused schedule
#[utoipa::path(post, path = "/v1/schedules/{name}/resume", tag = "schedules",
    params(("name" = String, Path, description = "Its name; a `/` in it is written `%2F`.")),
    responses((status = 200, description = "The schedule.", body = ScheduleDetail)))]
pub(super) async fn resume_schedule(
    State(service): State<Service>,
    caller: Caller,
    path: Path,
    query: Query,
    fields: Fields,
) -> Answer {
    query.finish()?;
    fields.finish()?;
    seen(&service, &caller, path.text("name")).await?;
    let resumed = service.tasker().schedules().resume(path.text("name")).await?;
    json(StatusCode::OK, &ScheduleDetail::new(resumed, &caller))
}

/// Start a task of a schedule now
#[utoipa::path(post, path = "/v1/schedules/{name}/trigger", tag = "schedules",
    params(("name" = String, Path, description = "Its name; a `/` in it is written `%2F`.")),
    responses((status = 201, description = "The task.", body = Triggered)))]
pub(super) async fn trigger_schedule(
    State(service): State<Service>,
    caller: Caller,
    path: Path,
    query: Query,
    fields: Fields,
) -> Answer {
    query.finish()?;
    fields.finish()?;
    seen(&service, &caller, path.text("name")).await?;
    let task_id = service.tasker().schedules().trigger(path.text("name")).await?;
    let mut response = json(StatusCode::CREATED, &Triggered { task_id })?;
    super::submit::point_to(&mut response, task_id, false);
    Ok(response)
}
