//! A diamond, a decision and batches in one: even and odd numbers are told apart side by side, whichever are
//! more are added up in batches of two.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

use crate::number::overflow;

const BATCH_SIZE: u64 = 2;
const MOST_BATCHES: u64 = 10;

/// The context.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Numbers {
    numbers: Vec<i64>,
}

/// What one batch came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    processed: u64,
    sum: i64,
}

/// What all batches came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Total {
    total_processed: u64,
    total_sum: i64,
    batch_count: usize,
}

/// Hands on the numbers.
#[step_handler]
pub async fn ddb_diamond_start(input: Numbers) -> Vec<i64> {
    input.numbers
}

/// The even ones.
#[step_handler]
pub async fn branch_evens(#[depends_on(ddb_diamond_start)] numbers: Vec<i64>) -> Vec<i64> {
    numbers.into_iter().filter(|number| number % 2 == 0).collect()
}

/// The odd ones.
#[step_handler]
pub async fn branch_odds(#[depends_on(ddb_diamond_start)] numbers: Vec<i64>) -> Vec<i64> {
    numbers.into_iter().filter(|number| number % 2 != 0).collect()
}

/// Takes the side that has more numbers, the even one if both have as many.
#[step_handler]
#[decision(routes = [even_batch_analyzer, odd_batch_analyzer])]
pub async fn ddb_routing_decision(
    #[depends_on(branch_evens)] evens: Vec<i64>,
    #[depends_on(branch_odds)] odds: Vec<i64>,
) -> Decision {
    Decision::route([if evens.len() >= odds.len() { even_batch_analyzer } else { odd_batch_analyzer }])
}

/// Cuts the even numbers.
#[step_handler]
#[batch_analyzer(worker = process_even_batch)]
pub async fn even_batch_analyzer(#[depends_on(branch_evens)] numbers: Vec<i64>) -> BatchPlan {
    BatchPlan::of_size(numbers.len() as u64, BATCH_SIZE).max_batches(MOST_BATCHES)
}

/// Cuts the odd numbers.
#[step_handler]
#[batch_analyzer(worker = process_odd_batch)]
pub async fn odd_batch_analyzer(#[depends_on(branch_odds)] numbers: Vec<i64>) -> BatchPlan {
    BatchPlan::of_size(numbers.len() as u64, BATCH_SIZE).max_batches(MOST_BATCHES)
}

/// Adds up a batch of the even numbers.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
#[batch_worker]
pub async fn process_even_batch(
    slice: Cursor<usize>,
    #[depends_on(branch_evens)] numbers: Vec<i64>,
) -> Result<Part, StepError> {
    add_up(&numbers[slice.range()])
}

/// Adds up a batch of the odd numbers.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
#[batch_worker]
pub async fn process_odd_batch(
    slice: Cursor<usize>,
    #[depends_on(branch_odds)] numbers: Vec<i64>,
) -> Result<Part, StepError> {
    add_up(&numbers[slice.range()])
}

fn add_up(numbers: &[i64]) -> Result<Part, StepError> {
    let sum = numbers.iter().try_fold(0_i64, |sum, number| sum.checked_add(*number)).ok_or_else(overflow)?;
    Ok(Part { processed: numbers.len() as u64, sum })
}

/// Adds up the batches of the even numbers.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
pub async fn aggregate_even_results(
    #[depends_on(process_even_batch)] parts: Vec<Part>,
) -> Result<Total, StepError> {
    total(&parts)
}

/// Adds up the batches of the odd numbers.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
pub async fn aggregate_odd_results(
    #[depends_on(process_odd_batch)] parts: Vec<Part>,
) -> Result<Total, StepError> {
    total(&parts)
}

fn total(parts: &[Part]) -> Result<Total, StepError> {
    let total_sum =
        parts.iter().try_fold(0_i64, |sum, part| sum.checked_add(part.sum)).ok_or_else(overflow)?;
    let total_processed = parts.iter().map(|part| part.processed).sum();
    Ok(Total { total_processed, total_sum, batch_count: parts.len() })
}
