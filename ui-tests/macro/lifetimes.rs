use tasker_runtime::prelude::*;

#[step_handler]
async fn charge<'a>(_step: &'a TaskSequenceStep) -> u64 {
    7
}

fn main() {}
