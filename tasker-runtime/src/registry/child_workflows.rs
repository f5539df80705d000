//! Steps that start other workflows, held against the templates that there are.

use std::collections::BTreeMap;

use tasker_template::{ChildInput, OnTimeout, Step, StepKind, Template};

use super::Catalog;

/// What is wrong with the steps of the templates that start others, each in one line.
pub(super) fn mistakes(catalog: &Catalog) -> Vec<String> {
    let mut found = Vec::new();
    // What every task of a template starts, whatever it decides: the step and the template.
    let mut always: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for template in catalog.iter() {
        let own = full_name(template);
        for (number, step) in (0..).zip(template.steps()) {
            let Some(workflow) = &step.workflow else { continue };
            let run = workflow.full_name(template.namespace());
            let place =
                format!("workflow {own} {}, step `{}`: it starts `{run}`", template.version(), step.name);
            match (catalog.find(&run), &workflow.version) {
                (Err(unknown), _) => found.push(format!("{place}, and {unknown}")),
                (Ok(known), Some(version)) if known.version().to_string() != *version => {
                    found.push(format!(
                        "{place} in version {version}, and this program has {}",
                        known.version()
                    ));
                }
                (Ok(_), _)
                    if matches!(workflow.input, ChildInput::One(_)) && is_certain(template, number) =>
                {
                    always.entry(own.clone()).or_default().push((step.name.to_string(), run));
                }
                (Ok(_), _) => {}
            }
        }
    }
    found.extend(always.keys().filter_map(|start| circle(&always, start)));
    found
}

fn full_name(template: &Template) -> String {
    format!("{}/{}", template.namespace(), template.name())
}

/// Whether every task of the template that completes runs this step.
fn is_certain(template: &Template, step: u32) -> bool {
    let leaves_out = |step: &Step| {
        let skipped = |signal: &tasker_template::SignalConfig| signal.on_timeout == OnTimeout::Skip;
        step.kind == StepKind::Decision || step.signal.as_ref().is_some_and(skipped)
    };
    !template.graph().ancestors(step).into_iter().filter_map(|above| template.step(above)).any(leaves_out)
}

/// A circle of workflows that start each other without end, told where the one comes that is first by its name.
fn circle(always: &BTreeMap<String, Vec<(String, String)>>, start: &str) -> Option<String> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen: Vec<String> = Vec::new();
    while let Some(way) = ways.pop() {
        for (step, next) in way.last().and_then(|last| always.get(last)).into_iter().flatten() {
            if next == start {
                let through: Vec<String> = way.iter().map(|name| format!("`{name}`")).collect();
                let first = way.iter().min().is_some_and(|first| first == start);
                return first.then(|| {
                    format!(
                        "workflows that start each other have no end: {} starts `{start}` again, in step `{step}`: let a decision come before it, or start one for each item of a list",
                        through.join(" starts ")
                    )
                });
            }
            if !seen.contains(next) {
                seen.push(next.clone());
                ways.push(way.iter().cloned().chain([next.clone()]).collect());
            }
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tasker_template::{ChildConfig, Source};

    fn starts(name: &str, run: &str, below_decision: bool) -> Template {
        let context = Source { step: None, path: Vec::new() };
        let child = Step::workflow("next", ChildConfig::of(run, ChildInput::One(context)));
        let mut builder = Template::builder(name).namespace("t");
        if below_decision {
            builder = builder.step(Step::new("choose").kind(StepKind::Decision));
        }
        builder.step(if below_decision { child.after(["choose"]) } else { child }).build().unwrap()
    }

    fn mistakes_of(templates: impl IntoIterator<Item = Template>) -> Vec<String> {
        let mut catalog = Catalog::default();
        templates.into_iter().for_each(|template| catalog.add(template));
        mistakes(&catalog)
    }

    #[test]
    fn workflow_that_is_not_there_is_named_with_the_nearest() {
        let shop = || Template::builder("shop").namespace("t").step(Step::new("buy")).build().unwrap();
        assert_eq!(mistakes_of([starts("order", "shop", false), shop()]), [""; 0]);
        assert_eq!(
            mistakes_of([starts("order", "shopp", false), shop()]),
            [
                "workflow t/order 1.0.0, step `next`: it starts `t/shopp`, and there is no template `t/shopp`; did you mean `t/shop`?"
            ]
        );
    }

    #[test]
    fn another_version_is_refused() {
        let mut order = starts("order", "shop", false).steps()[0].clone();
        order.workflow.as_mut().unwrap().version = Some("2.0.0".to_owned());
        let order = Template::builder("order").namespace("t").step(order).build().unwrap();
        let shop = Template::builder("shop").namespace("t").step(Step::new("buy")).build().unwrap();
        assert_eq!(
            mistakes_of([order, shop]),
            [
                "workflow t/order 1.0.0, step `next`: it starts `t/shop` in version 2.0.0, and this program has 1.0.0"
            ]
        );
    }

    #[test]
    fn circle_without_an_end_is_told_once() {
        let circle = [starts("a", "b", false), starts("b", "c", false), starts("c", "a", false)];
        assert_eq!(
            mistakes_of(circle),
            [
                "workflows that start each other have no end: `t/a` starts `t/b` starts `t/c` starts `t/a` again, in step `next`: let a decision come before it, or start one for each item of a list"
            ]
        );
        // One that may stop somewhere has one.
        let stops = [starts("a", "b", false), starts("b", "c", true), starts("c", "a", false)];
        assert_eq!(mistakes_of(stops), [""; 0]);
        assert_eq!(mistakes_of([starts("self", "self", false)]).len(), 1);
    }
}
