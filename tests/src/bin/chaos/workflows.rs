//! The workflows of the crash tests, and what each of their steps does by itself.
//!
//! Which step of which task is slow or fails is decided by the task's id and the step's name alone, so that
//! every process, and the checker afterwards, says the same.

use std::time::Duration;

use tasker_runtime::template::{Report, RetryOptions, Step, Template};
use uuid::Uuid;

/// The namespace of all of them.
pub(crate) const NAMESPACE: &str = "chaos";

/// How often a step is called at most, failures that are not meant included.
pub(crate) const MAX_ATTEMPTS: u32 = 4;

/// A workflow: its steps in the order of the template, each with the steps it depends on.
pub(crate) struct Workflow {
    /// The name of its template.
    pub(crate) name: &'static str,
    /// Its steps; those without dependencies see the number in the task's context instead.
    pub(crate) steps: &'static [(&'static str, &'static [&'static str])],
}

/// Every shape: one after the other, a fork and a join, a tree, and partial joins.
pub(crate) const WORKFLOWS: [Workflow; 4] = [
    Workflow {
        name: "linear",
        steps: &[
            ("linear_1", &[]),
            ("linear_2", &["linear_1"]),
            ("linear_3", &["linear_2"]),
            ("linear_4", &["linear_3"]),
        ],
    },
    Workflow {
        name: "diamond",
        steps: &[
            ("diamond_start", &[]),
            ("diamond_left", &["diamond_start"]),
            ("diamond_right", &["diamond_start"]),
            ("diamond_end", &["diamond_left", "diamond_right"]),
        ],
    },
    Workflow {
        name: "tree",
        steps: &[
            ("tree_root", &[]),
            ("tree_left", &["tree_root"]),
            ("tree_right", &["tree_root"]),
            ("tree_left_a", &["tree_left"]),
            ("tree_left_b", &["tree_left"]),
            ("tree_right_a", &["tree_right"]),
            ("tree_right_b", &["tree_right"]),
            ("tree_crown", &["tree_left_a", "tree_left_b", "tree_right_a", "tree_right_b"]),
        ],
    },
    Workflow {
        name: "mixed",
        steps: &[
            ("mixed_init", &[]),
            ("mixed_left", &["mixed_init"]),
            ("mixed_right", &["mixed_init"]),
            ("mixed_validate", &["mixed_left", "mixed_right"]),
            ("mixed_transform", &["mixed_left"]),
            ("mixed_analyze", &["mixed_right"]),
            ("mixed_finalize", &["mixed_validate", "mixed_transform", "mixed_analyze"]),
        ],
    },
];

impl Workflow {
    /// The workflow of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        WORKFLOWS.iter().find(|workflow| workflow.name == name)
    }

    /// The place of a step in the template.
    pub(crate) fn place(&self, step: &str) -> Option<usize> {
        self.steps.iter().position(|(name, _)| *name == step)
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
        let step = |(name, after): &(&'static str, &[&'static str])| Step {
            retry: retry.clone(),
            ..Step::new(*name).after(after.iter().copied())
        };
        let builder = Template::builder(self.name).namespace(NAMESPACE);
        self.steps.iter().map(step).fold(builder, |builder, step| builder.step(step)).build()
    }
}

/// The templates of all workflows.
pub(crate) fn templates() -> Result<Vec<Template>, Report> {
    WORKFLOWS.iter().map(Workflow::template).collect()
}

/// What a step of a task does by itself, whoever runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How long an attempt takes.
    pub(crate) takes: Duration,
    /// How many of its first attempts fail.
    pub(crate) failures: u32,
    /// How long a failed attempt asks to wait; without it, the template's delay.
    pub(crate) delay: Option<Duration>,
}

/// Longer than a process keeps a task for a retry: it gives the task back and somebody takes it anew.
const DISTANT: Duration = Duration::from_millis(5_500);

impl Policy {
    /// Most steps return at once, some take milliseconds, one in twenty-five long enough to be cut off or
    /// repeated elsewhere meanwhile; one in twelve fails at first.
    pub(crate) fn of(task: Uuid, step: &str) -> Self {
        let dice = Dice::of(task, step);
        let takes = match dice.roll(0, 100) {
            0..64 => 0,
            64..96 => 1 + dice.roll(1, 8),
            _ => 300 + dice.roll(1, 900),
        };
        let (failures, delay) = match dice.roll(2, 480) {
            0 => (1, Some(DISTANT)),
            1..8 => (2, None),
            8..40 => (1, None),
            _ => (0, None),
        };
        Self { takes: Duration::from_millis(takes), failures, delay }
    }
}

/// Numbers that follow from a task and a step.
struct Dice(u64);

impl Dice {
    fn of(task: Uuid, step: &str) -> Self {
        // FNV-1a.
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(task.as_bytes().iter().chain(step.as_bytes()).fold(0xcbf2_9ce4_8422_2325, hash))
    }

    /// The `turn`-th number, below `sides`.
    fn roll(&self, turn: u64, sides: u64) -> u64 {
        fastrand::Rng::with_seed(self.0.wrapping_add(turn)).u64(..sides)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid_and_keep_the_order_of_the_steps() {
        for (template, workflow) in templates().unwrap().iter().zip(&WORKFLOWS) {
            let names: Vec<&str> = template.steps().iter().map(|step| &*step.name).collect();
            let expected: Vec<&str> = workflow.steps.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn some_steps_fail_and_some_are_slow_but_most_are_neither() {
        let count = |test: fn(Policy) -> bool| {
            let task =
                |n: u128| Policy::of(Uuid::from_u128(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)), "mixed_left");
            (0..10_000).filter(|n| test(task(*n))).count()
        };
        assert!((300..500).contains(&count(|policy| policy.takes > Duration::from_millis(300))));
        assert!((700..950).contains(&count(|policy| policy.failures > 0)));
        assert!((5..50).contains(&count(|policy| policy.delay.is_some())));
        assert_eq!(count(|policy| policy.failures >= MAX_ATTEMPTS), 0);
    }
}
