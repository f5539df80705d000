//! Four steps in a row, each squaring the result of the one before: n², n⁴, n⁸, n¹⁶.

use tasker_runtime::prelude::*;

use crate::number::{Exact, Start};

/// n², from the context.
///
/// # Errors
///
/// Permanent when the context has no even number from 2 to 100.
#[step_handler]
pub async fn linear_step_1(start: Start) -> Result<Exact, StepError> {
    Ok(start.even_number()?.square())
}

/// n⁴.
#[step_handler]
pub async fn linear_step_2(#[depends_on(linear_step_1)] n: Exact) -> Exact {
    n.square()
}

/// n⁸.
#[step_handler]
pub async fn linear_step_3(#[depends_on(linear_step_2)] n: Exact) -> Exact {
    n.square()
}

/// n¹⁶.
#[step_handler]
pub async fn linear_step_4(#[depends_on(linear_step_3)] n: Exact) -> Exact {
    n.square()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json, to_value};

    use super::*;

    async fn results(even_number: i64) -> Vec<Value> {
        let start = serde_json::from_value(json!({"even_number": even_number})).unwrap();
        let first = linear_step_1(start).await.unwrap();
        let second = linear_step_2(first.clone()).await;
        let third = linear_step_3(second.clone()).await;
        let fourth = linear_step_4(third.clone()).await;
        [first, second, third, fourth].iter().map(|n| to_value(n).unwrap()).collect()
    }

    #[tokio::test]
    async fn six_is_squared_four_times() {
        assert_eq!(
            results(6).await,
            [json!(36), json!(1296), json!(1_679_616), json!(2_821_109_907_456_i64)]
        );
    }

    #[tokio::test]
    async fn a_hundred_ends_in_a_string() {
        assert_eq!(
            results(100).await,
            [
                json!(10_000),
                json!(100_000_000),
                json!(10_000_000_000_000_000_i64),
                json!("100000000000000000000000000000000")
            ]
        );
    }

    #[tokio::test]
    async fn odd_number_is_refused_for_good() {
        let start = serde_json::from_str(r#"{"even_number": 7}"#).unwrap();
        let error = linear_step_1(start).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("VALIDATION_ERROR", false));
    }
}
