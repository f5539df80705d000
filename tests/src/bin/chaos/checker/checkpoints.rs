//! Whether batches went on from where they were saved.

use super::super::ledger::{Micros, Save};
use super::{Checker, Execution, Rule, Task};

impl Checker<'_> {
    /// What was saved of one batch, by all its executions in the order they started. `counted`: the one
    /// whose result counts.
    pub(super) fn checkpoints(
        &mut self,
        place: (i64, i64),
        task: &Task,
        executions: &[&Execution],
        counted: Option<&Execution>,
    ) {
        let mut broken: Vec<String> = Vec::new();
        for execution in executions {
            broken.extend(resumed(execution, executions));
            broken.extend(outlived(execution, executions, counted));
        }
        let saves = || executions.iter().flat_map(|execution| &execution.saves);
        for save in saves() {
            let before = |other: &Micros| *other < save.asked;
            let ahead =
                |other: &&Save| other.cursor > save.cursor && other.acknowledged.as_ref().is_some_and(before);
            if let Some(other) = saves().find(ahead).filter(|_| save.acknowledged.is_some()) {
                broken.push(format!("went back from {} to {}", other.cursor, save.cursor));
            }
        }
        let kept = self.state.checkpoints.get(&place);
        let furthest = saves().filter(|save| save.acknowledged.is_some()).map(|save| save.cursor).max();
        if kept.map(|kept| kept.cursor) < furthest {
            broken.push(format!("was acknowledged up to {furthest:?}, and {kept:?} is kept"));
        }
        if let Some(kept) = kept.filter(|kept| !saved_by(kept.by, kept.cursor, executions)) {
            broken.push(format!("has a checkpoint that nobody saved: {kept:?}"));
        }
        let name = executions.first().map_or("a batch", |execution| &execution.step);
        for what in broken {
            self.broken(Rule::Checkpoint, format!("{name} of task {} {what}", task.uuid));
        }
    }
}

fn saved_by(value: u64, cursor: u64, executions: &[&Execution]) -> bool {
    let saver = executions.iter().find(|execution| execution.value == value);
    saver.is_some_and(|saver| saver.saves.iter().any(|save| save.cursor == cursor))
}

/// How an execution did not go on from the last checkpoint that was acknowledged before it started.
fn resumed(execution: &Execution, executions: &[&Execution]) -> Option<String> {
    let loaded = execution.loaded?;
    let from = loaded.from.map(|(cursor, _)| cursor);
    if let Some((cursor, by)) = loaded.from.filter(|&(cursor, by)| !saved_by(by, cursor, executions)) {
        return Some(format!("went on from {cursor}, which {by} never saved"));
    }
    let acknowledged = executions
        .iter()
        .flat_map(|other| &other.saves)
        .filter(|save| save.acknowledged.is_some_and(|acknowledged| acknowledged < execution.start));
    let furthest = acknowledged.map(|save| save.cursor).max();
    (from < furthest).then(|| format!("went on from {from:?}, and {furthest:?} was acknowledged"))
}

/// How an execution saved something after a later one had shown that it held the batch, by a save of its own
/// that was acknowledged or by the result that counts.
fn outlived(execution: &Execution, executions: &[&Execution], counted: Option<&Execution>) -> Option<String> {
    let later = executions.iter().filter(|other| other.start > execution.start);
    let shown = later.filter_map(|other| {
        let saved = other.saves.iter().filter_map(|save| save.acknowledged).min();
        let ended = other.end.filter(|_| counted.is_some_and(|counted| counted.value == other.value));
        saved.into_iter().chain(ended.map(|(time, _)| time)).min()
    });
    let shown = shown.min()?;
    let seen = |cursor| {
        let loaded = |other: &&Execution| other.loaded.and_then(|loaded| loaded.from);
        executions.iter().any(|other| loaded(other) == Some((cursor, execution.value)))
    };
    let late = execution
        .saves
        .iter()
        .find(|save| shown < save.asked && (save.acknowledged.is_some() || seen(save.cursor)))?;
    Some(format!("was saved at {} by an attempt that a later one had replaced", late.cursor))
}
