//! How fast tasks are added.

use std::time::Instant;

use super::{
    Run,
    scratch::complete,
    wait::{Expected, until_recorded},
    workflows::{self, STEPS},
};
use crate::{
    api::{Submission, Tasker},
    cli::{Done, Failure},
};

/// Clients that submit at once.
const CLIENTS: u32 = 8;

/// Single submissions, each durable before the next; nothing runs meanwhile.
pub(super) async fn measure(run: &mut Run) -> Done {
    let store = run.scratch.open().await?;
    let client = workflows::builder(store.clone(), None).connect().await?;
    let singles = run.sizes.singles;
    one_by_one(client.clone(), 10).await?;
    let started = Instant::now();
    one_by_one(client.clone(), singles).await?;
    let alone = f64::from(singles) / started.elapsed().as_secs_f64();
    run.findings.add("one task a transaction, one client", alone, "tasks/s");
    let each = singles.div_ceil(CLIENTS);
    let started = Instant::now();
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(one_by_one(client.clone(), each))).collect();
    for client in clients {
        client.await.map_err(Failure::run)??;
    }
    let together = f64::from(each * CLIENTS) / started.elapsed().as_secs_f64();
    run.findings.add(format!("one task a transaction, {CLIENTS} clients at once"), together, "tasks/s");
    // What follows is measured without them.
    let tasks = u64::from(10 + singles + each * CLIENTS);
    let expected = Expected::after(&store, tasks).await?;
    let tasker = workflows::builder(store.clone(), None).start().await?;
    until_recorded(&tasker, tasks * STEPS).await?;
    expected.check(complete(&store).await?)?;
    Ok(tasker.stop().await?)
}

async fn one_by_one(client: Tasker, tasks: u32) -> Done {
    for _ in 0..tasks {
        client.submit(workflows::submission("linear")).await.map_err(Failure::run)?;
    }
    Ok(())
}

/// Adds tasks in transactions of 1,000.
pub(super) async fn many(client: &Tasker, workflow: &str, tasks: u64) -> Done {
    many_of(client, tasks, |_| workflows::submission(workflow)).await
}

/// Adds tasks in transactions of 1,000, each as its number says.
pub(super) async fn many_of(client: &Tasker, tasks: u64, submission: impl Fn(u64) -> Submission) -> Done {
    let mut added = 0;
    while added < tasks {
        let until = tasks.min(added + 1000);
        client.submit_all((added..until).map(&submission)).await.map_err(Failure::run)?;
        added = until;
    }
    Ok(())
}
