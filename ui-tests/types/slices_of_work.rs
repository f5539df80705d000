use tasker_runtime::prelude::*;

#[batch_worker]
#[step_handler]
async fn press(cursor: Cursor<String>) -> String {
    cursor.start
}

#[batch_analyzer(worker = press)]
#[step_handler]
async fn portion() -> BatchPlan<String> {
    BatchPlan::cursors(["a".to_owned(), "m".to_owned()])
}

workflow!(mill = [portion, press]);

fn main() {}
