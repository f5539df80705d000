//! The steps that a handler reads, those of its parameter structs included.
//!
//! Needs are lists within lists, and the compiler, which looks through them for every workflow, has no memory to
//! flatten them. Nearly all are flat, so going on from one to the next costs nothing there.

use super::workflow::equal;
use crate::handler::Need;

/// A step that a handler reads.
#[derive(Clone, Copy)]
pub(crate) struct Read {
    /// What its handler is called.
    pub(crate) name: &'static str,
    /// Whether the reader copes with a branch that was not taken.
    pub(crate) optional: bool,
    /// Whether its result is read, and not only its end waited for.
    pub(crate) is_read: bool,
    /// The routes to which a decision carries what is read; none: it is read whatever was decided.
    carried: &'static [&'static str],
}

impl Read {
    /// Whether `reader` is a route of the decision that is read, which has these routes, and another one than those
    /// to which it carries what is read.
    pub(crate) const fn is_of_another_route(&self, reader: &str, routes: &[&str]) -> bool {
        !self.carried.is_empty() && has(routes, reader) && !has(self.carried, reader)
    }
}

const fn has(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if equal(names[at], name) {
            return true;
        }
        at += 1;
    }
    false
}

/// Goes from one step that is read to the next.
#[derive(Clone, Copy)]
pub(crate) struct Reads {
    needs: &'static [Need],
    /// The need that comes next.
    at: usize,
    /// How much of it has been seen, where it is a list itself.
    inner: usize,
}

impl Reads {
    /// The steps that stand in these needs.
    pub(crate) const fn of(needs: &'static [Need]) -> Self {
        Self { needs, at: 0, inner: 0 }
    }

    /// The next one.
    pub(crate) const fn next(&mut self) -> Option<Read> {
        while self.at < self.needs.len() {
            match self.needs[self.at] {
                Need::Step { name, optional, carried, .. } => {
                    self.at += 1;
                    return Some(Read { name, optional, is_read: true, carried });
                }
                Need::After(name) => {
                    self.at += 1;
                    return Some(Read { name, optional: false, is_read: false, carried: &[] });
                }
                Need::All(more) => {
                    if let Some(read) = nth(more, self.inner) {
                        self.inner += 1;
                        return Some(read);
                    }
                    (self.at, self.inner) = (self.at + 1, 0);
                }
                _ => self.at += 1,
            }
        }
        None
    }
}

const fn nth(needs: &'static [Need], index: usize) -> Option<Read> {
    let mut reads = Reads::of(needs);
    let mut left = index;
    while left > 0 {
        if reads.next().is_none() {
            return None;
        }
        left -= 1;
    }
    reads.next()
}

impl Iterator for Reads {
    type Item = Read;

    fn next(&mut self) -> Option<Read> {
        Self::next(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(name: &'static str) -> Need {
        Need::Step { name, exact: None, optional: false, carried: &[] }
    }

    #[test]
    fn every_step_is_found_once_however_deep_it_stands() {
        const INNERMOST: &[Need] = &[Need::After("d"), Need::Input("sku"), step("e")];
        const INNER: &[Need] = &[Need::Nothing, step("b"), Need::All(&[]), step("c"), Need::All(INNERMOST)];
        const NEEDS: &[Need] = &[Need::Context, Need::All(&[]), step("a"), Need::All(INNER), step("f")];
        const COUNT: usize = {
            let (mut reads, mut count) = (Reads::of(NEEDS), 0);
            while reads.next().is_some() {
                count += 1;
            }
            count
        };
        assert_eq!(COUNT, 6);
        let names: Vec<&str> = Reads::of(NEEDS).map(|read| read.name).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(Reads::of(&[Need::Context]).count(), 0);
    }
}
