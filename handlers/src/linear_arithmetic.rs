//! Four steps in a row that pass structures on: (2n + 10) × 3.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

use crate::number::overflow;

/// The context; without a number the workflow takes 6.
#[derive(Debug, Deserialize)]
pub struct Input {
    even_number: Option<i64>,
}

/// What `arithmetic_step_1` returns.
#[derive(Debug, Serialize, Deserialize)]
pub struct Generated {
    generated_value: i64,
    timestamp: Timestamp,
}

/// What `arithmetic_step_2` returns.
#[derive(Debug, Serialize, Deserialize)]
pub struct Processed {
    processed_value: i64,
    previous_step_value: i64,
    timestamp: Timestamp,
}

/// What `arithmetic_step_3` returns.
#[derive(Debug, Serialize, Deserialize)]
pub struct Transformed {
    transformed_value: i64,
    transformation_applied: String,
    timestamp: Timestamp,
}

/// What `arithmetic_step_4` returns: the result of the workflow.
#[derive(Debug, Serialize)]
pub struct Finished {
    final_result: i64,
    workflow_summary: Summary,
    timestamp: Timestamp,
}

/// Which steps the last one saw the results of.
#[derive(Debug, Serialize)]
pub struct Summary {
    step_1_executed: bool,
    step_2_executed: bool,
    step_3_executed: bool,
    total_steps: u32,
}

/// Doubles the number.
///
/// # Errors
///
/// Permanent `OVERFLOW`, as in every step here.
#[step_handler]
pub async fn arithmetic_step_1(input: Input) -> Result<Generated, StepError> {
    let generated_value = input.even_number.unwrap_or(6).checked_mul(2).ok_or_else(overflow)?;
    Ok(Generated { generated_value, timestamp: Timestamp::now() })
}

/// Adds 10.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
pub async fn arithmetic_step_2(
    #[depends_on(arithmetic_step_1)] first: Generated,
) -> Result<Processed, StepError> {
    let previous_step_value = first.generated_value;
    let processed_value = previous_step_value.checked_add(10).ok_or_else(overflow)?;
    Ok(Processed { processed_value, previous_step_value, timestamp: Timestamp::now() })
}

/// Multiplies by 3.
///
/// # Errors
///
/// Permanent `OVERFLOW`.
#[step_handler]
pub async fn arithmetic_step_3(
    #[depends_on(arithmetic_step_2)] second: Processed,
) -> Result<Transformed, StepError> {
    let transformed_value = second.processed_value.checked_mul(3).ok_or_else(overflow)?;
    Ok(Transformed {
        transformed_value,
        transformation_applied: "multiply_by_3".to_owned(),
        timestamp: Timestamp::now(),
    })
}

/// Sums up. A step sees the results of all steps before it, direct or not.
#[step_handler]
pub async fn arithmetic_step_4(
    #[depends_on(arithmetic_step_1)] first: Option<Generated>,
    #[depends_on(arithmetic_step_2)] second: Option<Processed>,
    #[depends_on(arithmetic_step_3)] third: Transformed,
) -> Finished {
    Finished {
        final_result: third.transformed_value,
        workflow_summary: Summary {
            step_1_executed: first.is_some(),
            step_2_executed: second.is_some(),
            step_3_executed: true,
            total_steps: 4,
        },
        timestamp: Timestamp::now(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json, to_value};

    use super::*;

    /// The value without its timestamp, which must be there.
    fn timeless(result: &impl Serialize) -> Value {
        let mut value = to_value(result).unwrap();
        let timestamp = value.as_object_mut().unwrap().remove("timestamp").unwrap();
        timestamp.as_str().unwrap().parse::<Timestamp>().unwrap();
        value
    }

    #[tokio::test]
    async fn six_becomes_66_and_is_the_default() {
        for even_number in [Some(6), None] {
            let first = arithmetic_step_1(Input { even_number }).await.unwrap();
            assert_eq!(timeless(&first), json!({"generated_value": 12}));
            let second =
                arithmetic_step_2(serde_json::from_value(to_value(&first).unwrap()).unwrap()).await.unwrap();
            assert_eq!(timeless(&second), json!({"processed_value": 22, "previous_step_value": 12}));
            let third =
                arithmetic_step_3(serde_json::from_value(to_value(&second).unwrap()).unwrap()).await.unwrap();
            assert_eq!(
                timeless(&third),
                json!({"transformed_value": 66, "transformation_applied": "multiply_by_3"})
            );
            let fourth = arithmetic_step_4(Some(first), Some(second), third).await;
            assert_eq!(
                timeless(&fourth),
                json!({"final_result": 66, "workflow_summary": {
                    "step_1_executed": true, "step_2_executed": true, "step_3_executed": true, "total_steps": 4,
                }})
            );
        }
    }

    #[tokio::test]
    async fn overflow_is_a_permanent_error() {
        let timestamp = Timestamp::UNIX_EPOCH;
        let first = arithmetic_step_1(Input { even_number: Some(i64::MAX / 2 + 1) }).await.unwrap_err();
        let second =
            arithmetic_step_2(Generated { generated_value: i64::MAX - 9, timestamp }).await.unwrap_err();
        let processed = Processed { processed_value: i64::MIN / 2, previous_step_value: 0, timestamp };
        let third = arithmetic_step_3(processed).await.unwrap_err();
        for error in [first, second, third] {
            assert_eq!((error.code(), error.is_retryable()), ("OVERFLOW", false));
        }
    }
}
