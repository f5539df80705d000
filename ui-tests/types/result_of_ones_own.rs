use tasker_runtime::prelude::*;

#[derive(serde::Serialize)]
enum Result<T> {
    Good(T),
}

#[step_handler]
async fn charge(amount: u64) -> Result<u64> {
    Result::Good(amount)
}

fn main() {}
