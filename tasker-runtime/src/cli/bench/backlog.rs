//! A backlog of four-step tasks that do nothing, drained by one process, beside the floor.

use std::time::Instant;

use super::{
    Run, floor,
    scratch::complete,
    server::Usage,
    submit,
    wait::{Expected, until_recorded},
    workflows::{self, STEPS},
};
use crate::{api::Tasker, cli::Done};

pub(super) async fn measure(run: &mut Run) -> Done {
    for workflow in ["linear", "diamond"] {
        drain(run, workflow).await?;
    }
    while_submitting(run).await
}

/// All tasks are there before the engine starts.
async fn drain(run: &mut Run, workflow: &str) -> Done {
    let store = run.scratch.open().await?;
    let client = workflows::builder(store.clone(), None).connect().await?;
    let tasks = u64::from(run.sizes.tasks);
    let started = Instant::now();
    submit::many(&client, workflow, tasks).await?;
    let rate = tasks as f64 / started.elapsed().as_secs_f64();
    run.findings.add(format!("{workflow}: bulk submit, 1,000 tasks a transaction"), rate, "tasks/s");
    let expected = Expected::after(&store, tasks).await?;
    let before = Usage::now(&store).await?;
    let started = Instant::now();
    let tasker = workflows::builder(store.clone(), None).start().await?;
    until_recorded(&tasker, tasks * STEPS).await?;
    let took = started.elapsed().as_secs_f64();
    let after = Usage::now(&store).await?;
    expected.check(complete(&store).await?)?;
    let stats = tasker.stats();
    tasker.stop().await?;
    let steps = (tasks * STEPS) as f64;
    let rate = steps / took;
    let findings = &mut run.findings;
    let per_step = |used: Option<f64>| used.map(|used| used / steps);
    findings.add(format!("{workflow}: backlog drained"), rate, "steps/s");
    let commits = (stats.writes + stats.claims) as f64 / steps;
    findings.add(format!("{workflow}: commits"), commits, "per step");
    let here = per_step(after.here_since(&before));
    findings.add_known(format!("{workflow}: processor time of this process"), here, "µs/step");
    let server = per_step(after.server_since(&before));
    findings.add_known(format!("{workflow}: processor time of the server"), server, "µs/step");
    findings.add_known(format!("{workflow}: WAL"), per_step(after.wal_since(&before)), "bytes/step");
    let batch = (steps / stats.writes.max(1) as f64).round().max(1.0) as usize;
    let floor = floor::measure(&run.scratch.open().await?, steps as usize, batch).await?;
    run.findings.add(format!("{workflow}: floor, {batch} rows a commit"), floor, "rows/s");
    run.findings.add(format!("{workflow}: backlog ÷ floor"), rate / floor, "");
    Ok(())
}

/// Half of the tasks are there before the engine starts, the other half is submitted while it works.
async fn while_submitting(run: &mut Run) -> Done {
    let store = run.scratch.open().await?;
    let tasks = u64::from(run.sizes.tasks);
    let client = workflows::builder(store.clone(), None).connect().await?;
    submit::many(&client, "linear", tasks - tasks / 2).await?;
    let expected = Expected::after(&store, tasks).await?;
    let started = Instant::now();
    let tasker = workflows::builder(store.clone(), None).start().await?;
    let (submitted, recorded) =
        tokio::join!(submit_rest(&tasker, tasks / 2), until_recorded(&tasker, tasks * STEPS));
    let took = started.elapsed().as_secs_f64();
    recorded?;
    let steps = (tasks * STEPS) as f64;
    run.findings.add("linear: drained while half of it is submitted", steps / took, "steps/s");
    run.findings.add("linear: submitted meanwhile", (tasks / 2) as f64 / submitted?, "tasks/s");
    expected.check(complete(&store).await?)?;
    Ok(tasker.stop().await?)
}

/// Seconds it takes to submit these tasks to an engine at work.
async fn submit_rest(tasker: &Tasker, tasks: u64) -> Result<f64, crate::cli::Failure> {
    let started = Instant::now();
    submit::many(tasker, "linear", tasks).await?;
    Ok(started.elapsed().as_secs_f64())
}
