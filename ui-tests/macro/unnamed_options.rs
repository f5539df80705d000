use tasker_runtime::prelude::*;

#[api("https://till.example")]
#[step_handler]
async fn ring(cents: u64, api: Api) -> u64 {
    let _ = api;
    cents
}

#[api("till")]
#[step_handler]
async fn refund(cents: u64, api: Api) -> u64 {
    let _ = api;
    cents
}

#[step_handler("close")]
async fn close_till(cents: u64) -> u64 {
    cents
}

const TRIES: u32 = 4;

#[step_handler(retry(max_attempts = TRIES), timeout = Duration::from_secs(3), name = concat!("count", "er"))]
async fn counter(cents: u64) -> u64 {
    cents
}

#[step_handler(queue = "")]
async fn tally(cents: u64) -> u64 {
    cents
}

fn main() {}
