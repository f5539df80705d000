use tasker_runtime::prelude::*;

#[step_handler(around = fenced)]
async fn plough(acres: u64) -> u64 {
    acres
}

#[step_handler(around = [])]
async fn sow(bushels: u64) -> u64 {
    bushels
}

#[step_handler(around = [gated, watered, gated])]
async fn reap(sheaves: u64) -> u64 {
    sheaves
}

#[step_handler(around = ["hedged"])]
async fn thresh(grains: u64) -> u64 {
    grains
}

#[step_handler(around)]
async fn winnow(chaff: u64) -> u64 {
    chaff
}

fn main() {}
