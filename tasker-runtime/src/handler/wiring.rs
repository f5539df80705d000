//! Which step of a template a handler means when it names another handler.
//!
//! A step usually has the name of its handler. Where it does not, the handler it calls decides, among
//! the steps that come before the reader.

use tasker_template::Template;

use super::callable;

/// Why no step could be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unwired {
    /// No step has this name or calls this handler.
    Unknown,
    /// There is such a step, but the reader does not wait for it.
    NotBefore(u32),
    /// Several steps before the reader call this handler, and none has its name.
    Several(Vec<u32>),
}

/// Whether `step` itself has this name or calls the handler of this name: what a compensation means by
/// the name of what it undoes.
pub(crate) fn is(template: &Template, step: u32, name: &str) -> bool {
    template
        .step(step)
        .is_some_and(|step| *step.name == *name || callable::calls(&step.handler.callable, name))
}

/// The number of the step that `step` means by `name`, one it depends on directly or not.
pub(crate) fn find(template: &Template, step: u32, name: &str) -> Result<u32, Unwired> {
    let named = template.number_of(name);
    match named {
        Some(number) if template.is_ancestor(step, number) => return Ok(number),
        _ => {}
    }
    let calls = |number: &u32| {
        template.step(*number).is_some_and(|step| callable::calls(&step.handler.callable, name))
    };
    let mut before: Vec<u32> = template.graph().ancestors(step).into_iter().filter(calls).collect();
    match (before.pop(), before.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            before.push(last);
            Err(Unwired::Several(before))
        }
        (None, _) => {
            let elsewhere = named.or_else(|| (0..).take(template.steps().len()).find(calls));
            Err(elsewhere.map_or(Unwired::Unknown, Unwired::NotBefore))
        }
    }
}
