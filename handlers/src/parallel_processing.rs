//! Two branches that each wait a while, at the same time: 2x + 100 and 3x × 2, then their sum.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

use crate::number::overflow;

/// The context; without a value the workflow takes 10.
#[derive(Debug, Deserialize)]
pub struct Base {
    base_value: Option<i64>,
}

/// What `parallel_start` returns: the work of each branch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Started {
    branch_data: BranchData,
}

/// One value for each branch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BranchData {
    value_for_b: i64,
    value_for_c: i64,
}

/// What `parallel_end` returns: the result of the workflow.
#[derive(Debug, Serialize)]
pub struct Joined {
    final_result: i64,
    branch_results: BranchResults,
}

/// What the branches came to.
#[derive(Debug, Serialize)]
pub struct BranchResults {
    branch_b: i64,
    branch_c: i64,
}

/// Splits the value: 2x for b, 3x for c.
///
/// # Errors
///
/// Permanent `OVERFLOW`, as in every step here.
#[step_handler]
pub async fn parallel_start(base: Base) -> Result<Started, StepError> {
    let x = base.base_value.unwrap_or(10);
    let value_for_b = x.checked_mul(2).ok_or_else(overflow)?;
    let value_for_c = x.checked_mul(3).ok_or_else(overflow)?;
    Ok(Started { branch_data: BranchData { value_for_b, value_for_c } })
}

/// Adds 100, in 100 ms.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
pub async fn parallel_branch_b(#[depends_on(parallel_start)] start: Started) -> Result<i64, StepError> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    start.branch_data.value_for_b.checked_add(100).ok_or_else(overflow)
}

/// Doubles, in 150 ms.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
pub async fn parallel_branch_c(#[depends_on(parallel_start)] start: Started) -> Result<i64, StepError> {
    tokio::time::sleep(Duration::from_millis(150)).await;
    start.branch_data.value_for_c.checked_mul(2).ok_or_else(overflow)
}

/// Adds what the branches came to.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
pub async fn parallel_end(
    #[depends_on(parallel_branch_b)] branch_b: i64,
    #[depends_on(parallel_branch_c)] branch_c: i64,
) -> Result<Joined, StepError> {
    let final_result = branch_b.checked_add(branch_c).ok_or_else(overflow)?;
    Ok(Joined { final_result, branch_results: BranchResults { branch_b, branch_c } })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_becomes_180_in_150_ms_and_is_the_default() {
        for base_value in [Some(10), None] {
            let start = parallel_start(Base { base_value }).await.unwrap();
            assert_eq!(
                to_value(&start).unwrap(),
                json!({"branch_data": {"value_for_b": 20, "value_for_c": 30}})
            );
            let begin = tokio::time::Instant::now();
            let (b, c) = tokio::join!(parallel_branch_b(start.clone()), parallel_branch_c(start));
            assert_eq!(begin.elapsed(), Duration::from_millis(150));
            assert_eq!(
                to_value(parallel_end(b.unwrap(), c.unwrap()).await.unwrap()).unwrap(),
                json!({"final_result": 180, "branch_results": {"branch_b": 120, "branch_c": 60}})
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn overflow_is_a_permanent_error() {
        let huge = Started { branch_data: BranchData { value_for_b: i64::MAX, value_for_c: i64::MAX } };
        for error in [
            parallel_start(Base { base_value: Some(i64::MAX / 2) }).await.err(),
            parallel_branch_b(huge.clone()).await.err(),
            parallel_branch_c(huge).await.err(),
            parallel_end(i64::MIN, -1).await.err(),
        ] {
            let error = error.unwrap();
            assert_eq!((error.code(), error.is_retryable()), ("OVERFLOW", false));
        }
    }
}
