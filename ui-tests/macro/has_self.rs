use tasker_runtime::prelude::*;

struct Shop;

impl Shop {
    #[step_handler]
    async fn charge(&self, amount: u64) -> u64 {
        amount
    }
}

fn main() {}
