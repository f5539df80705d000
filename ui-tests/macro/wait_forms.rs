use tasker_runtime::prelude::*;

#[step_handler]
async fn sow(seeds: u64) -> u64 {
    seeds
}

#[timer(after("sow"), delay = "5m")]
struct Sprout;

#[timer(after(sow), delay = "5m")]
struct Bloom {
    petals: u64,
}

#[timer(delay = 90)]
struct Wither;

#[step_handler(timeout = 30, retry(base = 2))]
async fn harvest(seeds: u64) -> u64 {
    seeds
}

fn main() {}
