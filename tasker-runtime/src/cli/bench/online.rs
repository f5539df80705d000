//! The way most programs use it: many callers who each submit one task and wait for its result.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    Run, limits,
    scratch::complete,
    workflows::{self, ONLINE_STEPS},
};
use crate::{
    api::Tasker,
    cli::{Done, Failure},
};

/// Tasks by which caches of statements and connections are warm.
const WARM_UP: u32 = 20;

pub(super) async fn measure(run: &mut Run) -> Done {
    let backlog = limits::drain(run, None).await?.drained;
    run.findings.add("three steps: backlog drained", backlog, "steps/s");
    for callers in run.sizes.callers.clone() {
        let rate = call(run, callers).await?;
        run.findings.add(format!("{callers} at once: rate ÷ backlog"), rate / backlog, "");
    }
    Ok(())
}

/// Steps per second while `callers` each submit a task, wait for its result and submit the next.
async fn call(run: &mut Run, callers: u32) -> Result<f64, Failure> {
    let store = run.scratch.open().await?;
    let tasker = workflows::builder(store.clone(), None).start().await?;
    for _ in 0..WARM_UP {
        one(&tasker).await?;
    }
    let done = complete(&store).await?;
    let before = tasker.stats();
    let started = Instant::now();
    let until = started + Duration::from_millis(run.sizes.online);
    let calling: Vec<_> = (0..callers).map(|_| tokio::spawn(caller(tasker.clone(), until))).collect();
    let mut times = Vec::new();
    for caller in calling {
        times.extend(caller.await.map_err(Failure::run)??);
    }
    let took = started.elapsed().as_secs_f64();
    let after = tasker.stats();
    let tasks = times.len() as f64;
    if complete(&store).await? != done + times.len() as u64 {
        return Err(Failure::run("tasks were lost or doubled meanwhile: the numbers are void"));
    }
    tasker.stop().await?;
    times.sort_unstable();
    let rate = tasks * ONLINE_STEPS as f64 / took;
    let commits = (after.writes + after.claims + after.submits)
        .saturating_sub(before.writes + before.claims + before.submits);
    let statements = after.statements.saturating_sub(before.statements);
    let findings = &mut run.findings;
    findings.add(format!("{callers} at once: submit and wait"), rate, "steps/s");
    for (name, part) in [("p50", 0.50), ("p95", 0.95)] {
        let at = ((times.len().max(1) - 1) as f64 * part).round() as usize;
        let time = times.get(at).copied().unwrap_or_default();
        findings.add(format!("{callers} at once: a task, {name}"), time.as_secs_f64() * 1e3, "ms");
    }
    findings.add(format!("{callers} at once: commits"), commits as f64 / tasks, "per task");
    findings.add(format!("{callers} at once: statements"), statements as f64 / tasks, "per task");
    Ok(rate)
}

/// The times of one caller's tasks, of which the last begins before `until`.
async fn caller(tasker: Tasker, until: Instant) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    while Instant::now() < until {
        times.push(one(&tasker).await?);
    }
    Ok(times)
}

async fn one(tasker: &Tasker) -> Result<Duration, Failure> {
    let started = Instant::now();
    let _: Value =
        tasker.run(&workflows::name(workflows::ONLINE), &workflows::context()).await.map_err(Failure::run)?;
    Ok(started.elapsed())
}
