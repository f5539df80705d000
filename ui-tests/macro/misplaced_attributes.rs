use tasker_runtime::prelude::*;

#[step_handler]
async fn validate(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[depends_on(validate)]
async fn charge(amount: u64) -> u64 {
    amount
}

#[step_handler]
#[input("amount")]
async fn ship(amount: u64) -> u64 {
    amount
}

#[step_handler(depends_on = [validate])]
async fn collect(amount: u64) -> u64 {
    amount
}

#[step_handler(compensates = charge)]
async fn refund(amount: u64) -> u64 {
    amount
}

#[step_handler(base_url = "https://example.org")]
async fn call(amount: u64) -> u64 {
    amount
}

#[step_handler(routes = [ship])]
async fn choose(amount: u64) -> u64 {
    amount
}

fn main() {}
