use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

#[step_handler]
async fn plough() -> u64 {
    7
}

// Neither read nor written.
#[signal(after(plough))]
struct Silent;

// After something that is no step.
struct Meadow;

#[timer(after(Meadow), delay = "5m")]
struct Later;

#[signal(after(plough), timeout = "1d", default = 7)]
#[derive(Serialize, Deserialize)]
struct Given {
    by: String,
}

async fn send(tasker: &tasker_runtime::Tasker, task: tasker_runtime::api::Submission) {
    let task = tasker.submit(task).await.unwrap();
    let _ = tasker.signal(task, &Meadow).await;
    let _ = tasker.signal(task, &Later).await;
}

fn main() {}
