//! Batch instances under one analyzer: what one of them costs must not grow with their number.

use std::time::{Duration, Instant};

use super::{Run, workflows};
use crate::{
    cli::{Done, Failure},
    model::TaskState,
};

/// Tasks of which the best counts.
const TRIES: u32 = 5;

pub(super) async fn measure(run: &mut Run) -> Done {
    let tasker = workflows::builder(run.scratch.open().await?, None).start().await?;
    for count in run.sizes.instances.clone() {
        let mut best = Duration::MAX;
        for _ in 0..TRIES {
            let before = workflows::calls();
            let started = Instant::now();
            let task = tasker.submit(workflows::batch_submission(count)).await.map_err(Failure::run)?;
            let report = tasker.wait(task).await.map_err(Failure::run)?;
            best = best.min(started.elapsed());
            // Each instance and the step that gathers them.
            let called = workflows::calls() - before;
            if report.state != TaskState::Complete || called != u64::from(count) + 1 {
                let state = report.state;
                return Err(Failure::run(format!(
                    "a task of {count} instances is {state} after {called} calls"
                )));
            }
        }
        let each = best.as_secs_f64() * 1e6 / f64::from(count);
        run.findings.add(format!("{count} instances, best of {TRIES}"), each, "µs/instance");
    }
    Ok(tasker.stop().await?)
}
