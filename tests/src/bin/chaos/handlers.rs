//! The handlers of the crash tests: each hands what it sees to the ledger and returns what the ledger says.

use serde::Deserialize;
use tasker_runtime::prelude::*;

use super::ledger::Ledger;

/// The context of every task.
#[derive(Deserialize)]
struct Job {
    /// The number of the submission.
    n: u64,
}

/// Handlers of the first form see the context, those of the second the results they depend on.
macro_rules! handlers {
    ($($step:ident($($seen:ident),*);)+) => {
        $(handlers!(@ $step $($seen),*);)+
    };
    (@ $step:ident) => {
        #[step_handler]
        async fn $step(step: &TaskSequenceStep, ledger: State<Ledger>, job: Job) -> Result<u64, StepError> {
            ledger.attempt(step, &[job.n]).await
        }
    };
    (@ $step:ident $($seen:ident),+) => {
        #[step_handler]
        async fn $step(
            step: &TaskSequenceStep,
            ledger: State<Ledger>,
            $(#[depends_on($seen)] $seen: u64,)+
        ) -> Result<u64, StepError> {
            ledger.attempt(step, &[$($seen),+]).await
        }
    };
}

handlers! {
    linear_1();
    linear_2(linear_1);
    linear_3(linear_2);
    linear_4(linear_3);

    diamond_start();
    diamond_left(diamond_start);
    diamond_right(diamond_start);
    diamond_end(diamond_left, diamond_right);

    tree_root();
    tree_left(tree_root);
    tree_right(tree_root);
    tree_left_a(tree_left);
    tree_left_b(tree_left);
    tree_right_a(tree_right);
    tree_right_b(tree_right);
    tree_crown(tree_left_a, tree_left_b, tree_right_a, tree_right_b);

    mixed_init();
    mixed_left(mixed_init);
    mixed_right(mixed_init);
    mixed_validate(mixed_left, mixed_right);
    mixed_transform(mixed_left);
    mixed_analyze(mixed_right);
    mixed_finalize(mixed_validate, mixed_transform, mixed_analyze);
}
