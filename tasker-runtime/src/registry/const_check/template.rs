//! What is checked of a template file against its handlers while the program of a user is compiled.
//!
//! Which step a handler reads is found as it is when the step runs; see [`crate::handler::wiring`].
//! Whether its type is the right one is checked when the program starts: the compiler cannot compare
//! two types in a constant.

use super::reads::Reads;
use super::workflow::{Listed, Message, NOBODY, OTHER_ROUTE, TAKE_ALL, equal};
use crate::handler::annotated::StepFn;
use crate::handler::param::reads;

/// A name that may stand for a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function with `#[step_handler]`, and the template calls it",
    note = "add `#[step_handler]` to an async fn of this name"
)]
pub trait TemplateStep {
    /// The handler; `None` where there is none of that name.
    const FOUND: Option<Listed>;
}

#[diagnostic::do_not_recommend]
impl<S: StepFn> TemplateStep for S {
    const FOUND: Option<Listed> = Some(super::listed::workflow_step::<S>());
}

/// The handler that the name stands for.
#[must_use]
pub const fn template_step<B: TemplateStep>() -> Option<Listed> {
    B::FOUND
}

/// The handler of a list that `callable` means, with or without its namespace.
#[must_use]
pub const fn pick(list: &[Listed], callable: &str) -> Option<Listed> {
    let mut at = 0;
    while at < list.len() {
        if equal(list[at].name, callable) || is_qualified(&list[at], callable) {
            return Some(list[at]);
        }
        at += 1;
    }
    None
}

/// A step of a file, and the handler it found.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// The name of the step.
    pub step: &'static str,
    /// Where its handler is written, `config/x.yaml:12:14`.
    pub place: &'static str,
    /// What the file calls the handler.
    pub callable: &'static str,
    /// The numbers of the steps it waits for.
    pub depends_on: &'static [usize],
    /// The handler.
    pub found: Option<Listed>,
    /// The handler that is called as the step is, where the names are similar, or one of a list.
    pub near: Option<Listed>,
}

/// Which steps read the context as a whole.
#[must_use]
pub const fn readers<const N: usize>(steps: &[Wanted; N]) -> [bool; N] {
    let mut readers = [false; N];
    let mut at = 0;
    while at < N {
        if let Some(handler) = &steps[at].found {
            readers[at] = reads(handler.needs);
        }
        at += 1;
    }
    readers
}

/// Refuses a template whose handlers are missing or read what their step does not wait for.
///
/// # Panics
/// When the template is refused, which is while the program is compiled.
#[track_caller]
pub const fn check_template<const N: usize>(namespace: &str, handlers: &str, steps: &[Wanted; N]) {
    let mut text = Message::new();
    let mut at = 0;
    while at < N {
        match &steps[at].found {
            None => tell_missing(handlers, steps, at, &mut text),
            Some(handler) => {
                check_name(namespace, &steps[at], handler, &mut text);
                check_needs(steps, at, handler, &mut text);
            }
        }
        at += 1;
    }
    if !text.is_empty() {
        text.panic();
    }
}

const fn tell_missing<const N: usize>(handlers: &str, steps: &[Wanted; N], at: usize, text: &mut Message) {
    let step = &steps[at];
    problem(step, text).push("there is no handler `").push(step.callable).push("` in ").push(handlers);
    let near = match &step.near {
        Some(near) => Some(near.name),
        None => nearest(steps, step.callable),
    };
    match near {
        Some(name) => text.push("; did you mean `").push(name).push("`?"),
        None => text.push(": is it `pub`, and has it `#[step_handler]`?"),
    };
}

/// The name of a handler that other steps call, and which is like `written`.
const fn nearest<const N: usize>(steps: &[Wanted; N], written: &str) -> Option<&'static str> {
    let (mut best, mut name) = (written.len().div_ceil(3), None);
    let mut at = 0;
    while at < N {
        if let Some(handler) = &steps[at].found {
            let distance = distance(written.as_bytes(), handler.name.as_bytes());
            if distance < best || distance == best && name.is_none() {
                (best, name) = (distance, Some(handler.name));
            }
        }
        at += 1;
    }
    name
}

/// The longest name that is compared.
const LONG: usize = 64;

/// How many letters are to be changed, added, left out or swapped with their neighbours; many, where a name
/// is long.
const fn distance(one: &[u8], other: &[u8]) -> usize {
    if one.len() > LONG || other.len() > LONG {
        return usize::MAX;
    }
    let mut rows = [[0; LONG + 1]; 3];
    let mut column = 0;
    while column <= other.len() {
        rows[0][column] = column;
        column += 1;
    }
    let mut row = 1;
    while row <= one.len() {
        let (now, before) = (row % 3, (row + 2) % 3);
        rows[now][0] = row;
        let mut column = 1;
        while column <= other.len() {
            let differs = one[row - 1] != other[column - 1];
            let mut least = rows[before][column - 1] + differs as usize;
            least = smaller(least, rows[before][column] + 1);
            least = smaller(least, rows[now][column - 1] + 1);
            if row > 1 && column > 1 && one[row - 1] == other[column - 2] && one[row - 2] == other[column - 1]
            {
                least = smaller(least, rows[(row + 1) % 3][column - 2] + 1);
            }
            rows[now][column] = least;
            column += 1;
        }
        row += 1;
    }
    rows[one.len() % 3][other.len()]
}

