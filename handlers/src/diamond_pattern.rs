//! One step, two branches side by side, one step that joins them: (n⁴ · n⁴)² = n¹⁶.

use tasker_runtime::prelude::*;

use crate::number::{Exact, Start};

/// n², from the context.
///
/// # Errors
///
/// Permanent when the context has no even number from 2 to 100.
#[step_handler]
pub async fn diamond_start(start: Start) -> Result<Exact, StepError> {
    Ok(start.even_number()?.square())
}

/// n⁴ on one side.
#[step_handler]
pub async fn diamond_branch_b(#[depends_on(diamond_start)] n: Exact) -> Exact {
    n.square()
}

/// n⁴ on the other.
#[step_handler]
pub async fn diamond_branch_c(#[depends_on(diamond_start)] n: Exact) -> Exact {
    n.square()
}

/// (b · c)², once both are there.
#[step_handler]
pub async fn diamond_end(
    #[depends_on(diamond_branch_b)] b: Exact,
    #[depends_on(diamond_branch_c)] c: Exact,
) -> Exact {
    (b * c).square()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[tokio::test]
    async fn branches_join_to_the_sixteenth_power() {
        for (n, result) in
            [(6, json!(2_821_109_907_456_i64)), (100, json!("100000000000000000000000000000000"))]
        {
            let context = serde_json::from_value(json!({"even_number": n})).unwrap();
            let start = diamond_start(context).await.unwrap();
            assert_eq!(to_value(&start).unwrap(), json!(n * n));
            let (b, c) = (diamond_branch_b(start.clone()).await, diamond_branch_c(start).await);
            assert_eq!(to_value((&b, &c)).unwrap(), json!([n * n * n * n, n * n * n * n]));
            assert_eq!(to_value(diamond_end(b, c).await).unwrap(), result);
        }
    }
}
