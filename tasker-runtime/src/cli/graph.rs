//! Draws templates and tasks.

use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::{Context, Done, inspect, output};
use crate::{
    api::TaskReport,
    template::{StepKind, Template},
};

/// Draw a template or a task.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// A template (namespace/name) or the id of a task
    what: String,
    /// The form of the drawing
    #[arg(long, default_value = "tree")]
    form: Drawing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// Indented lines
    Tree,
    /// A Mermaid flowchart
    Mermaid,
}

impl Graph {
    pub(crate) async fn run(self, context: Context) -> Done {
        let (report, template) = match self.what.parse() {
            Ok(task) => {
                let tasker = context.builder().kept_only().connect().await?;
                let found = tasker.show_with_template(task).await?;
                let (report, template) = found.ok_or_else(|| inspect::unknown_task(task))?;
                (Some(report), template)
            }
            Err(_) => {
                let templates = context.builder().wanting(&self.what).templates()?;
                (None, templates.find(&self.what).map_err(super::run::unknown_template)?.clone())
            }
        };
        let template = &template;
        let text = match self.form {
            Drawing::Tree => {
                let steps = tree(template, |step| note(template, step, report.as_ref()));
                steps + &report.as_ref().map(rollback).unwrap_or_default()
            }
            Drawing::Mermaid => mermaid(template, report.as_ref()),
        };
        output::print(text.trim_end())
    }
}

fn note(template: &Arc<Template>, step: u32, report: Option<&TaskReport>) -> String {
    let Some(found) = template.step(step) else { return String::new() };
    let kind = if found.kind == StepKind::Standard { String::new() } else { format!("  [{}]", found.kind) };
    match report.and_then(|report| report.step(&found.name)) {
        Some(step) => {
            let batches = step.batches.map(|batches| format!("  {batches}")).unwrap_or_default();
            let routes = if found.kind == StepKind::Decision { routes(&step.result) } else { String::new() };
            format!("{kind}  {}{batches}{routes}", output::step_state(step.state))
        }
        None => kind,
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

fn mermaid(template: &Template, report: Option<&TaskReport>) -> String {
    let mut text = String::from("flowchart TD\n");
    for (number, step) in template.steps().iter().enumerate() {
        let state = report.and_then(|report| report.step(&step.name)).map(|step| {
            let batches = step.batches.map(|batches| format!("<br/>{batches}")).unwrap_or_default();
            format!("<br/>{}{batches}", step.state)
        });
        let label = format!("{}{}", step.name, state.unwrap_or_default());
        let shape = match step.kind {
            StepKind::Decision => format!("{{\"{label}\"}}"),
            StepKind::Batchable | StepKind::BatchWorker => format!("[[\"{label}\"]]"),
            _ => format!("[\"{label}\"]"),
        };
        text.push_str(&format!("    s{number}{shape}\n"));
    }
    for number in 0u32.. {
        if template.step(number).is_none() {
            break;
        }
        for upstream in template.dependencies(number) {
            text.push_str(&format!("    s{upstream} --> s{number}\n"));
        }
    }
    for (place, undo) in report.into_iter().flat_map(|report| &report.compensations).enumerate() {
        text.push_str(&format!("    u{place}([\"{}<br/>{}\"])\n", undo.name, undo.state));
        if let Some(before) = place.checked_sub(1) {
            text.push_str(&format!("    u{before} --> u{place}\n"));
        }
        let undone = |name: &str| undo.name.strip_prefix("undo ").is_some_and(|undone| undone == name);
        if let Some(number) = template.steps().iter().position(|step| undone(&step.name)) {
            text.push_str(&format!("    s{number} -.-> u{place}\n"));
        }
    }
    text
}
