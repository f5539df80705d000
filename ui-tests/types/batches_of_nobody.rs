use tasker_runtime::prelude::*;

#[step_handler]
#[batch_analyzer(worker = husk)]
async fn by_weight(grams: u64) -> BatchPlan {
    BatchPlan::of_size(grams, 10)
}

#[step_handler]
#[batch_analyzer(worker = husk)]
async fn by_sieve(grams: u64) -> BatchPlan {
    BatchPlan::of_size(grams, 20)
}

#[step_handler]
#[batch_worker]
async fn husk(grains: Cursor<u64>) -> u64 {
    grains.end - grains.start
}

#[step_handler]
#[batch_analyzer(worker = roast)]
async fn by_colour(grams: u64) -> BatchPlan {
    BatchPlan::of_size(grams, 10)
}

#[step_handler]
#[batch_worker]
async fn roast(#[depends_on(by_colour)] grains: Cursor<u64>) -> u64 {
    grains.end - grains.start
}

workflow!(mill = [husk]);
workflow!(two_sieves = [by_weight, by_sieve, husk]);
workflow!(roastery = [by_colour, roast]);

fn main() {}
