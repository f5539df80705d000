//! A template or a task as indented lines.

use super::picture::Picture;
use crate::{
    api::TaskReport,
    cli::output,
    template::{StepKind, Template},
};

/// The steps, and below them what is undone.
pub(super) fn draw(template: &Template, report: Option<&TaskReport>, picture: &Picture) -> String {
    let steps = tree(template, |step| note(template, step, report, picture));
    steps + &report.map(rollback).unwrap_or_default()
}

fn note(template: &Template, step: u32, report: Option<&TaskReport>, picture: &Picture) -> String {
    let Some(found) = template.step(step) else { return String::new() };
    let kind = if found.kind == StepKind::Standard { String::new() } else { format!("  [{}]", found.kind) };
    match report.and_then(|report| report.step(&found.name)) {
        Some(step) => {
            let batches = step.batches.map(|batches| format!("  {batches}")).unwrap_or_default();
            let routes = if found.kind == StepKind::Decision { routes(&step.result) } else { String::new() };
            format!("{kind}  {}{batches}{routes}", output::step_state(step.state))
        }
        None => {
            let undo = picture.undo_of(&found.name).and_then(|undo| undo.handler.as_deref());
            kind + &undo.map(|handler| format!("  undone by {handler}")).unwrap_or_default()
        }
    }
}

/// What a decision took, once it has.
fn routes(result: &serde_json::Value) -> String {
    let Some(routes) = result["routes"].as_array() else { return String::new() };
    let names: Vec<&str> = routes.iter().filter_map(|route| route.as_str()).collect();
    match (names.is_empty(), result["reason"].as_str()) {
        (false, _) => format!("  → {}", names.join(", ")),
        (true, Some(reason)) => format!("  → nothing: {reason}"),
        (true, None) => "  → nothing".to_owned(),
    }
}

/// What is undone, in the order it is.
fn rollback(report: &TaskReport) -> String {
    let mut text = String::new();
    for (place, undo) in report.compensations.iter().enumerate() {
        let branch = if place + 1 == report.compensations.len() { "└─ " } else { "├─ " };
        text.push_str(&format!("{branch}{}  {}\n", undo.name, output::step_state(undo.state)));
    }
    if text.is_empty() { text } else { format!("rolled back, in this order\n{text}") }
}

/// The steps as indented lines, each with what `note` says about it. A step with several dependencies
/// stands below the first and names the others.
pub(crate) fn tree(template: &Template, note: impl Fn(u32) -> String) -> String {
    let mut text = format!("{}/{} {}\n", template.namespace(), template.name(), template.version());
    let children = |step: Option<u32>| -> Vec<u32> {
        let first = |&other: &u32| template.dependencies(other).first().copied() == step;
        (0u32..).take(template.steps().len()).filter(first).collect()
    };
    // What is still to be written, last first: the step, and the lines to its left.
    let mut open: Vec<(u32, String, bool)> = Vec::new();
    let push = |open: &mut Vec<(u32, String, bool)>, step: Option<u32>, left: &str| {
        for (place, child) in children(step).into_iter().rev().enumerate() {
            open.push((child, left.to_owned(), place == 0));
        }
    };
    push(&mut open, None, "");
    while let Some((step, left, last)) = open.pop() {
        let name = template.step(step).map_or("", |step| &step.name);
        let others: Vec<&str> = template
            .dependencies(step)
            .iter()
            .skip(1)
            .filter_map(|&other| template.step(other))
            .map(|other| &*other.name)
            .collect();
        let also =
            if others.is_empty() { String::new() } else { format!(" (also after {})", others.join(", ")) };
        let branch = if last { "└─ " } else { "├─ " };
        text.push_str(&format!("{left}{branch}{name}{also}{}\n", note(step)));
        push(&mut open, Some(step), &format!("{left}{}", if last { "   " } else { "│  " }));
    }
    text
}
