//! Steps that go wrong on purpose, for trying out retries, exhausted attempts, panics, timeouts and
//! checkpoints. A template each, of the same name, in `config/tasks/error_injection`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// How often to fail.
#[derive(Debug, Clone, Deserialize)]
pub struct Failures {
    fail_count: u32,
}

/// How long to sleep.
#[derive(Debug, Clone, Deserialize)]
pub struct Sleep {
    sleep_ms: u64,
}

/// Fails at the first `fail_count` attempts, which the engine counts, so a restart changes nothing.
///
/// # Errors
///
/// Retryable `INJECTED`.
#[step_handler]
pub async fn fail_n_times(failures: Config<Failures>, attempt: Attempt) -> Result<u32, StepError> {
    if attempt.number <= failures.fail_count {
        let message = format!("attempt {} of {} that fail", attempt.number, failures.fail_count);
        return Err(StepError::retryable("INJECTED", message));
    }
    Ok(attempt.number)
}

/// Fails at every attempt.
///
/// # Errors
///
/// Always: retryable `INJECTED`.
#[step_handler]
pub async fn always_fail(attempt: Attempt) -> Result<(), StepError> {
    Err(StepError::retryable("INJECTED", format!("attempt {} fails as all do", attempt.number)))
}

/// Fails for good.
///
/// # Errors
///
/// Always: permanent `INJECTED`.
#[step_handler]
pub async fn permanent_fail() -> Result<(), StepError> {
    Err(StepError::permanent("INJECTED", "no attempt would help"))
}

/// Panics at the first attempt.
#[step_handler]
pub async fn panic_once(attempt: Attempt) -> u32 {
    #[allow(clippy::panic, reason = "that is what it is for")]
    if attempt.number == 1 {
        panic!("injected");
    }
    attempt.number
}

/// Sleeps for longer than its timeout.
#[step_handler]
pub async fn sleep_past_timeout(sleep: Config<Sleep>) {
    tokio::time::sleep(Duration::from_millis(sleep.sleep_ms)).await;
}

const ITEMS: u64 = 100;
const FAILS_AFTER: u64 = 50;

/// What one batch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    processed: u64,
    sum: u64,
    /// Where this attempt began.
    resumed_from: u64,
    attempt: u32,
}

/// One batch of 100 items.
#[step_handler]
#[batch_analyzer(worker = checkpoint_fail_batch)]
pub async fn checkpoint_fail_analyze() -> BatchPlan {
    BatchPlan::of_size(ITEMS, ITEMS)
}

/// Adds up its items, ten at a time. The first attempt fails after 50 of them; the second goes on there.
///
/// # Errors
///
/// Retryable `INJECTED`, once.
#[step_handler]
#[batch_worker]
pub async fn checkpoint_fail_batch(
    items: Cursor<u64>,
    progress: Checkpoint<u64>,
    attempt: Attempt,
) -> Result<Part, StepError> {
    let saved = progress.load().await?;
    let (resumed_from, mut sum) = saved.map_or((items.start, 0), |saved| (saved.cursor, saved.partial));
    let mut at = resumed_from;
    while at < items.end {
        let next = (at + 10).min(items.end);
        sum += (at..next).sum::<u64>();
        at = next;
        progress.save(at, at - items.start, sum).await?;
        if attempt.number == 1 && at - items.start == FAILS_AFTER {
            return Err(StepError::retryable("INJECTED", format!("fails once after {FAILS_AFTER} items")));
        }
    }
    Ok(Part { processed: at - items.start, sum, resumed_from, attempt: attempt.number })
}

/// What the batch came to.
#[step_handler]
pub async fn checkpoint_fail_summary(#[depends_on(checkpoint_fail_batch)] parts: Vec<Part>) -> Vec<Part> {
    parts
}
