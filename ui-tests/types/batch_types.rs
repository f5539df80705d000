use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Part;

type Rows = Cursor<u64>;

#[step_handler]
#[batch_worker]
async fn work(rows: Cursor<u64>) -> Part {
    let _ = rows;
    Part
}

#[step_handler]
async fn no_worker() {}

#[step_handler]
#[batch_analyzer(worker = no_worker)]
async fn worker_is_none() -> BatchPlan {
    BatchPlan::none("no")
}

#[step_handler]
#[batch_analyzer(worker = work)]
async fn no_plan() -> u64 {
    7
}

#[step_handler]
#[batch_worker]
async fn without_its_batch(amount: u64) -> u64 {
    amount
}

#[step_handler]
async fn alias_without_attribute(rows: Rows) -> u64 {
    rows.end
}

#[step_handler]
async fn one_part(#[depends_on(work)] part: Part) -> Part {
    part
}

fn main() {}
