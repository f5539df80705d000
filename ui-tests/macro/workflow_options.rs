use tasker_runtime::prelude::*;

#[step_handler]
async fn charge(amount: u64) -> u64 {
    amount
}

workflow!(a = [charge], namespace = "My Shop", version = "1.0");
workflow!(b = [charge], on_failure = "explode", name = "b");
workflow!(c = [charge], on_failure = compensate);
workflow!(d = [charge] namespace = "shop");

fn main() {}