const fn smaller(one: usize, other: usize) -> usize {
    if one < other { one } else { other }
}

/// A function may be registered under another name than its own, and the file must use that.
const fn check_name(namespace: &str, step: &Wanted, handler: &Listed, text: &mut Message) {
    let by_name = equal(step.callable, handler.name)
        && match handler.namespace {
            Some(own) => equal(own, namespace),
            None => true,
        };
    if by_name || is_qualified(handler, step.callable) {
        return;
    }
    problem(step, text).push("the handler is registered as `");
    if let Some(own) = handler.namespace {
        text.push(own).push(".");
    }
    text.push(handler.name).push("`: write that in place of `").push(step.callable).push("`");
}

const fn is_qualified(handler: &Listed, callable: &str) -> bool {
    let Some(own) = handler.namespace else { return false };
    let (own, name, callable) = (own.as_bytes(), handler.name.as_bytes(), callable.as_bytes());
    if callable.len() != own.len() + 1 + name.len() || callable[own.len()] != b'.' {
        return false;
    }
    let mut at = 0;
    while at < callable.len() {
        let wanted = if at < own.len() {
            own[at]
        } else if at == own.len() {
            b'.'
        } else {
            name[at - own.len() - 1]
        };
        if callable[at] != wanted {
            return false;
        }
        at += 1;
    }
    true
}

const fn check_needs<const N: usize>(steps: &[Wanted; N], step: usize, handler: &Listed, text: &mut Message) {
    let mut reads = Reads::of(handler.needs);
    while let Some(read) = reads.next() {
        let found = find(steps, step, read.name);
        if let Found::One(above) = found {
            let routes = match &steps[above].found {
                Some(decision) => decision.releases(),
                None => &[],
            };
            if read.is_of_another_route(handler.name, routes) {
                problem(&steps[step], text).push("its handler").push(OTHER_ROUTE.split_at(1).1);
                text.push(read.name).push(TAKE_ALL);
            }
            continue;
        }
        let verb = if read.is_read { "its handler reads `" } else { "its handler comes after `" };
        problem(&steps[step], text).push(verb).push(read.name);
        match found {
            Found::Several => text.push("`, which several steps before it call: give one of them that name"),
            Found::NotBefore(other) => {
                text.push("`, which the step does not wait for: add `").push(steps[other].step);
                text.push("` to its `depends_on`")
            }
            _ => text.push("`, and no step has that name or calls that handler"),
        };
    }
}

/// Which step is meant by a name.
enum Found {
    One(usize),
    Several,
    NotBefore(usize),
    Nothing,
}

const fn find<const N: usize>(steps: &[Wanted; N], step: usize, name: &str) -> Found {
    // Nearly always one of those that are listed.
    let direct = steps[step].depends_on;
    let mut at = 0;
    while at < direct.len() {
        if equal(steps[direct[at]].step, name) {
            return Found::One(direct[at]);
        }
        at += 1;
    }
    let before = ancestors(steps, step);
    let (mut called, mut count, mut elsewhere) = (NOBODY, 0, NOBODY);
    let mut at = 0;
    while at < N {
        let named = equal(steps[at].step, name);
        if named && before[at] {
            return Found::One(at);
        }
        let calls = match &steps[at].found {
            Some(handler) => equal(handler.name, name),
            None => equal(steps[at].callable, name),
        };
        if calls && before[at] {
            (called, count) = (at, count + 1);
        } else if at != step && (named || calls) && (named || elsewhere == NOBODY) {
            elsewhere = at;
        }
        at += 1;
    }
    if count > 1 {
        Found::Several
    } else if called != NOBODY {
        Found::One(called)
    } else if elsewhere != NOBODY {
        Found::NotBefore(elsewhere)
    } else {
        Found::Nothing
    }
}

const fn ancestors<const N: usize>(steps: &[Wanted; N], step: usize) -> [bool; N] {
    let mut seen = [false; N];
    let mut open = [0; N];
    open[0] = step;
    let mut left = 1;
    while left > 0 {
        left -= 1;
        let above = steps[open[left]].depends_on;
        let mut at = 0;
        while at < above.len() {
            if !seen[above[at]] {
                seen[above[at]] = true;
                open[left] = above[at];
                left += 1;
            }
            at += 1;
        }
    }
    seen
}

/// Begins the next problem.
const fn problem<'t>(step: &Wanted, text: &'t mut Message) -> &'t mut Message {
    if !text.is_empty() {
        text.push("\n");
    }
    text.push(step.place).push(": step `").push(step.step).push("`: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters_and_swaps() {
        for (one, other, letters) in [
            ("", "", 0),
            ("charge", "charge", 0),
            ("chrage", "charge", 1),
            ("chage", "charge", 1),
            ("charges", "charge", 1),
            ("refund", "charge", 6),
            ("", "abc", 3),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), letters, "{one} {other}");
        }
        assert_eq!(distance(&[b'a'; LONG + 1], b"a"), usize::MAX);
    }
}
