//! The workflows of the crash tests: every shape, and every kind of step.

use std::time::Duration;

use tasker_runtime::template::{
    BatchConfig, ChildConfig, ChildInput, Concurrency, OnFailure, PublishedEvent, Report, RetryOptions,
    SignalConfig, Source, Step, StepKind, Template, TimerConfig,
};

/// The namespace of all of them.
pub(crate) const NAMESPACE: &str = "chaos";

/// How often a step is called at most, failures that are not meant included.
pub(crate) const MAX_ATTEMPTS: u32 = 4;

/// So many batches of one worker run at once.
pub(crate) const PARALLELISM: u32 = 3;

/// So many steps of one task run at once: the leaves of a tree.
pub(crate) const WIDEST: usize = 4;

/// A step of whose handler so many attempts may run at once in each process.
pub(crate) const LIMITED: (&str, usize) = ("diamond_left", 1);

/// The workflow whose tasks wait for a signal, and the name of that.
pub(crate) const APPROVAL: (&str, &str) = ("approval", "approval_answer");

/// How long its timer takes.
pub(crate) const TIMER: Duration = Duration::from_millis(40);

/// The workflow whose tasks start others, the step that makes the contexts of these, the one that starts them, and the
/// workflow of these.
pub(crate) const FAMILY: (&str, &str, &str, &str) =
    ("family", "family_split", "family_children", "offspring");

/// The workflow with a step that goes round, and that step.
pub(crate) const POLLING: (&str, &str) = ("polling", "poll_loop");

/// The subscription to all that is published.
pub(crate) const LISTENING: &str = "chaos_heard";

/// Whether the step of the workflow publishes its result.
pub(crate) fn publishes(workflow: &str, step: &str) -> bool {
    match workflow {
        "linear" | "diamond" | "rollback" => true,
        "batch" => step != "batch_plan",
        _ => false,
    }
}

/// The last step of a task that another one starts, which has its result.
pub(crate) const LAST_OF_CHILD: &str = "child_last";

/// How many tasks of one step run at once.
pub(crate) const SIBLINGS: u32 = 2;

/// The workflow whose tasks start by themselves.
pub(crate) const TICKING: &str = "ticking";

/// How many tasks of one schedule run at once.
pub(crate) const AT_ONCE: u32 = 1;

/// A workflow: its steps in the order of the template.
pub(crate) struct Workflow {
    /// The name of its template.
    pub(crate) name: &'static str,
    pub(crate) steps: &'static [Shape],
}

/// A step of a workflow.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The steps it depends on; without any it sees the number in the task's context instead.
    pub(crate) after: &'static [&'static str],
    pub(crate) kind: StepKind,
    /// Whether there is a handler that undoes it.
    pub(crate) compensated: bool,
}

const fn step(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { name, after, kind: StepKind::Standard, compensated: false }
}

const fn compensated(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { compensated: true, ..step(name, after) }
}

const fn decision(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { kind: StepKind::Decision, ..step(name, after) }
}

const fn analyzer(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { kind: StepKind::Batchable, ..step(name, after) }
}

const fn worker(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { kind: StepKind::BatchWorker, ..step(name, after) }
}

const fn signal(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { kind: StepKind::Signal, ..step(name, after) }
}

const fn timer(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { kind: StepKind::Timer, ..step(name, after) }
}

const fn children(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { kind: StepKind::Workflow, ..step(name, after) }
}

