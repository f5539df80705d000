//! What is checked of workflows while the program of a user is compiled.
//!
//! Everything here runs in the compiler, which has no memory to give: tables have a fixed size that the
//! macro chooses. What is found stops the compiler with a text that names the workflow and the steps.

use crate::handler::annotated::StepFn;
use crate::handler::const_message::Text;
use crate::handler::schema::Schemas;
use crate::handler::{Capability, Need};

/// The message has room for a few mistakes; the first ones help most.
pub(in crate::registry) type Message = Text<2048>;

/// No step.
pub(in crate::registry) const NOBODY: usize = usize::MAX;

/// A handler in the list of a workflow.
#[derive(Clone, Copy)]
pub struct Listed {
    pub(in crate::registry) name: &'static str,
    pub(in crate::registry) namespace: Option<&'static str>,
    pub(in crate::registry) needs: &'static [Need],
    pub(in crate::registry) capability: Capability,
    pub(in crate::registry) schemas: Schemas,
}

impl Listed {
    /// The steps that it has wait for it: the routes of a decision, the worker of an analyzer.
    pub(in crate::registry) const fn releases(&self) -> &[&'static str] {
        match &self.capability {
            Capability::Decision(routes) => routes,
            Capability::BatchAnalyzer(worker) => std::slice::from_ref(worker),
            _ => &[],
        }
    }

    pub(in crate::registry) const fn is_released_by(&self, other: &Self) -> bool {
        let released = other.releases();
        let mut at = 0;
        while at < released.len() {
            if equal(released[at], self.name) {
                return true;
            }
            at += 1;
        }
        false
    }
}

/// The handler `S`, in a list.
///
/// # Panics
/// When it is no step, which is while the program is compiled.
#[must_use]
#[track_caller]
pub const fn workflow_step<S: StepFn>() -> Listed {
    if S::COMPENSATES {
        let mut text = Message::new();
        text.push("`").push(S::NAME).push("` compensates another handler and is no step of a workflow: ");
        text.push("leave it out, it is found by itself").panic();
    }
    Listed {
        name: S::NAME,
        namespace: S::FACTS.namespace,
        needs: S::NEEDS,
        capability: S::FACTS.capability,
        schemas: S::SCHEMAS,
    }
}

/// Refuses a workflow that lists a step twice, leaves one out that another reads, or never ends.
/// `SLOTS` is a power of two and at least twice `N`.
///
/// # Panics
/// When the workflow is refused, which is while the program is compiled.
#[track_caller]
pub const fn check_workflow<const N: usize, const SLOTS: usize>(workflow: &str, steps: &[Listed; N]) {
    let mut text = Message::new();
    let names = index_names::<N, SLOTS>(workflow, steps, &mut text);
    let mut at = 0;
    while at < N {
        find_missing(workflow, steps, &names, at, &mut text);
        at += 1;
    }
    if text.is_empty() {
        find_cycle(workflow, steps, &names, &mut text);
    }
    if !text.is_empty() {
        text.panic();
    }
}

/// From the hash of a name to the number of the step, where two meet the next free place.
#[derive(Clone, Copy)]
pub struct Names<const SLOTS: usize> {
    slots: [usize; SLOTS],
}

pub(in crate::registry) const fn index_names<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    text: &mut Message,
) -> Names<SLOTS> {
    let mut names = Names { slots: [NOBODY; SLOTS] };
    let mut step = 0;
    while step < N {
        let name = steps[step].name;
        let mut slot = hash(name) & (SLOTS - 1);
        while names.slots[slot] != NOBODY && !equal(steps[names.slots[slot]].name, name) {
            slot = (slot + 1) & (SLOTS - 1);
        }
        if names.slots[slot] == NOBODY {
            names.slots[slot] = step;
        } else {
            problem(workflow, text).push("step `").push(name).push("` is listed twice: remove one");
        }
        if !is_step_name(name) {
            problem(workflow, text).push("no step can be called `").push(name);
            text.push("`: call the handler by letters, digits, `_`, `.` and `-`");
        }
        step += 1;
    }
    names
}

/// Whether a step may have this name. What else a name must not be is refused where it is given.
const fn is_step_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !(bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'_' | b'.' | b'-')) {
            return false;
        }
        at += 1;
    }
    true
}

