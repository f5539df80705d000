//! A template or a task as indented lines.

use super::picture::Picture;
use crate::{
    api::TaskReport,
    cli::{output, printable::printable},
    model::StepState,
    template::{StepKind, Template},
};

/// The steps, and below them what is undone.
pub(super) fn draw(template: &Template, report: Option<&TaskReport>, picture: &Picture) -> String {
    let mut text = title(template);
    for Branch { step, left, name, also } in branches(template) {
        text.push_str(&format!("\n{left}{name}{also}{}", note(template, step, report, picture)));
    }
    text + &report.map(rollback).unwrap_or_default()
}

fn note(template: &Template, step: u32, report: Option<&TaskReport>, picture: &Picture) -> String {
    let Some(found) = template.step(step) else { return String::new() };
    let kind = if found.kind == StepKind::Standard { String::new() } else { format!("  [{}]", found.kind) };
    match report.and_then(|report| report.step(&found.name)) {
        Some(step) => {
            let batches = step.batches.map(|batches| format!("  {batches}")).unwrap_or_default();
            let routes = if found.kind == StepKind::Decision { routes(&step.result) } else { String::new() };
            let waits = step.waits_for.as_ref().filter(|_| step.state == StepState::Waiting);
            let waits = waits.map(|what| format!(" for {}", printable(what))).unwrap_or_default();
            format!("{kind}  {}{waits}{batches}{routes}", output::step_state(step.state))
        }
        None => {
            let compensation =
                picture.compensation_of(&found.name).and_then(|compensation| compensation.handler.as_deref());
            kind + &compensation
                .map(|handler| format!("  undone by {}", printable(handler)))
                .unwrap_or_default()
        }
    }
}

/// What a decision took, once it has.
fn routes(result: &serde_json::Value) -> String {
    let Some(routes) = result["routes"].as_array() else { return String::new() };
    let names: Vec<_> = routes.iter().filter_map(|route| route.as_str()).map(printable).collect();
    match (names.is_empty(), result["reason"].as_str()) {
        (false, _) => format!("  → {}", names.join(", ")),
        (true, Some(reason)) => format!("  → nothing: {}", printable(reason)),
        (true, None) => "  → nothing".to_owned(),
    }
}

/// What is undone, in the order it is.
fn rollback(report: &TaskReport) -> String {
    let mut text = String::new();
    for (place, compensation) in report.compensations.iter().enumerate() {
        let branch = if place + 1 == report.compensations.len() { "└─ " } else { "├─ " };
        text.push_str(&format!(
            "\n{branch}{}  {}",
            printable(&compensation.name),
            output::step_state(compensation.state)
        ));
    }
    if text.is_empty() { text } else { format!("\nrolled back, in this order{text}") }
}

/// What a tree begins with.
pub(crate) fn title(template: &Template) -> String {
    let name = format!("{}/{} {}", template.namespace(), template.name(), template.version());
    printable(&name).into_owned()
}

/// A line of a tree, fit to be shown.
pub(crate) struct Branch {
    pub step: u32,
    /// The lines to the left of the name.
    pub left: String,
    pub name: String,
    /// The dependencies besides the one it stands below.
    pub also: String,
}

/// The steps as lines of a tree. A step with several dependencies stands below the first and names the others.
pub(crate) fn branches(template: &Template) -> Vec<Branch> {
    let children = |step: Option<u32>| -> Vec<u32> {
        let first = |&other: &u32| template.dependencies(other).first().copied() == step;
        (0u32..).take(template.steps().len()).filter(first).collect()
    };
    let name =
        |step: u32| template.step(step).map(|step| printable(&step.name).into_owned()).unwrap_or_default();
    // What is still to come, last first: the step, and the lines to its left.
    let mut open: Vec<(u32, String, bool)> = Vec::new();
    let push = |open: &mut Vec<(u32, String, bool)>, step: Option<u32>, left: &str| {
        for (place, child) in children(step).into_iter().rev().enumerate() {
            open.push((child, left.to_owned(), place == 0));
        }
    };
    push(&mut open, None, "");
    let mut lines = Vec::new();
    while let Some((step, left, last)) = open.pop() {
        let others: Vec<_> = template.dependencies(step).iter().skip(1).map(|&other| name(other)).collect();
        let also =
            if others.is_empty() { String::new() } else { format!(" (also after {})", others.join(", ")) };
        push(&mut open, Some(step), &format!("{left}{}", if last { "   " } else { "│  " }));
        let left = left + if last { "└─ " } else { "├─ " };
        lines.push(Branch { step, left, name: name(step), also });
    }
    lines
}
