use tasker_runtime::prelude::*;

#[step_handler]
async fn approve() {}

#[step_handler]
async fn reject() {}

#[step_handler]
#[decision(routes = [approve, reject])]
async fn choose(amount: u64) -> Decision {
    Decision::route([if amount < 10 { approve } else { reject }])
}

#[step_handler]
#[batch_analyzer(worker = work)]
async fn cut(rows: u64) -> BatchPlan {
    BatchPlan::of_size(rows, 10)
}

#[step_handler]
#[batch_worker]
async fn work(rows: Cursor<u64>) -> u64 {
    rows.end
}

workflow!(approval = [choose, approve]);

workflow!(batches = [cut]);

fn main() {}