impl<const SLOTS: usize> Names<SLOTS> {
    pub(in crate::registry) const fn number<const N: usize>(&self, steps: &[Listed; N], name: &str) -> usize {
        let mut slot = hash(name) & (SLOTS - 1);
        while self.slots[slot] != NOBODY {
            if equal(steps[self.slots[slot]].name, name) {
                return self.slots[slot];
            }
            slot = (slot + 1) & (SLOTS - 1);
        }
        NOBODY
    }
}

const fn find_missing<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    step: usize,
    text: &mut Message,
) {
    let needs = steps[step].needs;
    let mut at = 0;
    while at < needs.len() {
        if let Need::Step { name, .. } = needs[at]
            && names.number(steps, name) == NOBODY
        {
            problem(workflow, text).push("step `").push(steps[step].name).push("` reads `").push(name);
            text.push("`, which is not listed: add it");
        }
        at += 1;
    }
    let verb = match steps[step].capability {
        Capability::Decision(_) => "` routes to `",
        _ => "` cuts batches for `",
    };
    let released = steps[step].releases();
    let mut at = 0;
    while at < released.len() {
        if names.number(steps, released[at]) == NOBODY {
            problem(workflow, text).push("step `").push(steps[step].name).push(verb).push(released[at]);
            text.push("`, which is not listed: add it");
        }
        at += 1;
    }
}

/// Whether any step has others wait for it.
pub(in crate::registry) const fn is_releasing<const N: usize>(steps: &[Listed; N]) -> bool {
    let mut step = 0;
    while step < N {
        if !steps[step].releases().is_empty() {
            return true;
        }
        step += 1;
    }
    false
}

/// The step that `step` waits for by its edge number `edge`: what it reads, then every other step, which
/// it may be a route or the worker of.
pub(in crate::registry) const fn above<const N: usize, const SLOTS: usize>(
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    step: usize,
    edge: usize,
) -> usize {
    let needs = steps[step].needs;
    if edge < needs.len() {
        return match needs[edge] {
            Need::Step { name, .. } => names.number(steps, name),
            _ => NOBODY,
        };
    }
    let other = edge - needs.len();
    if steps[step].is_released_by(&steps[other]) { other } else { NOBODY }
}

/// Walks down from each step in turn, with the steps on the way in `path`.
const fn find_cycle<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    text: &mut Message,
) {
    let others = if is_releasing(steps) { N } else { 0 };
    let mut path = [0; N];
    let mut next_edge = [0; N];
    let (mut on_path, mut done) = ([false; N], [false; N]);
    let mut start = 0;
    while start < N {
        let mut depth = 0;
        if !done[start] {
            (path[0], on_path[start], depth) = (start, true, 1);
        }
        while depth > 0 {
            let step = path[depth - 1];
            if next_edge[step] == steps[step].needs.len() + others {
                (on_path[step], done[step]) = (false, true);
                depth -= 1;
                continue;
            }
            let above = above(steps, names, step, next_edge[step]);
            next_edge[step] += 1;
            if above == NOBODY || done[above] {
                continue;
            }
            if on_path[above] {
                tell_cycle(workflow, steps, &path, depth, above, text);
                return;
            }
            path[depth] = above;
            on_path[above] = true;
            depth += 1;
        }
        start += 1;
    }
}

const fn tell_cycle<const N: usize>(
    workflow: &str,
    steps: &[Listed; N],
    path: &[usize; N],
    depth: usize,
    first: usize,
    text: &mut Message,
) {
    problem(workflow, text).push("these steps wait for each other: ");
    let mut at = 0;
    while path[at] != first {
        at += 1;
    }
    while at < depth {
        text.push("`").push(steps[path[at]].name).push("` waits for ");
        at += 1;
    }
    text.push("`").push(steps[first].name).push("`");
}

/// Begins the next problem.
pub(in crate::registry) const fn problem<'t>(workflow: &str, text: &'t mut Message) -> &'t mut Message {
    if !text.is_empty() {
        text.push("\n");
    }
    text.push("workflow `").push(workflow).push("`: ")
}

/// FNV-1a.
const fn hash(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash as usize
}

pub(in crate::registry) const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}
