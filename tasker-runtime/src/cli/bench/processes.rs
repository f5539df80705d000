//! Several processes on one PostgreSQL database drain a backlog together.

use std::time::Instant;

use super::{
    Run,
    child::{Child, Report, until},
    scratch::complete,
    submit,
    wait::Expected,
    workflows::{self, STEPS},
};
use crate::cli::{Done, Failure};

pub(super) async fn measure(run: &mut Run) -> Done {
    // All are children, the single one too: what is compared is the same but for the number.
    let one = drain(run, 1).await?;
    run.findings.add("1 process: backlog drained", one, "steps/s");
    for count in run.sizes.processes.clone() {
        let rate = drain(run, count).await?;
        run.findings.add(format!("{count} processes: backlog drained"), rate, "steps/s");
        run.findings.add(format!("{count} processes ÷ one"), rate / one, "");
    }
    Ok(())
}

/// Steps per second of `count` processes.
async fn drain(run: &Run, count: u32) -> Result<f64, Failure> {
    let store = run.scratch.open().await?;
    let client = workflows::builder(store.clone(), None).connect().await?;
    let tasks = u64::from(run.sizes.tasks);
    submit::many(&client, "linear", tasks).await?;
    let expected = Expected::after(&store, tasks).await?;
    let spawn = |_| Child::spawn(&run.scratch.url, None);
    let mut children = (0..count).map(spawn).collect::<Result<Vec<_>, _>>()?;
    let started = Instant::now();
    for child in &mut children {
        child.start()?;
    }
    for child in &mut children {
        child.answer()?;
    }
    let steps = tasks * STEPS;
    let sum = |reports: &[Report], of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    until(&mut children, async |reports| {
        // What a process did for another it has not recorded itself: then the database is asked.
        let recorded = sum(reports, |report| report.results) >= steps;
        let called = sum(reports, |report| report.calls) >= steps;
        Ok(recorded || (called && expected.is_met(complete(&store).await?)))
    })
    .await?;
    let took = started.elapsed().as_secs_f64();
    expected.check(complete(&store).await?)?;
    for child in children {
        child.stop()?;
    }
    Ok(steps as f64 / took)
}
