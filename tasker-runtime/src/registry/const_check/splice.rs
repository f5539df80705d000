//! The steps of one workflow in the list of another.

use super::workflow::{Listed, NOBODY};

/// What stands in the list of a workflow that takes over the steps of others.
#[derive(Clone, Copy)]
pub enum Part {
    /// A step of its own.
    Own(Listed),
    /// All steps of another workflow.
    Other(&'static [Listed]),
}

/// How many steps there are in all.
#[must_use]
pub const fn count(parts: &[Part]) -> usize {
    let (mut count, mut at) = (0, 0);
    while at < parts.len() {
        count += match parts[at] {
            Part::Own(_) => 1,
            Part::Other(steps) => steps.len(),
        };
        at += 1;
    }
    count
}

/// All steps in their order; `N` is how many there are.
#[must_use]
pub const fn joined<const N: usize>(parts: &[Part]) -> [Listed; N] {
    let mut all = [Listed::PLACEHOLDER; N];
    let (mut part, mut step) = (0, 0);
    while part < parts.len() {
        match parts[part] {
            Part::Own(listed) => {
                all[step] = listed;
                step += 1;
            }
            Part::Other(steps) => {
                let mut at = 0;
                while at < steps.len() {
                    all[step] = steps[at];
                    (step, at) = (step + 1, at + 1);
                }
            }
        }
        part += 1;
    }
    all
}

/// The steps of its own; `OWN` is how many there are.
#[must_use]
pub const fn own_steps<const OWN: usize>(parts: &[Part]) -> [Listed; OWN] {
    let mut all = [Listed::PLACEHOLDER; OWN];
    let (mut part, mut step) = (0, 0);
    while part < parts.len() {
        if let Part::Own(listed) = parts[part] {
            all[step] = listed;
            step += 1;
        }
        part += 1;
    }
    all
}

/// Of each step its number among those of its own; a number that none has for those of others.
#[must_use]
pub const fn own_numbers<const N: usize>(parts: &[Part]) -> [usize; N] {
    let mut numbers = [NOBODY; N];
    let (mut part, mut step, mut own) = (0, 0, 0);
    while part < parts.len() {
        match parts[part] {
            Part::Own(_) => {
                numbers[step] = own;
                (step, own) = (step + 1, own + 1);
            }
            Part::Other(steps) => step += steps.len(),
        }
        part += 1;
    }
    numbers
}

/// The number of a step among those of its own; `own`, which is how many there are, where it is none.
#[must_use]
pub const fn own_number<const N: usize>(numbers: &[usize; N], step: usize, own: usize) -> usize {
    if step < N && numbers[step] != NOBODY { numbers[step] } else { own }
}

/// What is known of its own steps, of all of them: nothing of others.
#[must_use]
pub const fn of_all<const N: usize, const OWN: usize>(
    numbers: &[usize; N],
    own: &[[bool; 2]; OWN],
) -> [[bool; 2]; N] {
    let mut all = [[false; 2]; N];
    let mut step = 0;
    while step < N {
        if numbers[step] != NOBODY {
            all[step] = own[numbers[step]];
        }
        step += 1;
    }
    all
}
