//! The decision `new_handler` and its routes. In a template, the decision has `type: decision`, both routes
//! depend on it, and what comes after them has `type: deferred_convergence`.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// What it takes from the context of the task.
#[derive(Serialize, Deserialize)]
pub struct Input {
    pub amount: u64,
}

#[step_handler]
#[decision(routes = [new_handler_small, new_handler_large])]
pub async fn new_handler(input: Input) -> Decision {
    match input.amount {
        0 => Decision::skip("there is nothing to decide"),
        1..1_000 => Decision::route([new_handler_small]),
        _ => Decision::route([new_handler_large]),
    }
}

#[step_handler]
pub async fn new_handler_small(input: Input) -> String {
    format!("{} went the short way", input.amount)
}

#[step_handler]
pub async fn new_handler_large(input: Input) -> String {
    format!("{} went the long way", input.amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tasker_runtime::testing;

    #[test]
    fn large_amounts_go_the_long_way() {
        let outcome = testing::block_on(testing::run_step::<new_handler>().context(&Input { amount: 5_000 }));
        assert_eq!(outcome.routes(), ["new_handler_large"]);
    }
}
