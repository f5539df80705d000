use tasker_runtime::prelude::*;

#[step_handler]
async fn sow() -> u64 {
    3
}

#[step_handler(after = sow)]
async fn water() {}

#[step_handler(after("sow"))]
async fn weed() {}

#[step_handler(after())]
async fn fence() {}

#[step_handler(after(reap))]
async fn reap() {}

#[step_handler(after(sow, sow))]
async fn scare() {}

#[step_handler(after(sow))]
async fn count(#[depends_on(sow)] seeds: u64) -> u64 {
    seeds
}

#[step_handler(after(count))]
#[compensates(sow)]
async fn unsow(#[depends_on(sow)] seeds: u64) -> u64 {
    seeds
}

fn main() {}
