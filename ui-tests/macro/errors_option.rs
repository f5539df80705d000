use tasker_runtime::prelude::*;

#[step_handler(errors = "fatal")]
async fn melt(degrees: u64) -> u64 {
    degrees
}

#[step_handler(errors)]
async fn freeze(degrees: u64) -> u64 {
    degrees
}

fn main() {}
