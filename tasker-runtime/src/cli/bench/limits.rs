//! Tasks whose template limits how many run at once, beside the same without a limit.

use std::time::Instant;

use super::{
    Run,
    scratch::complete,
    submit,
    wait::{Expected, until_recorded},
    workflows::{self, ONLINE_STEPS},
};
use crate::cli::{Done, Failure};

/// What a backlog came to.
pub(super) struct Rates {
    /// Tasks per second that were added.
    pub submitted: f64,
    /// Steps per second that were run.
    pub drained: f64,
}

pub(super) async fn measure(run: &mut Run) -> Done {
    let free = drain(run, None).await?;
    run.findings.add("without a limit: bulk submit", free.submitted, "tasks/s");
    run.findings.add("without a limit: backlog drained", free.drained, "steps/s");
    for keys in run.sizes.keys.clone() {
        let limited = drain(run, Some(keys)).await?;
        let findings = &mut run.findings;
        findings.add(format!("{keys} keys: bulk submit"), limited.submitted, "tasks/s");
        findings.add(format!("{keys} keys: submit ÷ without"), limited.submitted / free.submitted, "");
        findings.add(format!("{keys} keys: backlog drained"), limited.drained, "steps/s");
        findings.add(format!("{keys} keys: drained ÷ without"), limited.drained / free.drained, "");
    }
    Ok(())
}

/// A backlog of tasks of so many keys; `None`: without a limit.
pub(super) async fn drain(run: &Run, keys: Option<u32>) -> Result<Rates, Failure> {
    let store = run.scratch.open().await?;
    let client = workflows::builder(store.clone(), None).connect().await?;
    let tasks = u64::from(run.sizes.tasks);
    let started = Instant::now();
    match keys {
        None => submit::many(&client, workflows::ONLINE, tasks).await,
        Some(keys) => {
            submit::many_of(&client, tasks, |number| workflows::limited(number % u64::from(keys))).await
        }
    }?;
    let submitted = tasks as f64 / started.elapsed().as_secs_f64();
    let expected = Expected::after(&store, tasks).await?;
    let started = Instant::now();
    let tasker = workflows::builder(store.clone(), None).start().await?;
    until_recorded(&tasker, tasks * ONLINE_STEPS).await?;
    let took = started.elapsed().as_secs_f64();
    expected.check(complete(&store).await?)?;
    tasker.stop().await?;
    Ok(Rates { submitted, drained: (tasks * ONLINE_STEPS) as f64 / took })
}
