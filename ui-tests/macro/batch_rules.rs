use tasker_runtime::prelude::*;

#[step_handler]
#[batch_worker]
async fn work(rows: Cursor<u64>) -> u64 {
    rows.end
}

#[step_handler]
#[batch_analyzer]
async fn without_worker() -> BatchPlan {
    BatchPlan::none("no")
}

#[step_handler]
#[batch_analyzer(wroker = work)]
async fn misspelt() -> BatchPlan {
    BatchPlan::none("no")
}

#[step_handler]
#[batch_analyzer(worker = itself)]
async fn itself() -> BatchPlan {
    BatchPlan::none("no")
}

#[step_handler]
async fn plan_without_attribute() -> BatchPlan {
    BatchPlan::none("no")
}

#[step_handler]
async fn batch_without_attribute(rows: Cursor<u64>, progress: Checkpoint<u64>) -> u64 {
    let _ = progress;
    rows.end
}

#[step_handler]
#[batch_worker(size = 3)]
async fn worker_with_options(rows: Cursor<u64>) -> u64 {
    rows.end
}

fn main() {}
