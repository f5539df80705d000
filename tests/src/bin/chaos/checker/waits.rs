//! Steps that wait for a time or for somebody.

use std::collections::HashMap;

use tasker_runtime::template::StepKind;

use super::{
    super::{
        course::{Course, Node},
        ledger::Execution,
        policy::answer,
        state::{State, Task},
        verdict::Rule,
        workflows::{APPROVAL, FAMILY, TIMER, Workflow},
    },
    Checker, children, value_of,
};

/// The place of a step in its template.
fn place(step: &str) -> i64 {
    let steps = Workflow::named(APPROVAL.0).into_iter().flat_map(|workflow| workflow.steps);
    (0..).zip(steps).find(|(_, shape)| shape.name == step).map_or(-1, |(place, _)| place)
}

/// What was sent to each task and settled its step, by number, as something that returned when that was recorded.
pub(super) fn sent(state: &State) -> HashMap<i64, Execution> {
    let code = place(APPROVAL.1);
    let settled = state.tasks.iter().filter(|(_, task)| task.workflow == APPROVAL.0);
    let settled = settled.filter_map(|(number, task)| {
        let recorded = state.results.get(&(*number, code))?;
        let execution = Execution {
            pid: 0,
            task: task.uuid,
            step: APPROVAL.1.to_owned(),
            attempt: recorded.attempt,
            value: value_of(recorded)?,
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

impl<'a> Checker<'a> {
    /// How many results are those of executions.
    pub(super) fn executed(&self) -> usize {
        let waits = [place(APPROVAL.1), place("approval_pause")];
        let is_wait = |(task, code): &&(i64, i64)| {
            let workflow = self.state.tasks.get(task).map(|task| &*task.workflow);
            waits.contains(code) && workflow == Some(APPROVAL.0)
                || *code == children::starts() && workflow == Some(FAMILY.0)
        };
        self.state.results.len() - self.state.results.keys().filter(is_wait).count()
    }

    /// Looks at a step that waits, and says what counts of it.
    pub(super) fn waited(
        &mut self,
        number: i64,
        task: &Task,
        node: &Node,
        course: &Course,
    ) -> Option<&'a Execution> {
        let (step, uuid) = (&node.name, task.uuid);
        let Some(recorded) = self.state.results.get(&(number, node.code)) else {
            if task.finished_at.is_some() {
                self.broken(Rule::Wait, format!("step {step} of task {uuid}, which is over, has no result"));
            }
            return None;
        };
        if !self.executions(task, node).is_empty() || self.state.failures.contains_key(&(number, node.code)) {
            self.broken(Rule::Wait, format!("step {step} of task {uuid} was executed, and only waits"));
        }
        let ask = course.find("approval_ask").map(|at| course.nodes[at].code).unwrap_or_default();
        let asked = self.state.results.get(&(number, ask)).map_or(i64::MAX, |asked| asked.finished_at);
        let timer = i64::try_from(TIMER.as_micros()).unwrap_or_default();
        let right = match node.kind {
            StepKind::Signal => {
                let signals = self.state.signals.get(&number).copied().unwrap_or_default();
                (recorded.kind, recorded.attempt, signals) == (0, 1, 1)
                    && value_of(recorded) == Some(answer(uuid))
            }
            // What is in it, `children` looks at.
            StepKind::Workflow => recorded.kind == 0 && recorded.attempt == 0,
            _ => recorded.kind == 0 && recorded.attempt == 0 && recorded.finished_at - asked >= timer,
        };
        if !right {
            let what = format!(
                "step {step} of task {uuid} has {recorded:?}, of {:?} signals, {} µs after it began to wait",
                self.state.signals.get(&number),
                recorded.finished_at - asked
            );
            self.broken(Rule::Wait, what);
        }
        self.sent.get(&number).filter(|_| node.kind != StepKind::Timer)
    }
}
