use tasker_runtime::prelude::*;

#[step_handler]
async fn start(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn a(#[depends_on(start)] start: u64, #[depends_on(c)] c: u64) -> u64 {
    start + c
}

#[step_handler]
async fn b(#[depends_on(a)] a: u64) -> u64 {
    a
}

#[step_handler]
async fn c(#[depends_on(b)] b: u64) -> u64 {
    b
}

workflow!(endless = [start, a, b, c]);

fn main() {}
