//! How far the log is settled.
//!
//! On PostgreSQL positions are given out before the commit, so that a later one can be seen before an earlier one.
//! Whoever writes events takes a shared lock first. The horizon moves up to the last position that was given out once
//! all are gone that had the lock then: whoever takes it later gets later positions. Other transactions, however long
//! they stay open, do not matter.

use std::collections::BTreeSet;

use crate::store::{Connection, Result, sql};

/// The position up to which everything is there that ever will be.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    settled: i64,
    /// The position it moves to next, and the writers that are waited for.
    next: Option<(i64, BTreeSet<String>)>,
}

impl Horizon {
    /// Whether writers are waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.next.is_some()
    }

    /// Looks how far the log is settled now.
    pub(crate) async fn look(&mut self, connection: &mut Connection) -> Result<i64> {
        // In this order: who has the lock after the last position was read may have been given it.
        let edge = connection.fetch_first(&sql::EVENTS_EDGE, &[]).await?;
        let last = edge.map_or(Ok(0), |row| row.int(0))?;
        if last <= self.settled {
            return Ok(self.settled);
        }
        let rows = connection.fetch(&sql::EVENT_WRITERS, &[]).await?;
        let writers = rows.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<_>>()?;
        Ok(self.seen(last, writers))
    }

    /// `last` was the last position that was given out, and after that `writers` had the lock.
    fn seen(&mut self, last: i64, writers: BTreeSet<String>) -> i64 {
        if let Some((next, waited_for)) = &mut self.next {
            waited_for.retain(|writer| writers.contains(writer));
            if !waited_for.is_empty() {
                return self.settled;
            }
            self.settled = self.settled.max(*next);
            self.next = None;
        }
        if writers.is_empty() {
            self.settled = self.settled.max(last);
        } else if last > self.settled {
            self.next = Some((last, writers));
        }
        self.settled
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn writers(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn horizon_waits_for_those_that_had_the_lock_and_for_nobody_else() {
        let mut horizon = Horizon::default();
        assert_eq!(horizon.seen(3, writers(&[])), 3);
        assert_eq!(horizon.seen(7, writers(&["a", "b"])), 3);
        assert!(horizon.is_waiting());
        assert_eq!(horizon.seen(9, writers(&["b", "c"])), 3);
        // What came meanwhile has later positions.
        assert_eq!(horizon.seen(12, writers(&["c", "d"])), 7);
        assert_eq!(horizon.seen(12, writers(&["d"])), 7);
        assert_eq!(horizon.seen(12, writers(&[])), 12);
        assert!(!horizon.is_waiting());
    }

    /// What one of four writers does, or the reader.
    #[derive(Clone, Debug)]
    enum Move {
        Begin(usize),
        Number(usize),
        Commit(usize),
        Abort(usize),
        Edge,
        Writers,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            2 => (0..4usize).prop_map(Move::Begin),
            3 => (0..4usize).prop_map(Move::Number),
            2 => (0..4usize).prop_map(Move::Commit),
            1 => (0..4usize).prop_map(Move::Abort),
            2 => Just(Move::Edge),
            2 => Just(Move::Writers),
        ];
        prop::collection::vec(one, 1..200)
    }

    proptest! {
        /// However writers and a reader come in between each other, nothing appears behind the horizon.
        #[test]
        fn nothing_is_committed_behind_the_horizon(moves in moves()) {
            let (mut last, mut transactions) = (0, 0);
            // Each writer: its transaction, and the positions it was given.
            let mut open: [Option<(u32, Vec<i64>)>; 4] = Default::default();
            let (mut horizon, mut edge) = (Horizon::default(), None);
            for next in moves {
                match next {
                    Move::Begin(at) if open[at].is_none() => {
                        transactions += 1;
                        open[at] = Some((transactions, Vec::new()));
                    }
                    Move::Number(at) => {
                        if let Some((_, given)) = &mut open[at] {
                            last += 1;
                            given.push(last);
                        }
                    }
                    Move::Commit(at) => {
                        if let Some((_, given)) = open[at].take() {
                            let behind = given.iter().find(|position| **position <= horizon.settled);
                            prop_assert_eq!(behind, None);
                        }
                    }
                    Move::Abort(at) => open[at] = None,
                    Move::Edge => edge = Some(last),
                    Move::Writers => {
                        if let Some(edge) = edge.take() {
                            let having = open.iter().flatten().map(|(number, _)| number.to_string());
                            horizon.seen(edge, having.collect());
                        }
                    }
                    Move::Begin(_) => {}
                }
            }
            // Once all are gone, it comes to the end.
            for _ in 0..2 {
                horizon.seen(last, BTreeSet::new());
            }
            prop_assert_eq!(horizon.settled, last);
        }
    }
}
