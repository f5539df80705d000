//! What the handlers of borrowed steps see of their tasks.
//!
//! Of the journal only that much is read: a step sees the results of the steps before it, and nothing of the
//! thousands that may stand beside it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    dispatch::body::{TaskBody, facts_of, results_of},
    model::{Progress, StepIndex, TaskNo, Timestamp},
    orchestration::{
        compiled::CompiledTemplate,
        journal::{self, History},
        share::{Taken, TakenTask},
    },
    store::{Connection, Result},
};

/// Steps of one task that were taken together and follow the same rules.
pub(super) struct Group {
    pub task: Arc<TakenTask>,
    pub compiled: Arc<CompiledTemplate>,
    pub taken: Vec<Taken>,
}

impl Group {
    fn no(&self) -> Option<TaskNo> {
        self.taken.first().map(|taken| taken.attempt.task())
    }
}

/// What these steps have in common: what their handlers see, and where the task stands as far as they see it.
pub(super) struct Shown {
    pub body: TaskBody,
    pub progress: Arc<Progress>,
    /// When the last step finished that they may read.
    latest: Timestamp,
}

impl Shown {
    pub(super) fn of(group: &Group, history: &History) -> Self {
        let (task, compiled) = (&group.task, &group.compiled);
        let progress = history.replay(compiled.rules().clone());
        let results = results_of(compiled, &progress, history);
        let facts = facts_of(task.uuid, task.correlation_id, compiled, task.context.clone(), task.created_at);
        let cancel = CancellationToken::new();
        let body = TaskBody { facts, plan: compiled.clone(), results, stop: cancel.child_token(), cancel };
        let latest = history.entries.iter().map(|entry| entry.finished_at).max().unwrap_or_default();
        Self { body, progress: Arc::new(progress), latest }
    }

    /// When a borrowed step finished, if it did at `at` by this process's clock: after all that it may have
    /// used, whatever the clocks of others say.
    pub(super) fn after_all(&self, at: Timestamp) -> Timestamp {
        at.max(self.latest + Duration::from_micros(1))
    }
}

/// Reads what the steps of each group may see, all of it together.
pub(super) async fn read(connection: &mut Connection, groups: &[Group]) -> Result<HashMap<TaskNo, History>> {
    let (mut steps, mut whole) = (HashSet::new(), Vec::new());
    for group in groups {
        let Some(task) = group.no() else { continue };
        match seen(group) {
            Some(seen) => steps.extend(seen.into_iter().map(|step| (task, step))),
            None => whole.push(task),
        }
    }
    let mut histories =
        if whole.is_empty() { HashMap::new() } else { journal::read(connection, &whole).await? };
    let steps: Vec<_> = steps.into_iter().filter(|(task, _)| !whole.contains(task)).collect();
    if steps.is_empty() {
        return Ok(histories);
    }
    for ((task, _), entry) in journal::results(connection, &steps).await? {
        histories.entry(task).or_default().entries.push(entry);
    }
    for ((task, _), failures) in journal::failures(connection, &steps).await? {
        histories.entry(task).or_default().failures.extend(failures);
    }
    Ok(histories)
}

/// The steps whose results or failures those of the group may see; `None`: what all batches of a worker came to
/// is among them, and how many there are is not known here.
fn seen(group: &Group) -> Option<HashSet<StepIndex>> {
    let (graph, rules) = (group.compiled.template.graph(), group.compiled.rules());
    let mut seen = HashSet::new();
    for taken in &group.taken {
        let step = taken.attempt.step;
        for ancestor in graph.ancestors(step.step()) {
            if rules.steps[ancestor as usize].batch.is_some() {
                return None;
            }
            seen.insert(StepIndex::of(ancestor));
        }
        // Its own failed attempts, and what a compensation compensates.
        seen.insert(step);
        seen.extend(step.compensates());
    }
    Some(seen)
}
