//! Submits tasks.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{json, tasks};
use crate::{
    api::{Permission, Submission, UnknownTemplate},
    model::{Json, Timestamp},
    server::{
        Service,
        auth::Caller,
        extract::{self, Fields, Query},
        problem::{Answer, Code},
        wire::{Payload, Time},
    },
};

/// So many tasks are submitted at once.
const MAX_BATCH: usize = 1000;

/// A task to be submitted.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `submission`")]
pub(in crate::server) struct NewTask {
    /// Its template: `namespace/name`, or `name` alone where only one namespace has it.
    template: String,
    /// What its steps see; `{}` unless it is given.
    context: Option<Payload>,
    /// Among the due tasks of a queue, those with a higher one go first: -32768 to 32767, 0 unless it is given.
    #[schema(minimum = -32768, maximum = 32767)]
    priority: Option<i16>,
    /// Not before so many milliseconds have passed.
    #[schema(minimum = 0, maximum = 3153600000000_u64)]
    delay_ms: Option<u64>,
    /// Not before this time. One of this and `delay_ms`.
    run_at: Option<Time>,
    /// The id under which other systems know what it belongs to; a new one unless it is given.
    #[schema(value_type = Option<String>, format = Uuid)]
    correlation_id: Option<Uuid>,
    /// Adds it once, however often it is submitted with this key, 1 to 255 characters; as the header
    /// `Idempotency-Key`.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// What came of a submission.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Submitted {
    /// The task; absent where it was only checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    task_id: Option<Uuid>,
    /// The name of its template.
    template: String,
    /// The namespace of its template.
    namespace: String,
    /// The version of its template.
    version: String,
    /// It was there already.
    replayed: bool,
}

/// Tasks to be submitted, all or none.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `submit_tasks`")]
pub(in crate::server) struct NewTasks {
    /// 1 to 1,000 of them.
    #[schema(min_items = 1, max_items = 1000)]
    tasks: Vec<NewTask>,
}

/// The tasks of a submission, in its order.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct SubmittedTasks {
    #[schema(value_type = Vec<String>)]
    task_ids: Vec<Uuid>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described here, read by `submit_task`")]
pub(in crate::server) struct SubmitQuery {
    /// `true`: sees whether the task could be added, and adds nothing.
    validate_only: Option<bool>,
}

/// The template of that name. Where whoever asks sees some namespaces only, there are no others.
fn seen(service: &Service, caller: &Caller, name: &str) -> Answer<()> {
    if caller.namespaces.is_none() {
        return Ok(());
    }
    match service.tasker().catalog().find(name) {
        Ok(template) if caller.sees(template.namespace()) => Ok(()),
        _ => Err(UnknownTemplate { name: name.to_owned(), nearest: None }.into()),
    }
}

/// The submission that the fields of an object ask for; `None` where they name no template.
fn submission(fields: &mut Fields, service: &Service, caller: &Caller) -> Option<Answer<Submission>> {
    let now = service.tasker().now();
    let template = fields.need::<String>("template");
    let context = fields.json("context");
    let priority = fields.take::<i16>("priority");
    let delay = fields.take::<u64>("delay_ms").map(Duration::from_millis);
    let run_at = fields.take::<Timestamp>("run_at");
    if delay.is_some() && run_at.is_some() {
        fields.wrong("run_at", "conflict", "give one of `delay_ms` and `run_at`".to_owned());
    }
    let correlation_id = fields.take::<Uuid>("correlation_id");
    let key = fields.text("idempotency_key", Submission::MAX_KEY);
    let delay = delay.or_else(|| run_at.map(|at| at.since(now)));
    let template = template?;
    if let Err(problem) = seen(service, caller, &template) {
        return Some(Err(problem));
    }
    let mut submission = Submission::to(template)
        .json(context.unwrap_or_else(|| Json::stored("{}")))
        .priority(priority.unwrap_or_default())
        .delay(delay.unwrap_or_default());
    if let Some(id) = correlation_id {
        submission = submission.correlation_id(id);
    }
    if let Some(key) = key {
        submission = submission.idempotency_key(key);
    }
    Some(Ok(submission))
}

