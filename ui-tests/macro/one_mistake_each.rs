//! Mistakes that would be said again where the step is listed.

use tasker_runtime::prelude::*;

#[step_handler]
#[compensates(reserve)]
async fn reserve(seat: u32) -> u32 {
    seat
}

#[decision(routes = [press])]
#[batch_analyzer(worker = press)]
#[step_handler]
async fn portion(total: u64) -> BatchPlan {
    BatchPlan::of_size(total, 10)
}

#[batch_worker]
#[step_handler]
async fn press(cursor: Cursor<u64>) -> u64 {
    cursor.end - cursor.start
}

#[timer(delay = "2d")]
enum Alarm {
    Early,
}

declare_step!(pub debit(cents: u64) -> u64 { cents });

workflow!(trip = [reserve, portion, press, Alarm]);

fn main() {}
