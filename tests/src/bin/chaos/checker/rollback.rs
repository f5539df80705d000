//! Whether what had to be undone was undone in turn.

use std::cmp::Reverse;

use super::super::workflows::Workflow;
use super::{Checker, Course, Execution, Fate, Node, Rule, Task};

impl Checker<'_> {
    /// Compensations start when nothing else runs any more, each after all before it have returned: first
    /// what was recorded last, and nothing before what depends on it.
    pub(super) fn compensated(
        &mut self,
        number: i64,
        task: &Task,
        course: &Course,
        counted: &[Option<&Execution>],
    ) {
        let completed = |node: &Node| {
            let code = node.compensates.map(|of| course.nodes[of].code)?;
            self.state.results.get(&(number, code)).map(|recorded| (recorded.finished_at, code))
        };
        let compensations = course.nodes.iter().enumerate();
        let compensations =
            compensations.filter(|(_, node)| node.compensates.is_some() && node.fate == Fate::Done);
        // Steps that are to be complete and are not yet, of a task that is not over, have no turn.
        let mut turns: Vec<(usize, &Node)> =
            compensations.filter(|(_, node)| completed(node).is_some()).collect();
        turns.sort_by_key(|(_, node)| Reverse(completed(node)));
        let mut broken = misplaced(task, course, &turns);
        let mut before = self.last_of_steps(task, course, counted);
        for (at, node) in turns {
            for execution in self.executions(task, node) {
                if let Some((name, _)) = before.iter().find(|(_, returned)| *returned > Some(execution.start))
                {
                    broken.push(format!("{} started before {name} returned", node.name));
                }
            }
            before.push((node.name.clone(), returned(counted[at])));
        }
        for what in broken {
            self.broken(Rule::Compensation, format!("{what} (task {})", task.uuid));
        }
    }

    /// When each step returned what counts of it, or failed for good.
    fn last_of_steps(
        &self,
        task: &Task,
        course: &Course,
        counted: &[Option<&Execution>],
    ) -> Vec<(String, Option<i64>)> {
        let steps = course.nodes.iter().enumerate().filter(|(_, node)| node.compensates.is_none());
        let ended = |(at, node): (usize, &Node)| match node.fate {
            Fate::Out => None,
            Fate::Done => Some((node.name.clone(), returned(counted[at]))),
            Fate::Failed => {
                let executions = self.executions(task, node);
                let last = executions.iter().map(|execution| execution.attempt).max();
                let last = executions.iter().filter(|execution| Some(execution.attempt) == last);
                let failed = last.filter_map(|execution| execution.end).map(|(time, _)| time).min();
                Some((node.name.clone(), failed))
            }
        };
        steps.filter_map(ended).collect()
    }
}

fn returned(execution: Option<&Execution>) -> Option<i64> {
    Some(execution?.end?.0)
}

/// Those whose turn comes before that of a step which used theirs.
fn misplaced(task: &Task, course: &Course, turns: &[(usize, &Node)]) -> Vec<String> {
    let Some(workflow) = Workflow::named(&task.workflow) else { return Vec::new() };
    let compensates = |node: &Node| node.compensates.map_or("", |of| course.nodes[of].name.as_str());
    let mut broken = Vec::new();
    for (turn, (_, first)) in turns.iter().enumerate() {
        let user =
            turns[turn + 1..].iter().find(|(_, later)| workflow.uses(compensates(later), compensates(first)));
        if let Some((_, later)) = user {
            broken.push(format!(
                "{} was recorded as completed before {}",
                compensates(later),
                compensates(first)
            ));
        }
    }
    broken
}
