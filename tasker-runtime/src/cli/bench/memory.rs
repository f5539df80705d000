//! What a process that runs an engine and nothing else occupies.

use std::time::Duration;

use super::{
    Run,
    child::{Child, Report, until},
    scratch::complete,
    submit,
    wait::Expected,
    workflows::{self, STEPS},
};
use crate::{
    api::Tasker,
    cli::{Done, Failure},
    store::Store,
};

pub(super) async fn measure(run: &mut Run) -> Done {
    let store = run.scratch.open().await?;
    let client = workflows::builder(store.clone(), None).connect().await?;
    let idle = running(run, 0, &store).await?;
    run.findings.add_known("idle", idle.resident_mib, "MiB");
    for tasks in [run.sizes.tasks, run.sizes.waiting] {
        submit::many(&client, "linear", u64::from(tasks)).await?;
        let report = running(run, u64::from(tasks), &store).await?;
        run.findings.add_known(
            format!("peak under load, from {tasks} tasks waiting"),
            report.peak_mib,
            "MiB",
        );
    }
    later(&client, run.sizes.waiting).await?;
    let idle = running(run, 0, &store).await?;
    run.findings.add_known(
        format!("idle, {} tasks not due yet", run.sizes.waiting),
        idle.resident_mib,
        "MiB",
    );
    Ok(())
}

/// What a process says of itself after it has run the `tasks` that wait, in a life of its own: the peak
/// of a process never falls again.
async fn running(run: &Run, tasks: u64, store: &Store) -> Result<Report, Failure> {
    let expected = Expected::after(store, tasks).await?;
    let mut children = [Child::spawn(&run.scratch.url, None)?];
    children[0].start()?;
    children[0].answer()?;
    until(&mut children, async |reports| {
        Ok(reports.iter().map(|report| report.results).sum::<u64>() >= tasks * STEPS)
    })
    .await?;
    // It has looked around and found nothing more to do.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let report = children[0].report()?;
    expected.check(complete(store).await?)?;
    for child in children {
        child.stop()?;
    }
    Ok(report)
}

/// Adds tasks that stay in the queue, a year at least.
async fn later(client: &Tasker, tasks: u32) -> Done {
    let year = Duration::from_secs(366 * 86_400);
    let mut left = tasks;
    while left > 0 {
        let now = left.min(1000);
        let waiting = (0..now).map(|_| workflows::submission("linear").delay(year));
        client.submit_all(waiting).await.map_err(Failure::run)?;
        left -= now;
    }
    Ok(())
}
