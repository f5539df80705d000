//! What a workflow is started with and what it comes to, worked out while the program of a user is compiled.

use super::workflow::{
    Above, Listed, Message, NOBODY, Names, index_names, is_released_by, is_releasing, problem,
};
use crate::handler::param::reads;
use crate::handler::wait::Absent;
use crate::handler::{Capability, Need};

/// The first step that reads the context, of those that `known` does not say; `N`: none does.
#[must_use]
pub const fn reader<const N: usize>(steps: &[Listed; N], known: &[[bool; 2]; N]) -> usize {
    let mut readers = [false; N];
    let mut at = 0;
    while at < N {
        readers[at] = reads(steps[at].needs);
        at += 1;
    }
    reader_of(&readers, known)
}

/// The same of steps of which it is known whether they read the context.
#[must_use]
pub const fn reader_of<const N: usize>(readers: &[bool; N], known: &[[bool; 2]; N]) -> usize {
    let mut at = 0;
    while at < N {
        if readers[at] && !known[at][READS] {
            return at;
        }
        at += 1;
    }
    N
}

/// Of a step, whether it reads the context as a type.
const READS: usize = 0;
/// Of a step, whether it returns that type.
const RETURNS: usize = 1;

/// The numbers of the steps by their names.
#[must_use]
pub const fn names<const N: usize, const SLOTS: usize>(steps: &[Listed; N]) -> Names<SLOTS> {
    index_names::<N, SLOTS>("", steps, &mut Message::new())
}

/// Refuses a workflow one of whose steps reads from the context what another one returns, which is nearly
/// always a parameter without `#[depends_on]`.
///
/// That is meant where the type is the one of the context: where the step that returns it, or one before
/// that, reads the context as the same type, or where the workflow says so itself.
///
/// # Panics
/// When the workflow is refused, which is while the program is compiled.
#[track_caller]
pub const fn check_marked<const N: usize, const SLOTS: usize>(
    workflow: &str,
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    of_type: &[[bool; 2]; N],
) {
    let below = below_readers(steps, names, of_type);
    let mut text = Message::new();
    let mut returning = 0;
    while returning < N {
        // Of one with a mistake it is not known what it comes after, and the mistake is told already.
        let is_meant =
            of_type[returning][RETURNS] && !below[returning] && !is_mistaken(steps[returning].needs);
        let mut at = 0;
        while at < N && is_meant {
            if of_type[at][READS] {
                let name = steps[returning].name;
                problem(workflow, &mut text).push("`").push(steps[at].name);
                text.push("` reads from the context what `").push(name);
                text.push("` returns: mark the parameter with `#[depends_on(").push(name);
                text.push(")]`, or say `input = ..` where the context is of that type");
            }
            at += 1;
        }
        returning += 1;
    }
    if !text.is_empty() {
        text.panic();
    }
}

const fn is_mistaken(needs: &[Need]) -> bool {
    matches!(needs, [Need::Unknown, ..])
}

/// Which steps read the context as the type, or come after one that does.
const fn below_readers<const N: usize, const SLOTS: usize>(
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    of_type: &[[bool; 2]; N],
) -> [bool; N] {
    let releasing = is_releasing(steps);
    let mut below = [false; N];
    // Steps are nearly always listed in their order, so once or twice is enough.
    let mut changed = true;
    while changed {
        changed = false;
        let mut at = 0;
        while at < N {
            let above = Above::of(steps, at, releasing);
            if !below[at] && (of_type[at][READS] || comes_after(steps, names, above, &below)) {
                (below[at], changed) = (true, true);
            }
            at += 1;
        }
    }
    below
}

const fn comes_after<const N: usize, const SLOTS: usize>(
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    mut above: Above,
    those: &[bool; N],
) -> bool {
    while let Some(step) = above.next(steps, names) {
        if step != NOBODY && those[step] {
            return true;
        }
    }
    false
}

/// The step whose result is that of the workflow: the only one that nothing depends on, unless a decision may
/// skip it; `N`: there is no such step.
#[must_use]
pub const fn last<const N: usize, const SLOTS: usize>(steps: &[Listed; N], names: &Names<SLOTS>) -> usize {
    let mut has_next = [false; N];
    let mut step = 0;
    while step < N {
        let mut above = Above::of(steps, step, false);
        while let Some(above) = above.next(steps, names) {
            if above != NOBODY {
                has_next[above] = true;
            }
        }
        has_next[step] |= !steps[step].releases().is_empty();
        step += 1;
    }
    let (mut last, mut count) = (N, 0);
    let mut step = 0;
    while step < N {
        if !has_next[step] {
            (last, count) = (step, count + 1);
        }
        step += 1;
    }
    if count == 1 && !may_be_skipped(steps, names, last) { last } else { N }
}

/// Whether some step waits for a signal.
const fn waits_for_signals<const N: usize>(steps: &[Listed; N]) -> bool {
    let mut step = 0;
    while step < N {
        if matches!(steps[step].capability, Capability::Signal(_)) {
            return true;
        }
        step += 1;
    }
    false
}

/// Whether a step, or one that it cannot do without, is a route of a decision, or a signal that may be left out.
const fn may_be_skipped<const N: usize, const SLOTS: usize>(
    steps: &[Listed; N],
    names: &Names<SLOTS>,
    step: usize,
) -> bool {
    if !is_releasing(steps) && !waits_for_signals(steps) {
        return false;
    }
    let mut seen = [false; N];
    let mut open = [0; N];
    (open[0], seen[step]) = (step, true);
    let mut left = 1;
    while left > 0 {
        left -= 1;
        let step = open[left];
        if let Capability::Signal(signal) = steps[step].capability
            && matches!(signal.absent, Absent::Skipped)
        {
            return true;
        }
        let mut other = 0;
        while other < N {
            if matches!(steps[other].capability, Capability::Decision(_))
                && is_released_by(steps, names, step, other)
            {
                return true;
            }
            other += 1;
        }
        let mut edges = Above::of(steps, step, false);
        while let Some(above) = edges.next(steps, names) {
            if above != NOBODY && !seen[above] && !edges.copes_without {
                (seen[above], open[left]) = (true, above);
                left += 1;
            }
        }
    }
    false
}
