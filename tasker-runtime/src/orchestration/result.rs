//! What a complete task comes to: the result of its last step, or of each by name where several have no dependents.

use std::collections::HashMap;

use super::{compiled::CompiledTemplate, journal};
use crate::{
    model::{History, Json, Kind, StepIndex, TaskNo},
    store::{Connection, Result},
    template::Template,
};

/// The result of a task of this template whose steps without dependents have these; `null` stands for one that was left
/// out.
pub(crate) fn of(template: &Template, result: impl Fn(u32) -> Option<Json>) -> Json {
    let result = |leaf: u32| result(leaf).unwrap_or_else(Json::null);
    match template.leaves() {
        [leaf] => result(*leaf),
        leaves => {
            let fields = leaves.iter().map(|&leaf| {
                let name = template.step(leaf).map_or("", |step| &step.name);
                // Names of steps need no escapes.
                format!("\"{name}\":{}", result(leaf).as_str())
            });
            Json::stored(&format!("{{{}}}", fields.collect::<Vec<_>>().join(",")))
        }
    }
}

/// The results of a batch worker that nothing depends on: of each of its batches that has one.
pub(crate) fn of_batches<'r>(results: impl Iterator<Item = &'r str>) -> Json {
    Json::stored(&format!("[{}]", results.collect::<Vec<_>>().join(",")))
}

/// The results of complete tasks of one template.
pub(crate) async fn read(
    connection: &mut Connection,
    plan: &CompiledTemplate,
    tasks: &[TaskNo],
) -> Result<HashMap<TaskNo, Json>> {
    let template = &plan.template;
    let is_worker = |leaf: &u32| plan.rules().steps[*leaf as usize].batch.is_some();
    if template.leaves().iter().any(is_worker) {
        let histories = journal::read(connection, tasks).await?;
        return Ok(histories.into_iter().map(|(task, history)| (task, of_history(plan, &history))).collect());
    }
    let leaves = || template.leaves().iter().map(|&leaf| StepIndex::of(leaf));
    let pairs: Vec<(TaskNo, StepIndex)> =
        tasks.iter().flat_map(|&task| leaves().map(move |leaf| (task, leaf))).collect();
    let found = journal::results(connection, &pairs).await?;
    let result = |task: TaskNo| {
        of(template, |leaf| found.get(&(task, StepIndex::of(leaf))).map(|entry| entry.result.clone()))
    };
    Ok(tasks.iter().map(|&task| (task, result(task))).collect())
}

fn of_history(plan: &CompiledTemplate, history: &History) -> Json {
    of(&plan.template, |leaf| {
        let own = |no: StepIndex| history.entries.iter().find(|entry| entry.step == no);
        if let Some(entry) = own(StepIndex::of(leaf)) {
            return Some(entry.result.clone());
        }
        plan.rules().steps[leaf as usize].batch.as_ref()?;
        let batches = history.entries.iter().filter(|entry| {
            entry.step.step() == leaf && entry.step.index().is_some() && entry.kind != Kind::Skipped
        });
        let batches = batches.filter(|entry| entry.step.compensates().is_none());
        Some(of_batches(batches.map(|entry| entry.result.as_str())))
    })
}
