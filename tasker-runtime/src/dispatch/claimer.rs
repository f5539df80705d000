//! The loop that claims tasks from the queues, as many as there is room for.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    backoff::Backoff,
    claims::{Claims, Hint},
    counters::Counters,
    message::TaskLoops,
    polling::Polling,
    pulse::Pulse,
    shared::Shared,
};
use crate::{
    clock::Clock,
    model::{Timestamp, task_loop::Message},
    orchestration::claim::{self, ClaimSize, Claimed},
    store::Session,
};

/// Claims tasks until the engine stops.
pub(crate) struct Claimer {
    shared: Arc<Shared>,
    claims: Arc<Claims>,
    counters: Arc<Counters>,
    polling: Polling,
    session: Session,
    loops: TaskLoops,
    pulse: Pulse,
    /// Queues somebody says have work.
    hints: UnboundedReceiver<Hint>,
    /// When queues have tasks that are due next, as far as was seen at the last look.
    due: BTreeMap<String, Timestamp>,
    size: ClaimSize,
    trouble: Backoff,
}

impl Claimer {
    pub(super) fn new(
        (shared, session): (Arc<Shared>, Session),
        claims: Arc<Claims>,
        hints: UnboundedReceiver<Hint>,
        (counters, polling): (Arc<Counters>, Polling),
        (loops, pulse): (TaskLoops, Pulse),
    ) -> Self {
        Self {
            session,
            shared,
            claims,
            counters,
            polling,
            loops,
            pulse,
            hints,
            due: BTreeMap::new(),
            size: ClaimSize::default(),
            trouble: Backoff::new("tasks could not be claimed; trying again at the next poll"),
        }
    }

    pub(crate) async fn run(mut self) {
        let stopping = self.shared.stopping.clone();
        let mut queues = self.claims.queues().to_vec();
        let mut poll = self.next_poll();
        while !stopping.is_cancelled() {
            self.pulse.beat();
            if self.claims.take_leases_unknown() && self.look_after().await.is_err() {
                // Claiming will not do either, and says why.
                self.claims.leases_unknown();
            }
            let more = self.claim_from(&queues).await;
            if !more.is_empty() {
                queues = more;
                self.pulse.rest();
                self.room().await;
                continue;
            }
            let due = self.due.values().copied().min();
            self.pulse.rest();
            queues = tokio::select! {
                () = stopping.cancelled() => break,
                hint = self.hints.recv() => match hint {
                    Some(hint) => self.hinted(hint),
                    None => break,
                },
                () = self.shared.clock.sleep_until_steady(poll) => {
                    poll = self.next_poll();
                    self.look_at_queues(self.shared.clock.now()).await
                }
                () = due_at(&self.shared.clock, due) => self.due_at(self.shared.clock.now()),
            };
        }
    }

    /// Finds out, with one question for all queues, when each has a task that is due; returns those that have one
    /// at `now`.
    async fn look_at_queues(&mut self, now: Timestamp) -> Vec<String> {
        let due = async {
            let mut connection = self.session.open().await?;
            let due = claim::due(&mut connection, self.claims.queues()).await?;
            self.session.keep(connection);
            crate::store::Result::Ok(due)
        };
        match due.await {
            Ok(due) => self.due = due,
            Err(error) => self.trouble.note(&error),
        }
        self.counters.claims.fetch_add(self.claims.queues().len() as u64, Ordering::Relaxed);
        self.due_at(now)
    }

    /// When every queue is looked at, whatever is known of them, by the steady clock.
    fn next_poll(&self) -> Duration {
        self.shared.clock.steady() + self.polling.spread(self.shared.settings.poll)
    }

    /// The queues that have tasks that are due at `now`.
    fn due_at(&self, now: Timestamp) -> Vec<String> {
        self.due.iter().filter(|(_, at)| **at <= now).map(|(queue, _)| queue.clone()).collect()
    }

    /// The hinted queue and all others that were hinted meanwhile.
    fn hinted(&mut self, first: Hint) -> Vec<String> {
        let mut queues = Vec::new();
        let mut next = Some(first);
        while let Some(hint) = next {
            match hint {
                Hint::Now(queue) if queues.contains(&queue) => {}
                Hint::Now(queue) => queues.push(queue),
                Hint::At(queue, at) => {
                    self.due.entry(queue).and_modify(|due| *due = at.min(*due)).or_insert(at);
                }
            }
            next = self.hints.try_recv().ok();
        }
        queues
    }

    /// Waits until there is room for a good part of a batch.
    async fn room(&self) {
        let Shared { settings, stopping, .. } = &*self.shared;
        while self.claims.free() < settings.claim.min(settings.window / 2).max(1) {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.claims.room() => {}
            }
        }
    }

    /// Claims what there is room for; returns the queues that may have more.
    async fn claim_from(&mut self, queues: &[String]) -> Vec<String> {
        let mut more = Vec::new();
        for queue in queues {
            self.pulse.beat();
            self.due.remove(queue);
            let limit = self.size.within(self.claims.free().min(self.shared.settings.claim));
            if limit == 0 {
                more.push(queue.clone());
                continue;
            }
            let now = self.shared.clock.now();
            match self.claim(queue, now, limit).await {
                Ok(tasks) => {
                    let all = tasks.len() < limit;
                    self.size.learn(&tasks);
                    self.hand_over(tasks);
                    if all {
                        self.look_ahead(queue, now).await;
                    } else {
                        more.push(queue.clone());
                    }
                    self.counters.claims.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    // They may be claimed all the same.
                    self.claims.leases_unknown();
                    self.trouble.note(&error);
                }
            }
        }
        more
    }

    /// Notes when the queue's next task is due after `now`, so that it need not wait for a poll.
    async fn look_ahead(&mut self, queue: &str, now: Timestamp) {
        let next = async {
            let mut connection = self.session.open().await?;
            let next = claim::next_due(&mut connection, queue, now).await?;
            self.session.keep(connection);
            crate::store::Result::Ok(next)
        };
        match next.await {
            Ok(next) => self.due.extend(next.map(|next| (queue.to_owned(), next))),
            Err(error) => tracing::debug!(%error, queue, "what is due next waits for a poll"),
        }
    }

    async fn claim(
        &mut self,
        queue: &str,
        now: Timestamp,
        limit: usize,
    ) -> crate::store::Result<Vec<Claimed>> {
        let mut connection = self.session.open().await?;
        let tasks = claim::claim(&mut connection, self.shared.worker(), queue, now, limit).await?;
        self.session.keep(connection);
        Ok(tasks)
    }

    /// Has the task loops look after everything this worker holds. What was claimed before is on its way to
    /// them already.
    async fn look_after(&mut self) -> crate::store::Result<()> {
        let mut connection = self.session.open().await?;
        let leases = claim::held_by(&mut connection, self.shared.worker()).await?;
        self.session.keep(connection);
        for lease in leases {
            self.loops.send(lease.task, Message::StrayLease(lease));
        }
        Ok(())
    }

    fn hand_over(&self, tasks: Vec<Claimed>) {
        self.claims.tasks_came(tasks.len());
        self.loops.claimed(tasks);
    }
}

/// Waits until something is due by the calendar; without a time for ever.
async fn due_at(clock: &Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
