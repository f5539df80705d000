use tasker_runtime::prelude::*;

#[tokio::main]
#[step_handler]
async fn above() -> u64 {
    7
}

#[step_handler]
#[tokio::main]
async fn below() -> u64 {
    7
}

fn main() {}
