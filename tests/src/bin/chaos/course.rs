//! What must become of a task: worked out from the task's id and its workflow, and nothing of the engine's.

use tasker_runtime::template::StepKind;
use uuid::Uuid;

use super::{
    policy::{Policy, batches, routes},
    state::{COMPENSATED, COMPLETE, FAILED},
    workflows::{Shape, Workflow},
};

/// What becomes of a step, a batch or a compensation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has a result.
    Done,
    /// It fails for good.
    Failed,
    /// It never runs.
    Out,
}

/// What its executions must see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sees {
    /// The number of the submission.
    Number,
    /// The results of these, in this order; nothing of those that were not taken.
    Results(Vec<Option<usize>>),
    /// The `index`-th slice of what the analyzer cut.
    Slice { analyzer: usize, index: u64 },
}

/// A step, a batch or a compensation.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its number in the database: the place in the template in 14 bits; from bit 14 on the number of the
    /// batch, from 1; bit 30 for a compensation.
    pub(crate) code: i64,
    /// Its name in the ledgers.
    pub(crate) name: String,
    pub(crate) kind: StepKind,
    pub(crate) sees: Sees,
    pub(crate) fate: Fate,
    /// For a compensation: what it undoes.
    pub(crate) compensates: Option<usize>,
}

/// The course of a task.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// Steps in the order of the template, the batches after their worker; then all compensations.
    pub(crate) nodes: Vec<Node>,
    /// The state it must end in, as `runs.state` has it.
    pub(crate) state: i64,
}

/// What a compensation is called in ledgers, where a space ends a word.
pub(crate) fn label(name: &str) -> String {
    name.replace(' ', ":")
}

impl Course {
    /// The course of the task with this id.
    pub(crate) fn of(workflow: &Workflow, task: Uuid) -> Self {
        let mut course = Self { nodes: Vec::new(), state: COMPLETE };
        for (place, shape) in (0..).zip(workflow.steps) {
            match shape.kind {
                StepKind::BatchWorker => course.batches(task, place, shape),
                _ => course.step(task, place, shape),
            }
        }
        let failed = course.nodes.iter().any(|node| node.fate == Fate::Failed);
        if failed {
            course.state = if workflow.is_compensated() { COMPENSATED } else { FAILED };
        }
        for shape in workflow.steps.iter().filter(|shape| shape.compensated) {
            let Some(of) = course.find(shape.name) else { continue };
            let Node { code, fate, .. } = course.nodes[of];
            let compensation = Node {
                code: code | 1 << 30,
                name: format!("undo:{}", shape.name),
                kind: StepKind::Standard,
                sees: Sees::Results(vec![Some(of)]),
                fate: if failed && fate == Fate::Done { Fate::Done } else { Fate::Out },
                compensates: Some(of),
            };
            course.nodes.push(compensation);
        }
        course
    }