const fn convergence(name: &'static str, after: &'static [&'static str]) -> Shape {
    Shape { kind: StepKind::DeferredConvergence, ..step(name, after) }
}

/// One after the other, a fork and a join, a tree, partial joins; decisions within decisions; batches; and
/// one whose completed steps are undone when a later one fails for good, one that ends where that happens, one
/// that waits for a time and for somebody, one that goes round, one that starts others; and, last, those that are started and one that
/// starts by itself.
pub(crate) static WORKFLOWS: [Workflow; 13] = [
    Workflow {
        name: "linear",
        steps: &[
            step("linear_1", &[]),
            step("linear_2", &["linear_1"]),
            step("linear_3", &["linear_2"]),
            step("linear_4", &["linear_3"]),
        ],
    },
    Workflow {
        name: "diamond",
        steps: &[
            step("diamond_start", &[]),
            step("diamond_left", &["diamond_start"]),
            step("diamond_right", &["diamond_start"]),
            step("diamond_end", &["diamond_left", "diamond_right"]),
        ],
    },
    Workflow {
        name: "tree",
        steps: &[
            step("tree_root", &[]),
            step("tree_left", &["tree_root"]),
            step("tree_right", &["tree_root"]),
            step("tree_left_a", &["tree_left"]),
            step("tree_left_b", &["tree_left"]),
            step("tree_right_a", &["tree_right"]),
            step("tree_right_b", &["tree_right"]),
            step("tree_crown", &["tree_left_a", "tree_left_b", "tree_right_a", "tree_right_b"]),
        ],
    },
    Workflow {
        name: "mixed",
        steps: &[
            step("mixed_init", &[]),
            step("mixed_left", &["mixed_init"]),
            step("mixed_right", &["mixed_init"]),
            step("mixed_validate", &["mixed_left", "mixed_right"]),
            step("mixed_transform", &["mixed_left"]),
            step("mixed_analyze", &["mixed_right"]),
            step("mixed_finalize", &["mixed_validate", "mixed_transform", "mixed_analyze"]),
        ],
    },
    Workflow {
        name: "decision",
        steps: &[
            step("route_start", &[]),
            decision("route_choose", &["route_start"]),
            step("route_left", &["route_choose"]),
            step("route_right", &["route_choose"]),
            decision("route_again", &["route_choose"]),
            step("route_deep", &["route_again"]),
            step("route_side", &["route_again"]),
            convergence("route_end", &["route_left", "route_right", "route_deep", "route_side"]),
        ],
    },
    Workflow {
        name: "batch",
        steps: &[
            step("batch_start", &[]),
            analyzer("batch_plan", &["batch_start"]),
            worker("batch_work", &["batch_plan"]),
            convergence("batch_end", &["batch_work"]),
        ],
    },
    Workflow {
        name: "rollback",
        steps: &[
            compensated("order_reserve", &[]),
            compensated("order_charge", &["order_reserve"]),
            compensated("order_notify", &["order_reserve"]),
            step("order_pack", &["order_charge"]),
            compensated("order_ship", &["order_pack", "order_notify"]),
            compensated("order_close", &["order_ship"]),
        ],
    },
    Workflow {
        name: "doomed",
        steps: &[
            step("doomed_first", &[]),
            step("doomed_middle", &["doomed_first"]),
            step("doomed_last", &["doomed_middle"]),
        ],
    },
    Workflow {
        name: APPROVAL.0,
        steps: &[
            step("approval_ask", &[]),
            signal(APPROVAL.1, &["approval_ask"]),
            timer("approval_pause", &["approval_ask"]),
            step("approval_file", &["approval_answer", "approval_pause"]),
        ],
    },
    Workflow {
        name: POLLING.0,
        steps: &[step("poll_start", &[]), step(POLLING.1, &["poll_start"]), step("poll_end", &[POLLING.1])],
    },
    Workflow {
        name: FAMILY.0,
        steps: &[step(FAMILY.1, &[]), children(FAMILY.2, &[FAMILY.1]), step("family_end", &[FAMILY.2])],
    },
    Workflow { name: FAMILY.3, steps: &[step("child_first", &[]), step(LAST_OF_CHILD, &["child_first"])] },
    Workflow { name: TICKING, steps: &[step("tick_note", &[]), step("tick_end", &["tick_note"])] },
];

/// Those whose tasks are submitted: all but the one that others start and the one that starts by itself.
pub(crate) fn submitted() -> &'static [Workflow] {
    &WORKFLOWS[..WORKFLOWS.len() - 2]
}

impl Workflow {
    /// The workflow of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        WORKFLOWS.iter().find(|workflow| workflow.name == name)
    }

    /// Whether the step `user` depends on the step `used`, directly or not.
    pub(crate) fn uses(&self, user: &str, used: &str) -> bool {
        let shape = self.steps.iter().find(|shape| shape.name == user);
        shape.is_some_and(|shape| shape.after.iter().any(|name| *name == used || self.uses(name, used)))
    }

    /// Whether what it completed is undone when a step fails for good; otherwise it ends there.
    pub(crate) fn is_compensated(&self) -> bool {
        self.steps.iter().any(|shape| shape.compensated)
    }

    /// The name of its template with the namespace.
    pub(crate) fn full_name(&self) -> String {
        format!("{NAMESPACE}/{}", self.name)
    }

    fn template(&self) -> Result<Template, Report> {
        let retry = RetryOptions {
            max_attempts: Some(MAX_ATTEMPTS),
            base: Some(Duration::from_millis(30)),
            max: Some(Duration::from_millis(200)),
            ..RetryOptions::default()
        };
        let step = |shape: &Shape| {
            let after = shape.after.iter().copied();
            match shape.kind {
                StepKind::Signal => return Step::signal(shape.name, SignalConfig::default()).after(after),
                StepKind::Workflow => return Step::workflow(shape.name, family()).after(after),
                StepKind::Timer => return Step::timer(shape.name, TimerConfig::Delay(TIMER)).after(after),
                _ => {}
            }
            let mut step = Step::new(shape.name).kind(shape.kind).after(after);
            step.retry = retry.clone();
            if publishes(self.name, shape.name) {
                step.publishes_events.push(PublishedEvent::new(format!("chaos.{}", shape.name)));
            }
            if shape.kind == StepKind::BatchWorker {
                step.batch = Some(BatchConfig { parallelism: Some(PARALLELISM), ..BatchConfig::default() });
            }
            step
        };
        let on_failure = match self.is_compensated() {
            true => OnFailure::Compensate,
            false => OnFailure::Fail,
        };
        let builder = Template::builder(self.name).namespace(NAMESPACE).on_failure(on_failure);
        let builder = match self.name {
            TICKING => builder.concurrency(Concurrency::of(AT_ONCE).key("$.schedule")),
            _ => builder,
        };
        self.steps.iter().map(step).fold(builder, |builder, step| builder.step(step)).build()
    }
}

/// One task for each part, two at once.
fn family() -> ChildConfig {
    let parts = Source { step: Some(FAMILY.1.to_owned()), path: vec!["parts".to_owned()] };
    let mut config = ChildConfig::of(FAMILY.3, ChildInput::Each(parts));
    config.parallelism = Some(SIBLINGS);
    config
}

/// The templates of all workflows.
pub(crate) fn templates() -> Result<Vec<Template>, Report> {
    WORKFLOWS.iter().map(Workflow::template).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid_and_keep_the_order_of_the_steps() {
        for (template, workflow) in templates().unwrap().iter().zip(&WORKFLOWS) {
            let names: Vec<&str> = template.steps().iter().map(|step| &*step.name).collect();
            let expected: Vec<&str> = workflow.steps.iter().map(|shape| shape.name).collect();
            assert_eq!(names, expected);
        }
    }
}
