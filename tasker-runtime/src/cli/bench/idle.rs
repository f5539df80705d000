//! What a process asks the database when there is nothing to do.

use std::time::{Duration, Instant};

use super::{Run, child::Child};
use crate::cli::Done;

/// What a start asks is over by then.
const SETTLED: Duration = Duration::from_secs(2);

pub(super) async fn measure(run: &mut Run) -> Done {
    run.scratch.open().await?;
    let mut child = Child::spawn(&run.scratch.url, None)?;
    child.start()?;
    child.answer()?;
    tokio::time::sleep(SETTLED).await;
    let (started, before) = (Instant::now(), child.report()?.statements);
    tokio::time::sleep(Duration::from_secs(run.sizes.idle)).await;
    let (took, after) = (started.elapsed().as_secs_f64(), child.report()?.statements);
    child.stop()?;
    run.findings.add("statements of a process with nothing to do", (after - before) as f64 / took, "per s");
    Ok(())
}