/// Submit a task
///
/// Once the answer is there the task is durable. With an idempotency key it is added once, however often this is
/// called. With the header `Prefer: wait=N` the answer comes when the task rests, or after N seconds, 60 at most.
#[utoipa::path(post, path = "/v1/tasks", tag = "tasks", request_body = NewTask, params(SubmitQuery,
    ("Idempotency-Key" = Option<String>, Header, description = "Adds the task once, however often it is submitted with this key."),
    ("Prefer" = Option<String>, Header, description = "`wait=N` waits N seconds, 60 at most, for the task to rest.")),
    responses(
        (status = 201, description = "The task was added.", body = Submitted,
            headers(("Location" = String, description = "The task."))),
        (status = 200, description = "The task was there already, or could be added, or rests after a wait: then the \
            answer is the task.", body = Submitted),
        (status = 202, description = "The task does not rest after the wait: the answer is the task.",
            body = crate::server::wire::Task)))]
pub(super) async fn submit_task(
    State(service): State<Service>,
    caller: Caller,
    headers: HeaderMap,
    mut query: Query,
    mut fields: Fields,
) -> Answer {
    let patience = extract::wait(&headers);
    // The answer is the task then.
    patience.map_or(Ok(()), |_| caller.need(Permission::TasksRead))?;
    let validate_only = query.parse::<bool>("validate_only", "true or false").unwrap_or_default();
    query.finish()?;
    let tasker = service.tasker();
    let submission = submission(&mut fields, &service, &caller);
    fields.finish()?;
    let Some(submission) = submission else { return Err(nothing()) };
    let mut submission = submission?;
    if let Some(key) = extract::idempotency_key(&headers, submission.key().map(str::to_owned))? {
        submission = submission.idempotency_key(key);
    }
    if validate_only {
        let template = tasker.would_submit(submission)?;
        let document = Submitted {
            task_id: None,
            template: template.name().to_owned(),
            namespace: template.namespace().to_owned(),
            version: template.version().to_string(),
            replayed: false,
        };
        return json(StatusCode::OK, &document);
    }
    let receipt = tasker.submit_with_receipt(submission).await?;
    let task = receipt.task_id;
    let mut response = match patience {
        Some(patience) => tasks::rested(&service, &caller, task, patience).await?,
        None => {
            let status = if receipt.replayed { StatusCode::OK } else { StatusCode::CREATED };
            let document = Submitted {
                task_id: Some(task),
                template: receipt.template,
                namespace: receipt.namespace,
                version: receipt.version,
                replayed: receipt.replayed,
            };
            json(status, &document)?
        }
    };
    point_to(&mut response, task, receipt.replayed);
    Ok(response)
}

/// Submit many tasks, all or none
///
/// An idempotency key that was used before with the same context gives the task that is there already.
#[utoipa::path(post, path = "/v1/tasks/batch", tag = "tasks", request_body = NewTasks,
    responses((status = 201, description = "All tasks are there.", body = SubmittedTasks)))]
pub(super) async fn submit_tasks(
    State(service): State<Service>,
    caller: Caller,
    query: Query,
    mut fields: Fields,
) -> Answer {
    query.finish()?;
    let (mut submissions, mut mistakes) = (Vec::new(), Vec::new());
    let objects = fields.objects("tasks");
    let number = objects.len();
    for mut object in objects {
        submissions.extend(submission(&mut object, &service, &caller));
        mistakes.extend(object.mistakes());
    }
    if !(1..=MAX_BATCH).contains(&number) {
        let detail = format!("`tasks` has to have 1 to {MAX_BATCH} tasks, and this one has {number}");
        fields.wrong("tasks", "wrong_length", detail);
    }
    extract::refuse(Code::FieldsInvalid, [fields.mistakes(), mistakes].concat())?;
    let submissions = submissions.into_iter().collect::<Answer<Vec<Submission>>>()?;
    let task_ids = service.tasker().submit_all(submissions).await?;
    json(StatusCode::CREATED, &SubmittedTasks { task_ids })
}

/// What cannot be: a submission without a template was refused.
fn nothing() -> crate::server::problem::Problem {
    crate::server::problem::Problem::internal(&"a submission without a template was not refused")
}

/// Says which task an answer is about, and whether it was there already.
pub(super) fn point_to(response: &mut Response, task: Uuid, replayed: bool) {
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&format!("/v1/tasks/{task}")).ok().map(|at| (header::LOCATION, at)));
    if replayed {
        let name = HeaderName::from_static("idempotent-replayed");
        headers.insert(name, HeaderValue::from_static("true"));
    }
}
