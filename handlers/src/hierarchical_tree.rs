//! A root, two branches, four leaves and a last step that joins the leaves: n⁶⁴.

use tasker_runtime::prelude::*;

use crate::number::{Exact, Start};

/// n², from the context.
///
/// # Errors
///
/// Permanent when the context has no even number from 2 to 100.
#[step_handler]
pub async fn tree_root(start: Start) -> Result<Exact, StepError> {
    Ok(start.even_number()?.square())
}

/// n⁴.
#[step_handler]
pub async fn tree_branch_left(#[depends_on(tree_root)] n: Exact) -> Exact {
    n.square()
}

/// n⁴.
#[step_handler]
pub async fn tree_branch_right(#[depends_on(tree_root)] n: Exact) -> Exact {
    n.square()
}

/// n⁸.
#[step_handler]
pub async fn tree_leaf_d(#[depends_on(tree_branch_left)] n: Exact) -> Exact {
    n.square()
}

/// n⁸.
#[step_handler]
pub async fn tree_leaf_e(#[depends_on(tree_branch_left)] n: Exact) -> Exact {
    n.square()
}

/// n⁸.
#[step_handler]
pub async fn tree_leaf_f(#[depends_on(tree_branch_right)] n: Exact) -> Exact {
    n.square()
}

/// n⁸.
#[step_handler]
pub async fn tree_leaf_g(#[depends_on(tree_branch_right)] n: Exact) -> Exact {
    n.square()
}

/// (d · e · f · g)² = n⁶⁴, a string for every n.
#[step_handler]
pub async fn tree_final_convergence(
    #[depends_on(tree_leaf_d)] d: Exact,
    #[depends_on(tree_leaf_e)] e: Exact,
    #[depends_on(tree_leaf_f)] f: Exact,
    #[depends_on(tree_leaf_g)] g: Exact,
) -> Exact {
    (d * e * f * g).square()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[tokio::test]
    async fn two_grows_to_2_to_the_64() {
        let root = tree_root(serde_json::from_value(json!({"even_number": 2})).unwrap()).await.unwrap();
        let (left, right) = (tree_branch_left(root.clone()).await, tree_branch_right(root.clone()).await);
        assert_eq!(to_value((&root, &left, &right)).unwrap(), json!([4, 16, 16]));
        let (d, e) = (tree_leaf_d(left.clone()).await, tree_leaf_e(left).await);
        let (f, g) = (tree_leaf_f(right.clone()).await, tree_leaf_g(right).await);
        assert_eq!(to_value((&d, &e, &f, &g)).unwrap(), json!([256, 256, 256, 256]));
        let end = tree_final_convergence(d, e, f, g).await;
        assert_eq!(to_value(end).unwrap(), json!("18446744073709551616"));
    }
}
