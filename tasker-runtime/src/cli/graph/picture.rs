//! What there is to draw: steps, edges and compensations, with their states where there is a task.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    api::{BatchCounts, StepReport, TaskReport},
    model::{StepState, TaskState},
    registry::Registry,
    template::{OnFailure, StepKind, Template},
};

/// A template or a task, ready to be drawn.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<Uuid>,
    template: String,
    namespace: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<TaskState>,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub compensations: Vec<Undo>,
}

/// A step.
#[derive(Debug, Serialize)]
pub(super) struct Node {
    pub name: String,
    pub kind: StepKind,
    handler: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StepState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches: Option<BatchCounts>,
}

/// From a step to one that depends on it.
#[derive(Debug, Serialize)]
pub(super) struct Edge {
    from: String,
    to: String,
    /// The places of both among the nodes.
    #[serde(skip)]
    pub numbers: (u32, u32),
    /// Of a task: whether it went this way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<bool>,
}

/// What undoes a step.
#[derive(Debug, Serialize)]
pub(super) struct Undo {
    /// As reports call it.
    pub name: String,
    pub step: String,
    /// Unknown where the handler is not linked.
    pub handler: Option<String>,
    /// Of a task that is rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StepState>,
}

impl Picture {
    pub(super) fn new(template: &Template, report: Option<&TaskReport>, registry: &Registry) -> Self {
        let reported = |name: &str| report.and_then(|report| report.step(name));
        let node = |step: &crate::template::Step| Node {
            name: step.name.to_string(),
            kind: step.kind,
            handler: step.handler.callable.clone(),
            state: reported(&step.name).map(|step| step.state),
            batches: reported(&step.name).and_then(|step| step.batches),
        };
        let decides = |number| template.step(number).is_some_and(|step| step.kind == StepKind::Decision);
        let name = |number| template.step(number).map_or("", |step| &*step.name);
        let edge = |(from, to)| Edge {
            from: name(from).to_owned(),
            to: name(to).to_owned(),
            numbers: (from, to),
            taken: reported(name(from)).zip(reported(name(to))).map(|(from_step, to)| {
                is_taken(from_step, to) && (!decides(from) || is_route(from_step, to))
            }),
        };
        let numbers = (0u32..).take(template.steps().len());
        let pairs = numbers.flat_map(|to| template.dependencies(to).iter().map(move |&from| (from, to)));
        Self {
            task_id: report.map(|report| report.task_id),
            template: template.name().to_owned(),
            namespace: template.namespace().to_owned(),
            version: template.version().to_string(),
            state: report.map(|report| report.state),
            nodes: template.steps().iter().map(node).collect(),
            edges: pairs.map(edge).collect(),
            compensations: undos(template, report, registry),
        }
    }

    /// What undoes this step.
    pub(super) fn undo_of(&self, step: &str) -> Option<&Undo> {
        self.compensations.iter().find(|undo| undo.step == step)
    }
}

/// Whether a task may have gone from one step to another.
fn is_taken(from: &StepReport, to: &StepReport) -> bool {
    from.state.has_result() && !matches!(to.state, StepState::Skipped | StepState::Cancelled)
}

/// Whether a decision named this step.
fn is_route(decision: &StepReport, to: &StepReport) -> bool {
    let routes = decision.result["routes"].as_array();
    routes.is_some_and(|routes| routes.iter().any(|route| route.as_str() == Some(&*to.name)))
}

/// Of a task that is rolled back, what it undoes, in that order; otherwise what would undo which step.
fn undos(template: &Template, report: Option<&TaskReport>, registry: &Registry) -> Vec<Undo> {
    let handler = |step: &str| {
        let step = template.step(template.number_of(step)?)?;
        let handler = registry.find(template.namespace(), &step.handler.callable).ok()?;
        registry.compensator_of(handler).map(|undo| undo.handler().name().to_owned())
    };
    if let Some(report) = report.filter(|report| !report.compensations.is_empty()) {
        let undo = |undo: &StepReport| {
            let step = undo.name.strip_prefix("undo ").unwrap_or(&undo.name).to_owned();
            Undo { handler: handler(&step), name: undo.name.clone(), step, state: Some(undo.state) }
        };
        return report.compensations.iter().map(undo).collect();
    }
    if template.on_failure() != OnFailure::Compensate {
        return Vec::new();
    }
    let undo = |step: &crate::template::Step| {
        let handler = handler(&step.name)?;
        let step = step.name.to_string();
        Some(Undo { name: format!("undo {step}"), step, handler: Some(handler), state: None })
    };
    template.steps().iter().filter_map(undo).collect()
}
