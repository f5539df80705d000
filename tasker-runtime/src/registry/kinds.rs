//! Whether a step is of the type that its handler is made for.

use tasker_template::{StepKind, Template};

use crate::handler::{Registration, Role, callable};

/// Why step `number` and its handler do not fit, with the way out.
pub(super) fn mismatch(template: &Template, number: u32, handler: &Registration) -> Option<String> {
    let spec = handler.spec();
    let step = template.step(number)?;
    let kind = step.kind;
    if step.max_rounds.is_some() && spec.rounds.is_none() {
        return Some(
            "gives a result when it is called once, but the step has `max_rounds`\n  take that away, or let the handler return a `Loop`"
                .to_owned(),
        );
    }
    if spec.rounds.is_some() && kind != StepKind::Standard {
        return Some(format!(
            "goes round, but the step is of type `{kind}`\n  let a step of no type poll, and one of type `{kind}` read what it is done with"
        ));
    }
    let (made_for, attribute) = match spec.role {
        Role::Decision(_) => (StepKind::Decision, "decision"),
        Role::BatchAnalyzer(_) => (StepKind::Batchable, "batch_analyzer"),
        Role::BatchWorker => (StepKind::BatchWorker, "batch_worker"),
        // One written by hand may return any outcome; an annotated function says what it returns.
        _ => return spec.output.and_then(|_| plain(kind)),
    };
    if kind != made_for {
        return Some(format!(
            "has `#[{attribute}]`, but the step is of type `{kind}`\n  write `type: {made_for}` in the template, or let the step call another handler"
        ));
    }
    match &spec.role {
        Role::Decision(routes) => {
            let missing: Vec<&str> = routes.iter().map(AsRef::as_ref).filter(|route| !below(template, number, route)).collect();
            (!missing.is_empty()).then(|| {
                let missing = missing.join("`, `");
                format!(
                    "routes to `{missing}`, which no step below calls\n  let such a step depend on this one, or take it out of `routes`"
                )
            })
        }
        Role::BatchAnalyzer(worker) => (!below(template, number, worker)).then(|| {
            format!(
                "cuts batches for `{worker}`, which no step below calls\n  let a step of type `batch_worker` with that handler depend on this one"
            )
        }),
        _ => None,
    }
}

fn plain(kind: StepKind) -> Option<String> {
    let attribute = match kind {
        StepKind::Decision => "decision(routes = [..])",
        StepKind::Batchable => "batch_analyzer(worker = ..)",
        StepKind::BatchWorker => "batch_worker",
        _ => return None,
    };
    Some(format!(
        "lacks `#[{attribute}]`, which a step of type `{kind}` needs\n  add it, or write `type: standard` in the template"
    ))
}

/// Whether a step that depends on step `number` has this name or calls this handler.
fn below(template: &Template, number: u32, name: &str) -> bool {
    let mut steps = template.dependents(number).iter().filter_map(|&below| template.step(below));
    steps.any(|step| *step.name == *name || callable::calls(&step.handler.callable, name))
}
