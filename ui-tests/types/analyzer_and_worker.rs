use tasker_runtime::prelude::*;

#[step_handler]
#[batch_worker]
async fn stamp(rows: Cursor<String>) -> String {
    rows.start
}

#[step_handler]
#[batch_analyzer(worker = stamp)]
async fn sort_letters(count: u64) -> BatchPlan {
    BatchPlan::of_size(count, 10)
}

#[step_handler]
#[batch_worker]
async fn deliver(rows: Cursor<u32>) -> u32 {
    rows.start
}

#[step_handler]
#[batch_analyzer(worker = deliver)]
async fn plan_route() -> Result<BatchPlan<(u8, u8)>, StepError> {
    Ok(BatchPlan::cursors([(0, 0)..(1, 1)]))
}

fn main() {}
