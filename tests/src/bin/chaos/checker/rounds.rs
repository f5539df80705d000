//! Steps that go round.

use std::collections::HashSet;

use super::{
    super::{
        ledger::Execution,
        policy::rounds,
        state::{COMPLETE, Task},
        verdict::Rule,
        workflows::POLLING,
    },
    Checker,
};

impl Checker<'_> {
    /// Each round went on from the last one that was recorded, whose value no other execution has; there are as many as
    /// were meant. How many rounds were recorded besides the last ones.
    pub(super) fn rounds(&mut self) -> usize {
        let mut recorded = 0;
        let of_loops: Vec<&Task> =
            self.state.tasks.values().filter(|task| task.workflow == POLLING.0).collect();
        for task in of_loops {
            let executed = self.executions.get(&(task.uuid, POLLING.1)).cloned().unwrap_or_default();
            let last = executed.iter().map(|execution| execution.attempt).max().unwrap_or_default();
            recorded += last.saturating_sub(1) as usize;
            let meant = rounds(task.uuid);
            if last > meant || (task.state == COMPLETE && last != meant) {
                self.broken(
                    Rule::Round,
                    format!("task {} went {last} rounds, and {meant} were meant", task.uuid),
                );
            }
            for round in 1..=last {
                let of = |round: u32| executed.iter().filter(move |execution| execution.attempt == round);
                let seen: HashSet<Option<u64>> = of(round).map(|execution| left(execution)).collect();
                let returned = |value: u64| {
                    let before = of(round.saturating_sub(1)).filter(|before| before.value == value);
                    before.clone().any(|before| before.end.is_some_and(|(_, ok)| ok))
                };
                let good = match round {
                    1 => seen.iter().all(Option::is_none),
                    _ => seen.len() == 1 && seen.iter().all(|value| value.is_some_and(returned)),
                };
                if !good {
                    let what = format!("round {round} of task {} went on from {seen:?}", task.uuid);
                    self.broken(Rule::Round, what);
                }
            }
        }
        recorded
    }
}

/// The value that the last round left.
fn left(execution: &Execution) -> Option<u64> {
    execution.loaded?.from.map(|(_, by)| by)
}
