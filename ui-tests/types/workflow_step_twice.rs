use tasker_runtime::prelude::*;

#[step_handler(namespace = "a", name = "charge")]
async fn one(amount: u64) -> u64 {
    amount
}

#[step_handler(namespace = "b", name = "charge")]
async fn two(amount: u64) -> u64 {
    amount
}

workflow!(checkout = [one, two]);

fn main() {}
