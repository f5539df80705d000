use tasker_runtime::prelude::*;

#[step_handler]
async fn validate(amount: u64) -> u64 {
    amount
}

#[step_handler(name = "collect")]
async fn charge(#[depends_on(validate)] amount: u64, #[depends_on("stock")] stock: u64) -> u64 {
    amount + stock
}

workflow!(checkout = [charge]);

fn main() {}
