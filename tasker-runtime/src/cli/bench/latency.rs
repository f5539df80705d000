//! One task at a time on an engine that has nothing else to do.

use std::time::{Duration, Instant};

use super::{
    Run,
    workflows::{self, STEPS},
};
use crate::{
    api::Tasker,
    cli::{Done, Failure},
    model::TaskState,
};

/// The first ones warm up statement caches.
const WARM_UP: u32 = 20;

pub(super) async fn measure(run: &mut Run) -> Done {
    let tasker = workflows::builder(run.scratch.open().await?, None).start().await?;
    for _ in 0..WARM_UP {
        single(&tasker).await?;
    }
    let before = tasker.stats();
    let singles = run.sizes.singles;
    let mut times = Vec::new();
    for _ in 0..singles {
        times.push(single(&tasker).await?);
    }
    let after = tasker.stats();
    tasker.stop().await?;
    times.sort_unstable();
    for (name, part) in [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)] {
        let at = ((times.len() - 1) as f64 * part).round() as usize;
        let time = times.get(at).copied().unwrap_or_default();
        run.findings.add(format!("idle task of four steps, {name}"), time.as_secs_f64() * 1e3, "ms");
    }
    // A submission is a commit of its own.
    let engine = after.writes + after.claims - before.writes - before.claims;
    let steps = f64::from(singles) * STEPS as f64;
    run.findings.add("idle: commits", (engine as f64 + f64::from(singles)) / steps, "per step");
    Ok(())
}

/// The time from the submission of a task to the report that it is complete.
async fn single(tasker: &Tasker) -> Result<Duration, Failure> {
    let started = Instant::now();
    let task = tasker.submit(workflows::submission("linear")).await.map_err(Failure::run)?;
    let report = tasker.wait(task).await.map_err(Failure::run)?;
    let took = started.elapsed();
    if report.state != TaskState::Complete {
        return Err(Failure::run(format!("a measured task is {}", report.state)));
    }
    // The engine comes to rest.
    tokio::time::sleep(Duration::from_millis(3)).await;
    Ok(took)
}
