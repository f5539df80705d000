//! The templates tasks can be submitted of.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{json, tagged};
use crate::{
    api::UnknownTemplate,
    model::Json,
    server::{
        Service,
        auth::Caller,
        extract::{Path, Query},
        problem::Answer,
        wire::Payload,
    },
    template::{self, Template},
};

/// The templates.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct TemplateList {
    items: Vec<TemplateLine>,
}

/// A template of a list.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct TemplateLine {
    name: String,
    namespace: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// How many steps it has.
    steps: usize,
}

/// A template.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct TemplateDetail {
    name: String,
    namespace: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The JSON Schema of contexts.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<Payload>,
    /// Its steps, in their order.
    steps: Vec<TemplateStep>,
}

/// A step of a template.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct TemplateStep {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The handler that is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<String>,
    /// The steps it needs.
    depends_on: Vec<String>,
    /// The queue it goes to, where that is not the task's.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    /// The JSON Schema of its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_schema: Option<Payload>,
}

impl From<&template::Step> for TemplateStep {
    fn from(step: &template::Step) -> Self {
        Self {
            name: step.name.to_string(),
            description: step.description.clone(),
            handler: (!step.handler.callable.is_empty()).then(|| step.handler.callable.to_string()),
            depends_on: step.depends_on.clone(),
            queue: step.queue.clone(),
            result_schema: step.result_schema.as_ref().and_then(|schema| Json::of(schema).ok()).map(Payload),
        }
    }
}

impl From<&Template> for TemplateLine {
    fn from(template: &Template) -> Self {
        Self {
            name: template.name().to_owned(),
            namespace: template.namespace().to_owned(),
            version: template.version().to_string(),
            description: template.description().map(str::to_owned),
            steps: template.steps().len(),
        }
    }
}

impl From<&Template> for TemplateDetail {
    fn from(template: &Template) -> Self {
        let TemplateLine { name, namespace, version, description, .. } = template.into();
        let input_schema = template.input_schema().and_then(|schema| Json::of(schema).ok()).map(Payload);
        let steps = template.steps().iter().map(TemplateStep::from).collect();
        Self { name, namespace, version, description, input_schema, steps }
    }
}

/// List the templates
///
/// Those that tasks can be submitted of here, each in its newest version.
#[utoipa::path(get, path = "/v1/templates", tag = "templates",
    responses((status = 200, description = "The templates.", body = TemplateList)))]
pub(super) async fn list_templates(State(service): State<Service>, caller: Caller, query: Query) -> Answer {
    query.finish()?;
    let all = service.tasker().catalog().iter().filter(|template| caller.sees(template.namespace()));
    let items = all.map(|template| (&**template).into()).collect();
    json(StatusCode::OK, &TemplateList { items })
}

/// Show a template
#[utoipa::path(get, path = "/v1/templates/{namespace}/{name}", tag = "templates", params(
    ("namespace" = String, Path, description = "Its namespace."),
    ("name" = String, Path, description = "Its name."),
    ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer that is known.")),
    responses(
        (status = 200, description = "The template.", body = TemplateDetail),
        (status = 304, description = "The answer is the one that is known.")))]
pub(super) async fn get_template(
    State(service): State<Service>,
    caller: Caller,
    path: Path,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    query.finish()?;
    let name = format!("{}/{}", path.text("namespace"), path.text("name"));
    if !caller.sees(path.text("namespace")) {
        return Err(UnknownTemplate { name, nearest: None }.into());
    }
    let mut found = service.tasker().catalog().find(&name);
    if let Err(unknown) = &mut found {
        // The nearest one may be of a namespace that is not seen.
        let nearest = unknown.nearest.take();
        unknown.nearest = nearest.filter(|nearest| caller.sees_template(nearest));
    }
    let template = found?;
    tagged(&headers, &TemplateDetail::from(&**template))
}
