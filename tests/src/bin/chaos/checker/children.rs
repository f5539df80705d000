//! Tasks that steps of others start.

use std::collections::HashMap;

use super::{
    super::{
        ledger::Execution,
        policy::children,
        state::{COMPLETE, Child, State},
        verdict::Rule,
        workflows::{FAMILY, LAST_OF_CHILD, Workflow},
    },
    Checker, value_of,
};

/// The place of a step in its template.
fn place(workflow: &str, step: &str) -> i64 {
    let steps = Workflow::named(workflow).into_iter().flat_map(|workflow| workflow.steps);
    (0..).zip(steps).find(|(_, shape)| shape.name == step).map_or(-1, |(place, _)| place)
}

/// The place of the step that starts tasks.
pub(super) fn starts() -> i64 {
    place(FAMILY.0, FAMILY.2)
}

/// What came of all tasks that each task started, as something that returned when that was recorded.
pub(super) fn returned(state: &State) -> HashMap<i64, Execution> {
    let families = state.tasks.iter().filter(|(_, task)| task.workflow == FAMILY.0);
    let settled = families.filter_map(|(number, task)| {
        let recorded = state.results.get(&(*number, starts()))?;
        let results: Vec<u64> = serde_json::from_str(&recorded.result).ok()?;
        let execution = Execution {
            pid: 0,
            task: task.uuid,
            step: FAMILY.2.to_owned(),
            attempt: 1,
            value: results.into_iter().fold(0, u64::wrapping_add),
            seen: Vec::new(),
            loaded: None,
            saves: Vec::new(),
            start: recorded.finished_at,
            end: Some((recorded.finished_at, true)),
        };
        Some((*number, execution))
    });
    settled.collect()
}

impl Checker<'_> {
    /// Each task started those that it was to start, each once, was told of their ends, and has their results.
    pub(super) fn children(&mut self) {
        let state = self.state;
        let last = place(FAMILY.3, LAST_OF_CHILD);
        let mut noted = 0;
        for (number, task) in state.tasks.iter().filter(|(_, task)| task.workflow == FAMILY.0) {
            let mut of_task: Vec<Child> = state.children.get(number).cloned().unwrap_or_default();
            of_task.sort_unstable();
            noted += of_task.len();
            let meant = 0..children(task.uuid);
            let each_once = of_task.iter().map(|child| child.item).eq(meant)
                && of_task.iter().all(|child| child.attempt == 1 && child.ended);
            if !each_once {
                let what =
                    format!("task {} was to start {} tasks: {of_task:?}", task.uuid, children(task.uuid));
                self.broken(Rule::Child, what);
            }
            let result = |child: &Child| state.results.get(&(child.task, last)).and_then(value_of);
            let results: Option<Vec<u64>> = of_task.iter().map(result).collect();
            let recorded = state.results.get(&(*number, starts()));
            let recorded =
                recorded.and_then(|recorded| serde_json::from_str::<Vec<u64>>(&recorded.result).ok());
            if task.state == COMPLETE && (recorded.is_none() || recorded != results) {
                let what = format!("task {} has {recorded:?} of its tasks, and these {results:?}", task.uuid);
                self.broken(Rule::Child, what);
            }
        }
        let started = state.tasks.values().filter(|task| task.is_child).count();
        self.verdict.children = started;
        if started != noted {
            self.broken(
                Rule::Child,
                format!("{started} tasks were started by others, and {noted} are noted"),
            );
        }
    }
}
