//! What is checked of workflows while the program of a user is compiled.
//!
//! Everything here runs in the compiler, which has no memory to give: tables have a fixed size that the
//! macro chooses. What is found stops the compiler with a text that names the workflow and the steps.

pub use super::listed::Listed;
use super::reads::Reads;
use crate::handler::const_message::Text;
use crate::handler::{Capability, Need};

/// The message has room for a few mistakes; the first ones help most.
pub(in crate::registry) type Message = Text<2048>;

/// No step.
pub(in crate::registry) const NOBODY: usize = usize::MAX;

/// Whether the step `step` is a route or the worker of `other`.
pub(in crate::registry) const fn is_released_by<const N: usize, const SLOTS: usize>(
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    step: usize,
    other: usize,
) -> bool {
    let (released, listed) = (steps[other].releases(), &steps[step]);
    let mut at = 0;
    while at < released.len() {
        let is_meant = equal(released[at], listed.step)
            || listed.is_alias
                && equal(released[at], listed.name)
                && names.number(steps, released[at]) == step;
        if is_meant {
            return true;
        }
        at += 1;
    }
    false
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
    // A handler of which nothing is known, since it is mistaken, may be the one that cuts the batches.
    let (mut at, mut all_known) = (0, true);
    while at < N {
        all_known &= !matches!(steps[at].needs, [Need::Unknown, ..]);
        at += 1;
    }
    at = 0;
    while at < N {
        find_missing(workflow, steps, &names, at, &mut text);
        if all_known && matches!(steps[at].capability, Capability::BatchWorker) {
            find_analyzer(workflow, steps, &names, at, &mut text);
        }
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
    /// Whether a step has another name than its handler.
    has_aliases: bool,
}

/// No step has this name, and more than one calls a handler of it.
pub(in crate::registry) const SEVERAL: usize = NOBODY - 1;

pub(in crate::registry) const fn index_names<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    text: &mut Message,
) -> Names<SLOTS> {
    let mut names = Names { slots: [NOBODY; SLOTS], has_aliases: false };
    let mut step = 0;
    while step < N {
        let name = steps[step].step;
        names.has_aliases |= steps[step].is_alias;
        let mut slot = hash(name) & (SLOTS - 1);
        while names.slots[slot] != NOBODY && !equal(steps[names.slots[slot]].step, name) {
            slot = (slot + 1) & (SLOTS - 1);
        }
        if names.slots[slot] == NOBODY {
            names.slots[slot] = step;
        } else {
            problem(workflow, text).push("step `").push(name).push("` is listed twice: remove one");
        }
        // Of a handler that is mistaken that is said already.
        if !is_step_name(name) && !matches!(steps[step].needs, [Need::Unknown, ..]) {
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
    /// The step of this name; where there is none, the only one that calls the handler of this name. `NOBODY` or
    /// `SEVERAL` where that is not one.
    pub(in crate::registry) const fn find<const N: usize>(&self, steps: &[Listed; N], name: &str) -> usize {
        let mut slot = hash(name) & (SLOTS - 1);
        while self.slots[slot] != NOBODY {
            if equal(steps[self.slots[slot]].step, name) {
                return self.slots[slot];
            }
            slot = (slot + 1) & (SLOTS - 1);
        }
        let mut found = NOBODY;
        let mut step = 0;
        while self.has_aliases && step < N {
            if equal(steps[step].name, name) {
                if found != NOBODY {
                    return SEVERAL;
                }
                found = step;
            }
            step += 1;
        }
        found
    }

    /// The same, `NOBODY` where there are several.
    pub(in crate::registry) const fn number<const N: usize>(&self, steps: &[Listed; N], name: &str) -> usize {
        match self.find(steps, name) {
            SEVERAL => NOBODY,
            number => number,
        }
    }
}

const fn find_missing<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    step: usize,
    text: &mut Message,
) {
    let mut reads = Reads::of(steps[step].needs);
    while let Some(read) = reads.next() {
        let verb = match (steps[step].capability, read.is_read) {
            (Capability::Signal(_) | Capability::Timer(_), _) | (_, false) => "` comes after `",
            _ => "` reads `",
        };
        tell_missing(workflow, steps, names, (step, verb, read.name), text);
        let above = names.number(steps, read.name);
        if above != NOBODY && read.is_of_another_route(steps[step].name, steps[above].releases()) {
            problem(workflow, text).push("step `").push(steps[step].step).push(OTHER_ROUTE).push(read.name);
            text.push(TAKE_ALL);
        }
    }
    tell_all_missing(workflow, steps, names, (step, "` comes after `", steps[step].after), text);
    let verb = match steps[step].capability {
        Capability::Decision(_) => "` routes to `",
        _ => "` cuts batches for `",
    };
    tell_all_missing(workflow, steps, names, (step, verb, steps[step].releases()), text);
}

/// Refuses a batch worker whose batches nobody cuts, or more than one step.
const fn find_analyzer<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    worker: usize,
    text: &mut Message,
) {
    let (mut first, mut other) = (NOBODY, 0);
    while other < N {
        let cuts = matches!(steps[other].capability, Capability::BatchAnalyzer(_))
            && is_released_by(steps, names, worker, other);
        if cuts && first != NOBODY {
            problem(workflow, text).push("`").push(steps[first].step).push("` and `").push(steps[other].step);
            text.push("` both cut batches for `").push(steps[worker].step).push("`: list one of them");
            return;
        }
        if cuts {
            first = other;
        }
        other += 1;
    }
    if first == NOBODY {
        problem(workflow, text).push("nothing cuts the batches of `").push(steps[worker].step);
        text.push("`: list a step with `#[batch_analyzer(worker = ").push(steps[worker].name).push(")]`");
    }
}

