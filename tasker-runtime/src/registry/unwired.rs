//! Why a step cannot read what its handler names, in words.

use tasker_template::{Template, nearest};

use super::check::step_name;
use crate::handler::wiring::Unwired;

/// The end of a sentence about step `number`, whose handler reads `name`, with the way out.
pub(super) fn reason(template: &Template, number: u32, name: &str, unwired: Unwired) -> String {
    match unwired {
        Unwired::NotBefore(other) if template.is_ancestor(other, number) => {
            "which comes after it and has no result by then: take the parameter away".to_owned()
        }
        Unwired::NotBefore(other) => {
            let other = step_name(template, other);
            format!("which the step does not wait for: add `{other}` to its `depends_on`")
        }
        Unwired::Several(steps) => {
            let names: Vec<String> =
                steps.iter().map(|&step| format!("`{}`", step_name(template, step))).collect();
            format!("which {} call: give one of them the name `{name}`", names.join(" and "))
        }
        Unwired::Unknown => {
            // Nobody reads their own result.
            let others = (0..).zip(template.steps()).filter(|(other, _)| *other != number);
            let near = nearest(name, others.map(|(_, step)| &*step.name));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("and no step has that name or calls that handler{near}")
        }
    }
}
