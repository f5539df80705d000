use tasker_runtime::prelude::*;

#[step_handler(tiemout = "1s")]
async fn validate(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn charge(#[depends_on(validate)] amount: u64) -> u64 {
    amount
}

workflow!(checkout = [validate, charge]);

fn main() {
    let _ = (checkout, validate(7), handlers![validate]);
}