/// Of a branch that reads what another one is told.
pub(in crate::registry) const OTHER_ROUTE: &str = "` reads what is carried to another route of `";
/// The way out.
pub(in crate::registry) const TAKE_ALL: &str = "`: take an `Option` of it, or the enum itself";

const fn tell_all_missing<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    (step, verb, named): (usize, &str, &[&str]),
    text: &mut Message,
) {
    let mut at = 0;
    while at < named.len() {
        tell_missing(workflow, steps, names, (step, verb, named[at]), text);
        at += 1;
    }
}

const fn tell_missing<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    (step, verb, name): (usize, &str, &str),
    text: &mut Message,
) {
    let why = match names.find(steps, name) {
        NOBODY => "`, which is not listed: add it",
        SEVERAL => "`, which several steps call: give one of them that name",
        _ => return,
    };
    problem(workflow, text).push("step `").push(steps[step].step).push(verb).push(name).push(why);
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

/// What a step waits for, one after the other: the steps it reads, those it comes after, then those that release
/// it.
#[derive(Clone, Copy)]
pub(in crate::registry) struct Above {
    step: usize,
    reads: Reads,
    /// The next one that it comes after.
    after: usize,
    /// The next step that may release it.
    other: usize,
    /// Whether it copes without the last one, where that is on a branch that was not taken.
    pub(in crate::registry) copes_without: bool,
}

impl Above {
    /// What `step` waits for; `releasing` is whether any step has others wait for it.
    pub(in crate::registry) const fn of<const N: usize>(
        steps: &[Listed; N],
        step: usize,
        releasing: bool,
    ) -> Self {
        let other = if releasing { 0 } else { N };
        Self { step, reads: Reads::of(steps[step].needs), after: 0, other, copes_without: false }
    }

    /// The next step; `NOBODY` for one that is not listed.
    pub(in crate::registry) const fn next<const N: usize, const SLOTS: usize>(
        &mut self,
        steps: &[Listed; N],
        names: &Names<SLOTS>,
    ) -> Option<usize> {
        self.copes_without = false;
        if let Some(read) = self.reads.next() {
            self.copes_without = read.optional;
            return Some(names.number(steps, read.name));
        }
        let after = steps[self.step].after;
        if self.after < after.len() {
            self.after += 1;
            return Some(names.number(steps, after[self.after - 1]));
        }
        while self.other < N {
            self.other += 1;
            if is_released_by(steps, names, self.step, self.other - 1) {
                return Some(self.other - 1);
            }
        }
        None
    }
}

/// Walks down from each step in turn, with the steps on the way in `path`.
const fn find_cycle<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    text: &mut Message,
) {
    let releasing = is_releasing(steps);
    let mut path = [0; N];
    let mut edges = [Above::of(steps, 0, releasing); N];
    let (mut on_path, mut done) = ([false; N], [false; N]);
    let mut start = 0;
    while start < N {
        edges[start] = Above::of(steps, start, releasing);
        start += 1;
    }
    start = 0;
    while start < N {
        let mut depth = 0;
        if !done[start] {
            (path[0], on_path[start], depth) = (start, true, 1);
        }
        while depth > 0 {
            let step = path[depth - 1];
            let Some(above) = edges[step].next(steps, names) else {
                (on_path[step], done[step]) = (false, true);
                depth -= 1;
                continue;
            };
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
        text.push("`").push(steps[path[at]].step).push("` waits for ");
        at += 1;
    }
    text.push("`").push(steps[first].step).push("`");
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
