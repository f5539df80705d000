//! The batches of `new_handler`: it cuts the work, `new_handler_part` does a slice of it, and
//! `new_handler_total` gathers. In a template these are `type: batchable`, `type: batch_worker` and
//! `type: deferred_convergence`, each depending on the one before.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// What it takes from the context of the task.
#[derive(Serialize, Deserialize)]
pub struct Input {
    pub rows: u64,
}

#[step_handler]
#[batch_analyzer(worker = new_handler_part)]
pub async fn new_handler(input: Input) -> BatchPlan {
    BatchPlan::of_size(input.rows, 100)
}

/// Saves how far it got, so that an attempt after a failure or a crash goes on from there.
#[step_handler(retry = 3)]
#[batch_worker]
pub async fn new_handler_part(rows: Cursor<u64>, progress: Checkpoint<u64>) -> Result<u64, StepError> {
    let saved = progress.load().await?;
    let (mut at, mut sum) = saved.map_or((rows.start, 0), |saved| (saved.cursor, saved.partial));
    while at < rows.end {
        sum += at;
        at += 1;
        if at % 10 == 0 {
            progress.save(at, at - rows.start, sum).await?;
        }
    }
    Ok(sum)
}

#[step_handler]
pub async fn new_handler_total(#[depends_on(new_handler_part)] parts: Vec<u64>) -> u64 {
    parts.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tasker_runtime::testing;

    #[test]
    fn an_attempt_goes_on_from_what_was_saved() {
        let attempt = testing::run_step::<new_handler_part>().cursor(0, 25).checkpoint(20, 20, 190);
        let outcome = testing::block_on(attempt);
        assert_eq!(outcome.result::<u64>().ok(), Some((0..25).sum()));
    }
}
