//! The step `new_handler`.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// What it takes from the context of the task.
#[derive(Serialize, Deserialize)]
pub struct Input {
    pub id: String,
}

/// What a step after it reads with `#[depends_on(new_handler)]`.
#[derive(Serialize, Deserialize)]
pub struct Output {
    pub id: String,
}

#[step_handler(retry = 3, timeout = "30s")]
pub async fn new_handler(input: Input) -> Result<Output, StepError> {
    if input.id.is_empty() {
        return Err(StepError::permanent("NO_ID", "the task has an empty `id`"));
    }
    Ok(Output { id: input.id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tasker_runtime::testing;

    #[test]
    fn an_empty_id_is_refused() {
        let attempt = testing::run_step::<new_handler>().context(&Input { id: String::new() });
        let outcome = testing::block_on(attempt);
        assert_eq!(outcome.error().map(StepError::code), Some("NO_ID"));
    }
}
