//! One step, a thousand that need it, one that needs them all.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{
    Run,
    child::Child,
    workflows::{self, FanOut},
};
use crate::{
    api::{TaskReport, Tasker},
    cli::{Done, Failure},
    dispatch::settings::Settings,
    model::{TaskState, Timestamp},
};

/// Tasks of which the best counts.
const TRIES: u32 = 5;

pub(super) async fn measure(run: &mut Run) -> Done {
    let width = run.sizes.fan_out;
    let quick = FanOut { width, slow: false };
    let tasker = workflows::builder(run.scratch.open().await?, Some(quick)).start().await?;
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let started = Instant::now();
        task(&tasker, quick).await?;
        best = best.min(started.elapsed());
    }
    tasker.stop().await?;
    let what = format!("1 → {width} → 1, best of {TRIES}");
    run.findings.add(what, best.as_secs_f64() * 1e3, "ms");
    if !run.is_postgres {
        return Ok(());
    }
    let one = over(run, 1).await?;
    let two = over(run, 2).await?;
    run.findings.add("steps of 50 ms, 1 process", one.took.as_secs_f64() * 1e3, "ms");
    run.findings.add("steps of 50 ms, 2 processes", two.took.as_secs_f64() * 1e3, "ms");
    run.findings.add("2 processes: share of the one that did less", two.least, "");
    let pause = two.pause.as_secs_f64() * 1e3;
    run.findings.add("2 processes: longest time in which no step started", pause, "ms");
    Ok(())
}

/// How the best of some slow fan-outs went.
struct Best {
    took: Duration,
    /// The share of the process that did least, of all tasks together.
    least: f64,
    /// The longest time between two starts of steps.
    pause: Duration,
}

/// Fan-outs whose parts take a while, over `count` processes; all of them must have worked.
async fn over(run: &Run, count: u32) -> Result<Best, Failure> {
    let slow = FanOut { width: run.sizes.fan_out, slow: true };
    let client = workflows::builder(run.scratch.open().await?, Some(slow)).connect().await?;
    let spawn = |_| Child::spawn(&run.scratch.url, Some(slow));
    let mut children = (0..count).map(spawn).collect::<Result<Vec<_>, _>>()?;
    for child in &mut children {
        child.start()?;
        child.answer()?;
    }
    if count > 1 {
        // Processes learn of each other with their heartbeats, at a third of the lease.
        tokio::time::sleep(Settings::default().lease / 3 + Duration::from_millis(500)).await;
    }
    task(&client, slow).await?;
    let before = calls(&mut children)?;
    let mut best = Best { took: Duration::MAX, least: 0.0, pause: Duration::MAX };
    for _ in 0..TRIES {
        let report = task(&client, slow).await?;
        let finished = report.finished_at.unwrap_or(report.created_at);
        let took = finished.since(report.created_at);
        if took < best.took {
            (best.took, best.pause) = (took, longest_pause(&report));
        }
    }
    let worked: Vec<u64> =
        calls(&mut children)?.iter().zip(before).map(|(now, before)| now - before).collect();
    let all: u64 = worked.iter().sum();
    best.least = worked.iter().min().map_or(0.0, |least| *least as f64 / all.max(1) as f64);
    if best.least == 0.0 {
        return Err(Failure::run(format!("of {count} processes one did nothing: {worked:?}")));
    }
    for child in children {
        child.stop()?;
    }
    Ok(best)
}

fn calls(children: &mut [Child]) -> Result<Vec<u64>, Failure> {
    children.iter_mut().map(|child| Ok(child.report()?.calls)).collect()
}

async fn task(tasker: &Tasker, fan_out: FanOut) -> Result<TaskReport, Failure> {
    let submission = workflows::submission(&fan_out.name());
    let id: Uuid = tasker.submit(submission).await.map_err(Failure::run)?;
    tasker.wait(id).await.map_err(Failure::run)?;
    let report = tasker.show(id).await?.ok_or_else(|| Failure::run("a fan-out is gone"))?;
    if report.state != TaskState::Complete {
        return Err(Failure::run(format!("a fan-out is {}", report.state)));
    }
    Ok(report)
}

fn longest_pause(report: &TaskReport) -> Duration {
    let mut starts: Vec<Timestamp> = report.steps.iter().filter_map(|step| step.started_at).collect();
    starts.push(report.created_at);
    starts.sort_unstable();
    starts.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
}
