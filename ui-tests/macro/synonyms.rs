use tasker_runtime::prelude::*;

#[step_handler(retry(5))]
async fn knit(rows: u64) -> u64 {
    rows
}

#[step_handler(retry(tries = 5, initial = "1s", ceiling = "1m", factor = 2))]
async fn sew(rows: u64) -> u64 {
    rows
}

#[step_handler(tries = 4, deadline = "1m", workers = 3)]
async fn weave(rows: u64) -> u64 {
    rows
}

#[step_handler]
#[api(endpoint = "https://example.com")]
async fn dye(api: Api) -> u64 {
    let _ = api;
    7
}

fn main() {}
