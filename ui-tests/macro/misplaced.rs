use tasker_runtime::prelude::*;

#[step_handler]
const LIMIT: u8 = 7;

#[step_handler]
mod steps {}

trait Charge {
    #[step_handler]
    async fn charge(&self) -> u64;
}

#[step_handler]
impl Charge for u8 {
    async fn charge(&self) -> u64 {
        7
    }
}

fn main() {
    let _ = LIMIT;
}
