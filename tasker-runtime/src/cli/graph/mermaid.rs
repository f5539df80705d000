//! A template or a task as a Mermaid flowchart.

use std::collections::BTreeMap;

use super::picture::{Node, Picture};
use crate::{model::StepState, template::StepKind};

/// The flowchart. Of a task, thick edges are the route it took, and a class says the state of each step.
pub(super) fn draw(picture: &Picture) -> String {
    let mut text = String::from("flowchart TD\n");
    let mut classes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, node) in picture.nodes.iter().enumerate() {
        text.push_str(&format!("    s{number}{}\n", shape(node)));
        if let Some(state) = node.state {
            classes.entry(state.as_str()).or_default().push(format!("s{number}"));
        }
    }
    for edge in &picture.edges {
        let arrow = if edge.taken == Some(true) { "==>" } else { "-->" };
        text.push_str(&format!("    s{} {arrow} s{}\n", edge.numbers.0, edge.numbers.1));
    }
    let mut before = None;
    for (place, compensation) in picture.compensations.iter().enumerate() {
        let label = compensation
            .handler
            .as_deref()
            .filter(|_| compensation.state.is_none())
            .unwrap_or(&compensation.name);
        let state = compensation.state.map(|state| format!("<br/>{state}")).unwrap_or_default();
        text.push_str(&format!("    u{place}([\"{label}{state}\"])\n"));
        if let Some(state) = compensation.state {
            classes.entry(state.as_str()).or_default().push(format!("u{place}"));
            if let Some(before) = before.replace(place) {
                text.push_str(&format!("    u{before} --> u{place}\n"));
            }
        }
        if let Some(number) = picture.nodes.iter().position(|node| node.name == compensation.node) {
            text.push_str(&format!("    s{number} -.-> u{place}\n"));
        }
    }
    for (class, members) in classes {
        let look = StepState::from_name(class).map_or("", look);
        text.push_str(&format!("    classDef {class} {look}\n    class {} {class}\n", members.join(",")));
    }
    text
}

fn shape(node: &Node) -> String {
    let state = node.state.map(|state| {
        let batches = node.batches.map(|batches| format!("<br/>{batches}")).unwrap_or_default();
        format!("<br/>{state}{batches}")
    });
    let label = format!("{}{}", node.name, state.unwrap_or_default());
    match node.kind {
        StepKind::Decision => format!("{{\"{label}\"}}"),
        StepKind::Batchable | StepKind::BatchWorker => format!("[[\"{label}\"]]"),
        StepKind::Workflow => format!("[[\"{label}\"]]"),
        StepKind::Timer | StepKind::Signal => format!("([\"{label}\"])"),
        _ => format!("[\"{label}\"]"),
    }
}

/// Colours that can be read on white and on black.
fn look(state: StepState) -> &'static str {
    match state {
        StepState::Complete | StepState::ResolvedManually => "fill:#d7f5dd,stroke:#1a7f37,color:#111",
        StepState::Error => "fill:#ffdcd7,stroke:#cf222e,color:#111",
        StepState::InProgress | StepState::WaitingForRetry | StepState::Waiting => {
            "fill:#fff3c4,stroke:#9a6700,color:#111"
        }
        StepState::Pending | StepState::Ready => "fill:#fff,stroke:#57606a,color:#111",
        StepState::Skipped | StepState::Cancelled => {
            "fill:#f3f4f6,stroke:#8c959f,color:#57606a,stroke-dasharray:4"
        }
    }
}
