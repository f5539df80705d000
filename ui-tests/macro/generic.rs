use tasker_runtime::prelude::*;

#[step_handler]
async fn charge<T>(amount: T) -> T {
    amount
}

fn main() {}
