use tasker_runtime::prelude::*;

#[step_handler]
async fn mill(grain: u64) -> (u64, u64) {
    (grain, grain)
}

#[step_handler]
async fn sift(#[depends_on(mill.0)] flour: u64) -> u64 {
    flour
}

fn main() {}
