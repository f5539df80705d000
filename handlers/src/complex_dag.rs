//! Branches that join twice and in part: n⁶⁴ over seven steps.

use tasker_runtime::prelude::*;

use crate::number::{Exact, Start};

/// n², from the context.
///
/// # Errors
///
/// Permanent when the context has no even number from 2 to 100.
#[step_handler]
pub async fn dag_init(start: Start) -> Result<Exact, StepError> {
    Ok(start.even_number()?.square())
}

/// n⁴ on the left.
#[step_handler]
pub async fn dag_process_left(#[depends_on(dag_init)] n: Exact) -> Exact {
    n.square()
}

/// n⁴ on the right.
#[step_handler]
pub async fn dag_process_right(#[depends_on(dag_init)] n: Exact) -> Exact {
    n.square()
}

/// (l · r)² = n¹⁶, from both sides.
#[step_handler]
pub async fn dag_validate(
    #[depends_on(dag_process_left)] left: Exact,
    #[depends_on(dag_process_right)] right: Exact,
) -> Exact {
    (left * right).square()
}

/// n⁸, from the left alone.
#[step_handler]
pub async fn dag_transform(#[depends_on(dag_process_left)] left: Exact) -> Exact {
    left.square()
}

/// n⁸, from the right alone.
#[step_handler]
pub async fn dag_analyze(#[depends_on(dag_process_right)] right: Exact) -> Exact {
    right.square()
}

/// (v · t · a)² = n⁶⁴, a string for every n.
#[step_handler]
pub async fn dag_finalize(
    #[depends_on(dag_validate)] validated: Exact,
    #[depends_on(dag_transform)] transformed: Exact,
    #[depends_on(dag_analyze)] analyzed: Exact,
) -> Exact {
    (validated * transformed * analyzed).square()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    // The powers were computed in another language.
    const POWERS: [(i64, &str, &str); 4] = [
        (2, "65536", "\"18446744073709551616\""),
        (6, "2821109907456", "\"63340286662973277706162286946811886609896461828096\""),
        (
            98,
            "\"72379772059249583476264088436736\"",
            "\"27445354472714884608068190051661236507394764268024438318292390078008443472114466340736879050118395554701241395980295264761020416\"",
        ),
        (
            100,
            "\"100000000000000000000000000000000\"",
            "\"100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"",
        ),
    ];

    #[tokio::test]
    async fn every_number_ends_in_its_exact_64th_power() {
        for (n, validated, finalized) in POWERS {
            let init = dag_init(serde_json::from_value(json!({"even_number": n})).unwrap()).await.unwrap();
            let (left, right) = (dag_process_left(init.clone()).await, dag_process_right(init).await);
            let (t, a) = (dag_transform(left.clone()).await, dag_analyze(right.clone()).await);
            let eighth = json!(n.pow(8));
            assert_eq!((to_value(&t).unwrap(), to_value(&a).unwrap()), (eighth.clone(), eighth), "{n}");
            let v = dag_validate(left, right).await;
            assert_eq!(serde_json::to_string(&v).unwrap(), validated);
            assert_eq!(serde_json::to_string(&dag_finalize(v, t, a).await).unwrap(), finalized);
        }
    }
}
