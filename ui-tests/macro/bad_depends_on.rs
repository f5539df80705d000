use tasker_runtime::prelude::*;

#[step_handler]
async fn validate(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn charge(
    #[depends_on] a: u64,
    #[depends_on()] b: u64,
    #[depends_on(validate, validate)] c: u64,
    #[depends_on("")] d: u64,
    #[depend_on(validate)] e: u64,
    #[input(items)] f: u64,
    #[input("items..sku")] g: u64,
    #[depends_on(validate)]
    #[input("h")]
    h: u64,
) -> u64 {
    a + b + c + d + e + f + g + h
}

fn main() {}
