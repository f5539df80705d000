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
    pub compensations: Vec<Compensation>,
}

/// A step.
#[derive(Debug, Serialize)]
pub(super) struct Node {
    pub name: String,
    pub kind: StepKind,
    #[serde(skip_serializing_if = "String::is_empty")]
    handler: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StepState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches: Option<BatchCounts>,
    /// Of a task: what the step waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
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
pub(super) struct Compensation {
    /// As reports call it.
    pub name: String,
    pub step: String,
    /// The step of the template: of a batch, its worker.
    #[serde(skip)]
    pub node: String,
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
            waits_for: reported(&step.name).and_then(|step| step.waits_for.clone()),
            state: reported(&step.name).map(|step| step.state),
            batches: reported(&step.name).and_then(|step| step.batches),
        };
        let is = |kind| move |number| template.step(number).is_some_and(|step| step.kind == kind);
        let (decides, converges) = (is(StepKind::Decision), is(StepKind::DeferredConvergence));
        let name = |number| template.step(number).map_or("", |step| &*step.name);
        let edge = |(from, to)| Edge {
            from: name(from).to_owned(),
            to: name(to).to_owned(),
            numbers: (from, to),
            taken: reported(name(from)).zip(reported(name(to))).map(|(from_step, to_step)| {
                // A decision leads to a convergence whatever it takes.
                let any = !decides(from) || converges(to);
                is_taken(from_step, to_step) && (any || is_route(from_step, to_step))
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
            compensations: compensations(template, report, registry),
        }
    }

    /// What undoes this step.
    pub(super) fn compensation_of(&self, step: &str) -> Option<&Compensation> {
        self.compensations.iter().find(|compensation| compensation.step == step)
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
fn compensations(template: &Template, report: Option<&TaskReport>, registry: &Registry) -> Vec<Compensation> {
    let handler = |step: &str| {
        let step = template.step(template.number_of(step)?)?;
        let handler = registry.find(template.namespace(), &step.handler.callable).ok()?;
        registry.compensation_of(handler).map(|compensation| compensation.handler().name().to_owned())
    };
    if let Some(report) = report.filter(|report| !report.compensations.is_empty()) {
        let compensation = |compensation: &StepReport| {
            let step = compensation.name.strip_prefix("undo ").unwrap_or(&compensation.name).to_owned();
            let worker = report.step(&step).and_then(|step| step.batch_of.clone());
            let node = worker.unwrap_or_else(|| step.clone());
            Compensation {
                handler: handler(&node),
                name: compensation.name.clone(),
                step,
                node,
                state: Some(compensation.state),
            }
        };
        return report.compensations.iter().map(compensation).collect();
    }
    if template.on_failure() != OnFailure::Compensate {
        return Vec::new();
    }
    let compensation = |step: &crate::template::Step| {
        let handler = handler(&step.name)?;
        let (step, node) = (step.name.to_string(), step.name.to_string());
        Some(Compensation { name: format!("undo {step}"), step, node, handler: Some(handler), state: None })
    };
    template.steps().iter().filter_map(compensation).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};
    use tasker_macros::step_handler;

    use super::*;
    use crate::{
        handler::{BatchPlan, Cursor},
        model::Timestamp,
        template::Step,
    };

    #[step_handler(name = "picture_cut")]
    #[batch_analyzer(worker = send)]
    async fn cut() -> BatchPlan {
        BatchPlan::of_size(1, 1)
    }

    #[step_handler(name = "picture_send")]
    #[batch_worker]
    async fn send(rows: Cursor<u64>) -> u64 {
        rows.start
    }

    #[step_handler(name = "picture_call_back")]
    #[compensates(send)]
    async fn call_back() {}

    fn step(name: &str, state: StepState, result: Value, batch_of: Option<&str>) -> StepReport {
        StepReport {
            name: name.to_owned(),
            state,
            attempts: 1,
            result_text: crate::model::Json::null(),
            result,
            batches: None,
            batch_of: batch_of.map(str::to_owned),
            error: None,
            started_at: None,
            finished_at: None,
            retry_at: None,
            waits_for: None,
            round: None,
            max_attempts: 1,
            worker: None,
        }
    }

    fn report(steps: Vec<StepReport>, compensations: Vec<StepReport>) -> TaskReport {
        TaskReport {
            task_id: Uuid::nil(),
            template: "post".to_owned(),
            namespace: "test".to_owned(),
            version: "1.0.0".to_owned(),
            state: TaskState::Compensated,
            result: Value::Null,
            result_text: crate::model::Json::null(),
            steps,
            compensations,
            mailbox: Vec::new(),
            cause: None,
            created_at: Timestamp::default(),
            started_at: None,
            finished_at: None,
            next_at: None,
            context: Value::Null,
            context_text: crate::model::Json::null(),
            queue: String::new(),
            priority: 0,
            correlation_id: Uuid::nil(),
            worker: None,
            origin: None,
            parent: None,
            children: Vec::new(),
            waits_for: None,
        }
    }

    #[test]
    fn what_undoes_a_batch_hangs_on_its_worker() {
        let template = Template::builder("post")
            .namespace("test")
            .on_failure(OnFailure::Compensate)
            .step(Step::new("picture_cut").kind(StepKind::Batchable))
            .step(Step::new("picture_send").kind(StepKind::BatchWorker).after(["picture_cut"]))
            .build()
            .unwrap();
        let steps = vec![
            step("picture_cut", StepState::Complete, json!({}), None),
            step("picture_send", StepState::Error, Value::Null, None),
            step("picture_send_001", StepState::Complete, json!(0), Some("picture_send")),
        ];
        let compensation = step("undo picture_send_001", StepState::Complete, Value::Null, None);
        let registry = Registry::of(crate::handlers![cut, send, call_back]);
        let picture = Picture::new(&template, Some(&report(steps, vec![compensation])), &registry);
        let drawn = serde_json::to_value(&picture).unwrap();
        let compensation = &drawn["compensations"][0];
        assert_eq!(
            (&compensation["step"], &compensation["handler"]),
            (&json!("picture_send_001"), &json!("picture_call_back"))
        );
        let flowchart = super::super::mermaid::draw(&picture);
        assert!(flowchart.contains("s1 -.-> u0\n"), "{flowchart}");
    }

    #[test]
    fn decision_leads_to_a_convergence_whatever_it_takes() {
        let template = Template::builder("post")
            .step(Step::new("choose").kind(StepKind::Decision))
            .step(Step::new("left").after(["choose"]))
            .step(Step::new("end").kind(StepKind::DeferredConvergence).after(["choose", "left"]))
            .build()
            .unwrap();
        let steps = vec![
            step("choose", StepState::Complete, json!({"routes": []}), None),
            step("left", StepState::Skipped, Value::Null, None),
            step("end", StepState::Complete, json!(1), None),
        ];
        let picture = Picture::new(&template, Some(&report(steps, vec![])), &Registry::of([]));
        let taken = picture.edges.iter().map(|edge| (&*edge.from, &*edge.to, edge.taken.unwrap()));
        let expected = [("choose", "left", false), ("choose", "end", true), ("left", "end", false)];
        assert_eq!(taken.collect::<Vec<_>>(), expected);
    }
}