    /// Where the step `name` stands among the nodes. A step never comes before what it depends on.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    fn step(&mut self, task: Uuid, place: i64, shape: &Shape) {
        let after = shape.after.iter().filter_map(|name| self.find(name));
        // Nobody reads what a timer says.
        let after = after.filter(|from| self.nodes[*from].kind != StepKind::Timer);
        let sees: Vec<Option<usize>> = after.flat_map(|from| self.seen(task, from, shape)).collect();
        let of_batches = shape
            .after
            .iter()
            .any(|name| self.find(name).is_some_and(|from| self.nodes[from].kind == StepKind::BatchWorker));
        let runs = match shape.kind {
            StepKind::DeferredConvergence => of_batches || sees.iter().any(Option::is_some),
            _ => sees.iter().all(Option::is_some),
        };
        let fate = match (runs, Policy::of(task, shape.name).doomed) {
            (false, _) => Fate::Out,
            (true, true) => Fate::Failed,
            (true, false) => Fate::Done,
        };
        let sees = if shape.after.is_empty() { Sees::Number } else { Sees::Results(sees) };
        let name = shape.name.to_owned();
        self.nodes.push(Node { code: place, name, kind: shape.kind, sees, fate, compensates: None });
    }

    /// What `shape` sees of the step `from`, on which it depends: all batches of a worker, and nothing where
    /// a decision chose otherwise.
    fn seen(&self, task: Uuid, from: usize, shape: &Shape) -> Vec<Option<usize>> {
        let node = &self.nodes[from];
        let chosen = match node.kind {
            StepKind::BatchWorker => {
                let batch = |at: &usize| self.nodes[*at].code & 0x3fff == node.code;
                return (from + 1..self.nodes.len()).take_while(batch).map(Some).collect();
            }
            StepKind::Decision => routes(task, &node.name).contains(&shape.name),
            _ => true,
        };
        vec![(chosen && node.fate == Fate::Done).then_some(from)]
    }

    /// A worker, which has no result itself, and its batches.
    fn batches(&mut self, task: Uuid, place: i64, shape: &Shape) {
        let analyzer = shape.after.first().and_then(|name| self.find(name)).unwrap_or_default();
        let (kind, compensates) = (shape.kind, None);
        let worker = Node {
            code: place,
            name: shape.name.to_owned(),
            kind,
            sees: Sees::Number,
            fate: Fate::Out,
            compensates,
        };
        self.nodes.push(worker);
        for index in 0..batches(task) {
            let number = index + 1;
            let code = place | number.cast_signed() << 14;
            let name = format!("{}_{number:03}", shape.name);
            let sees = Sees::Slice { analyzer, index };
            self.nodes.push(Node { code, name, kind, sees, fate: Fate::Done, compensates });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The course of the first task of `workflow` that is as `wanted`, and the names of what runs in it.
    fn course(workflow: &str, wanted: impl Fn(Uuid) -> bool) -> (Course, Vec<String>) {
        let task = (1..).map(Uuid::from_u128).find(|task| wanted(*task)).unwrap();
        let course = Course::of(Workflow::named(workflow).unwrap(), task);
        let runs = course.nodes.iter().filter(|node| node.fate != Fate::Out);
        let runs = runs.map(|node| node.name.clone()).collect();
        (course, runs)
    }

    fn sees<'c>(course: &'c Course, name: &str) -> Vec<&'c str> {
        let Sees::Results(results) = &course.nodes[course.find(name).unwrap()].sees else { return vec![] };
        results.iter().map(|seen| seen.map_or("-", |at| &*course.nodes[at].name)).collect()
    }

    #[test]
    fn only_what_the_decisions_choose_runs() {
        let chosen = |outer: &'static [&str], inner: &'static [&str]| {
            move |task| routes(task, "route_choose") == outer && routes(task, "route_again") == inner
        };
        let (course, runs) =
            self::course("decision", chosen(&["route_left", "route_again"], &["route_side"]));
        assert_eq!(
            runs,
            ["route_start", "route_choose", "route_left", "route_again", "route_side", "route_end"]
        );
        assert_eq!(sees(&course, "route_end"), ["route_left", "-", "-", "route_side"]);
        let (_, runs) = self::course("decision", chosen(&["route_again"], &[]));
        assert_eq!(runs, ["route_start", "route_choose", "route_again"], "nothing to converge");
    }

    #[test]
    fn batches_are_seen_in_order_and_none_at_all_is_seen_too() {
        let (course, runs) = course("batch", |task| batches(task) == 2);
        assert_eq!(runs, ["batch_start", "batch_plan", "batch_work_001", "batch_work_002", "batch_end"]);
        assert_eq!(sees(&course, "batch_end"), ["batch_work_001", "batch_work_002"]);
        let codes: Vec<i64> = course.nodes.iter().map(|node| node.code).collect();
        assert_eq!(codes, [0, 1, 2, (1 << 14) + 2, (2 << 14) + 2, 3]);
        let (_, runs) = self::course("batch", |task| batches(task) == 0);
        assert_eq!(runs, ["batch_start", "batch_plan", "batch_end"]);
    }

    #[test]
    fn what_was_done_before_a_failure_is_undone() {
        let (course, runs) = course("rollback", |task| Policy::of(task, "order_notify").doomed);
        assert_eq!(course.state, COMPENSATED);
        let compensated = ["undo:order_reserve", "undo:order_charge"];
        let done = ["order_reserve", "order_charge", "order_notify", "order_pack"];
        assert_eq!(runs, [&done[..], &compensated].concat());
        let calm = |task| !["order_notify", "order_ship"].iter().any(|step| Policy::of(task, step).doomed);
        let (course, runs) = self::course("rollback", calm);
        assert_eq!((course.state, runs.len()), (COMPLETE, 6));
    }
}
