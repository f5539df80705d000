//! What was folded is written together; then everything goes on that waited for it.

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use super::{Hold, Message, Over};
use crate::{
    dispatch::{announce::News, engine::Counters, share::Loan, watch::Update},
    model::{Attempt, StepError, StepNo, TaskNo, Timestamp},
    orchestration::{
        record::{self, Batch, Exceptions},
        share,
    },
};

impl Hold {
    /// Writes the batch, however often the database has to be asked.
    pub(super) async fn write(&mut self) -> Exceptions {
        if self.batch.is_empty() {
            return Exceptions::default();
        }
        self.batch.sort();
        let mut pause = Duration::from_millis(20);
        loop {
            match record::record(&mut self.session, self.shared.worker(), &self.batch).await {
                Ok(exceptions) => {
                    self.count(&exceptions);
                    return exceptions;
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "results wait for the database");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => {
                    // Nothing of the batch is known to be written: all of it is read again.
                    tracing::error!(%error, "results could not be recorded; their tasks are read again");
                    let tasks = self.batch.done.iter().map(|d| d.attempt.task());
                    let tasks = tasks.chain(self.batch.failed.iter().map(|f| f.attempt.task()));
                    let stale = tasks.chain(self.batch.ends.iter().map(|e| e.lease.task)).collect();
                    return Exceptions { stale, lost: HashSet::new() };
                }
            }
        }
    }

    /// Counts what was recorded, and what came too late to be.
    pub(super) fn count(&self, exceptions: &Exceptions) {
        let Counters { writes, results, failures, late, .. } = &self.shared.counters;
        let Batch { done, failed, .. } = &self.batch;
        let came_late = |task| exceptions.lost.contains(&task);
        let late_results = done.iter().filter(|done| came_late(done.attempt.task())).count();
        let late_failures = failed.iter().filter(|failed| came_late(failed.attempt.task())).count();
        writes.fetch_add(1, Ordering::Relaxed);
        results.fetch_add((done.len() - late_results) as u64, Ordering::Relaxed);
        failures.fetch_add((failed.len() - late_failures) as u64, Ordering::Relaxed);
        late.fetch_add((late_results + late_failures) as u64, Ordering::Relaxed);
    }

    /// What was written is durable: tells those who watch, lets go of tasks that ended, starts what is
    /// ready in the others.
    pub(super) async fn go_on(&mut self, exceptions: &Exceptions) {
        let batch = std::mem::take(&mut self.batch);
        for done in batch.done {
            let task = done.attempt.task();
            if let Some(held) = self.held.get_mut(&task).filter(|_| exceptions.spare(task)) {
                held.recorded = true;
                let took = done.finished_at.since(done.started_at);
                let (step, attempt, result) = (done.attempt.step, done.attempt.number, done.result);
                held.results.complete(step, result.clone());
                self.shared.watchers.tell(held.facts.id, || Update::Completed {
                    step,
                    attempt,
                    took,
                    result,
                });
            }
        }
        for failed in batch.failed {
            let task = failed.attempt.task();
            if let Some(held) = self.held.get_mut(&task).filter(|_| exceptions.spare(task)) {
                held.recorded = true;
                match failed.retry_at {
                    Some(at) => self.wake_at(task, at),
                    None => held.results.failed(failed.attempt.step, &failed.error),
                }
                let Attempt { step, number, .. } = failed.attempt;
                self.tell_failed(task, step, number, failed.retry_at, failed.error);
            }
        }
        for &task in exceptions.stale.iter().chain(&exceptions.lost) {
            self.read_again(task, exceptions.stale.contains(&task)).await;
        }
        for end in batch.ends.iter().filter(|end| !end.keeps_hold()) {
            self.let_go(end.lease.task, end.state);
        }
        for (task, uuid, state) in std::mem::take(&mut self.unread) {
            if exceptions.spare(task) {
                self.shared.watchers.tell(uuid, || Update::Left { state });
            }
        }
        for task in std::mem::take(&mut self.touched) {
            self.start_ready(task).await;
        }
        self.write_offers(exceptions).await;
    }

    pub(super) fn tell_failed(
        &self,
        task: TaskNo,
        step: StepNo,
        attempt: u32,
        retry_at: Option<Timestamp>,
        error: StepError,
    ) {
        if let Some(held) = self.held.get(&task) {
            self.shared.watchers.tell(held.facts.id, || Update::Failed { step, attempt, retry_at, error });
        }
    }

    /// Offers what is to be lent, once the tasks' own rows are written.
    pub(super) async fn write_offers(&mut self, exceptions: &Exceptions) {
        let mut offers = std::mem::take(&mut self.offers);
        offers.retain(|offer| {
            self.held.contains_key(&offer.attempt.task()) && exceptions.spare(offer.attempt.task())
        });
        if offers.is_empty() {
            return;
        }
        let mut offered = share::offer(&mut self.session, self.shared.worker(), &offers).await;
        // They may be offered all the same, and then they must not run here as well.
        while let Err(error) = offered.as_ref()
            && error.is_transient()
        {
            tracing::warn!(%error, "offers wait for the database");
            tokio::time::sleep(Duration::from_millis(200)).await;
            offered = share::offer(&mut self.session, self.shared.worker(), &offers).await;
        }
        if let Err(error) = offered {
            tracing::warn!(%error, "steps could not be offered; they are tried again here");
            for offer in offers {
                let Attempt { lease, step: no, number: attempt } = offer.attempt;
                let over = Over {
                    lease,
                    no,
                    attempt,
                    loan: 0,
                    started_at: offer.offered_at,
                    finished_at: offer.offered_at,
                    outcome: None,
                };
                let _ = self.me.send(Message::Over(over));
            }
            return;
        }
        for offer in &offers {
            self.shared.lent.add(Loan {
                lease: offer.attempt.lease,
                step: offer.attempt.step,
                attempt: offer.attempt.number,
            });
        }
        self.shared.announcer.tell(News::Offer);
        self.shared.offered.notify_one();
    }

    /// Says of tasks that are set aside why, before they are: a crash in between leaves them to the next
    /// holder, who says it again.
    pub(super) async fn write_dead_letters(&mut self) {
        let reason = "its holders died in a row without recording anything";
        let leases = std::mem::take(&mut self.set_aside);
        while !leases.is_empty() {
            let (worker, now) = (self.shared.worker(), self.shared.clock.now());
            match record::set_aside(&mut self.session, worker, &leases, now, reason).await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "dead letters wait for the database");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => {
                    tracing::error!(%error, "dead letters could not be written");
                    break;
                }
                Ok(()) => break,
            }
        }
    }
}
