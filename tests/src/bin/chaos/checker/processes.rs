//! Whether each process did what it says it did, and no more at once than it may.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::{ledger::Micros, state::State, workflows::LIMITED};
use super::{Checker, Execution, Rule, Task};

impl Checker<'_> {
    /// Whether the process of this worker ran it.
    pub(super) fn is_of(&self, worker: i64, execution: &Execution) -> bool {
        self.state.workers.get(&worker).is_some_and(|worker| worker.pid == execution.pid)
    }

    /// What stands under the name of a worker was done by its process: by the holder, or by the one that was lent
    /// the step.
    pub(super) fn ran(&mut self, task: &Task, worker: i64, execution: &Execution) {
        if !self.is_of(worker, execution) {
            let Execution { step, attempt, pid, .. } = execution;
            let what = format!(
                "attempt {attempt} of step {step} of task {} stands under worker {worker} and was run by process {pid}",
                task.uuid
            );
            self.broken(Rule::Worker, what);
        }
    }

    /// No process runs more attempts of a handler at once than that allows. One that was dropped has no end, and
    /// leaves its place when nobody sees.
    pub(super) fn limits(&mut self, ledgers: &[Execution]) {
        let (step, limit) = LIMITED;
        let mut of_process: BTreeMap<u32, Vec<(Micros, Micros)>> = BTreeMap::new();
        for execution in ledgers.iter().filter(|execution| execution.step == step) {
            if let Some((end, _)) = execution.end {
                of_process.entry(execution.pid).or_default().push((execution.start, end));
            }
        }
        for (pid, spans) in of_process {
            let at_once =
                |start: Micros| spans.iter().filter(|(from, to)| (*from..*to).contains(&start)).count();
            let most = spans.iter().map(|(start, _)| at_once(*start)).max().unwrap_or_default();
            if most > limit {
                let what = format!("{most} attempts of {step} ran at once in process {pid}, and {limit} may");
                self.broken(Rule::Limit, what);
            }
        }
    }
}

/// How many tasks certainly had steps lent to other processes: those that were taken from the queue once, and have
/// results of several workers.
pub(super) fn lent(state: &State) -> usize {
    let mut workers: HashMap<i64, HashSet<i64>> = HashMap::new();
    for ((task, _), recorded) in &state.results {
        workers.entry(*task).or_default().insert(recorded.worker);
    }
    let once = |task: &i64| state.tasks.get(task).is_some_and(|task| task.lease == 1);
    workers.iter().filter(|(task, workers)| once(task) && workers.len() > 1).count()
}
