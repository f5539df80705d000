use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(_amount: u64) -> &str {
    "charged"
}

fn main() {}
