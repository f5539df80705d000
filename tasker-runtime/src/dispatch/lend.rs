//! The holder's side of lending: brings home what came of the steps that other processes run for this one.
//!
//! A lent step is back once its offer is gone; what came of it stands in the journal then. A crash loses
//! nothing: who claims the task next reads the journal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{backoff::Backoff, loans::Loans, message::TaskLoops, pulse::Pulse, shared::Shared};
use crate::{
    model::{
        Attempt,
        task_loop::{LoanReturned, Message},
    },
    orchestration::{
        journal::{self, Failure},
        share,
    },
    store::Result,
};

/// How often the offers are looked at while something is lent and nobody says that it came back.
const LOOK: Duration = Duration::from_millis(200);

/// How often offers are looked for that stand although their steps came back.
const TIDY: Duration = Duration::from_secs(5);

/// Brings home lent steps until nothing is held any more. While the engine stops, what others run for it may
/// come to its end; what nobody has taken comes home at once.
pub(crate) async fn run(shared: Arc<Shared>, loans: Arc<Loans>, loops: TaskLoops, pulse: Pulse) {
    let mut trouble = Backoff::new("lent steps wait for the database");
    let mut stopping = false;
    let mut tidied = Instant::now();
    loop {
        pulse.rest();
        tokio::select! {
            () = shared.over.cancelled() => return,
            () = shared.stopping.cancelled(), if !stopping => stopping = true,
            () = loans.returned() => {}
            // What was offered at the last moment may be noted only now.
            () = tokio::time::sleep(LOOK), if stopping || !loans.is_empty() => {}
            () = shared.clock.sleep(shared.settings.poll) => {}
        }
        if loans.is_empty() {
            continue;
        }
        pulse.beat();
        let begun = Instant::now();
        let brought = async {
            if stopping {
                share::withdraw(&mut shared.store.writer().await?, shared.worker()).await?;
            } else if begun - tidied > TIDY {
                tidied = begun;
                share::drop_returned(&mut shared.store.writer().await?, shared.worker()).await?;
            }
            bring_home(&shared, &loans, &loops).await
        };
        if let Err(error) = brought.await {
            trouble.note(&error);
        }
        // Each look reads everything that is still out: many thousands of steps are looked at less often.
        tokio::time::sleep((begun.elapsed() * 3).min(LOOK)).await;
    }
}

async fn bring_home(shared: &Shared, loans: &Loans, loops: &TaskLoops) -> Result<()> {
    // In this order: what is lent from now on may be missing among the offers, and is not back for that.
    let mut returned = loans.all();
    let share::Lent { out, deadly } = share::lent(&shared.store, shared.worker()).await?;
    for attempt in returned.iter().filter(|attempt| deadly.contains(&(attempt.task(), attempt.step))) {
        loops.send(attempt.task(), Message::TakersDied(attempt.lease, attempt.step));
    }
    returned.retain(|attempt| !out.contains(&(attempt.task(), attempt.step)));
    if returned.is_empty() {
        return Ok(());
    }
    let steps: Vec<_> = returned.iter().map(|attempt| (attempt.task(), attempt.step)).collect();
    let mut entries = journal::results(&mut shared.store.reader().await?, &steps).await?;
    let mut failures = journal::failures(&mut shared.store.reader().await?, &steps).await?;
    for attempt in returned {
        loans.end(&attempt);
        let Attempt { lease, step, number } = attempt;
        let place = (lease.task, step);
        let failed = |failure: &Failure| failure.attempt == number;
        let failure = failures.remove(&place).and_then(|all| all.into_iter().find(failed));
        let came = match (entries.remove(&place), failure) {
            (Some(entry), _) => LoanReturned::Done(entry),
            (None, Some(failure)) => LoanReturned::Failed(failure),
            (None, None) => LoanReturned::Nothing(step),
        };
        loops.send(lease.task, Message::LoanReturned(lease, came));
    }
    Ok(())
}
