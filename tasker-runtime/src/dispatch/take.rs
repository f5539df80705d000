//! The loop that takes tasks from the queues, as many as there is room for.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{engine::Shared, message::TaskLoops};
use crate::{
    model::{Timestamp, task_loop::Message},
    orchestration::claim::{self, Claimed},
    store::Session,
};

/// What the loop is told of a queue.
#[derive(Debug)]
pub(crate) enum Hint {
    /// It has tasks that are due.
    Now(String),
    /// It has a task that is due at this time.
    At(String, Timestamp),
}

/// Takes tasks until the engine stops.
pub(crate) struct Take {
    shared: Arc<Shared>,
    session: Session,
    loops: TaskLoops,
    /// Queues somebody says have work.
    hints: UnboundedReceiver<Hint>,
    /// When queues have tasks that are due next, as far as was seen at the last look.
    due: BTreeMap<String, Timestamp>,
}

impl Take {
    pub(crate) fn new(shared: Arc<Shared>, loops: TaskLoops, hints: UnboundedReceiver<Hint>) -> Self {
        Self { session: shared.store.session(), shared, loops, hints, due: BTreeMap::new() }
    }

    pub(crate) async fn run(mut self) {
        let stopping = self.shared.stopping.clone();
        let mut queues = self.shared.queues.clone();
        let mut poll = self.next_poll();
        while !stopping.is_cancelled() {
            if self.shared.unsure.swap(false, Ordering::Relaxed) && self.look_after().await.is_err() {
                // Taking will not do either, and says why.
                self.shared.unsure.store(true, Ordering::Relaxed);
            }
            let more = self.take_from(&queues).await;
            if !more.is_empty() {
                queues = more;
                self.room().await;
                continue;
            }
            let next = self.due.values().copied().fold(poll, Timestamp::min);
            queues = tokio::select! {
                () = stopping.cancelled() => break,
                hint = self.hints.recv() => match hint {
                    Some(hint) => self.hinted(hint),
                    None => break,
                },
                () = self.shared.clock.sleep_until(next) => {
                    let now = self.shared.clock.now();
                    if now >= poll {
                        poll = self.next_poll();
                        self.look_at_queues(now).await
                    } else {
                        self.due_at(now)
                    }
                }
            };
        }
    }

    /// Finds out, with one question for all queues, when each has a task that is due; returns those that have one
    /// at `now`.
    async fn look_at_queues(&mut self, now: Timestamp) -> Vec<String> {
        let queues = &self.shared.queues;
        let due = async {
            let mut connection = self.session.open().await?;
            let due = claim::due(&mut connection, queues).await?;
            self.session.keep(connection);
            crate::store::Result::Ok(due)
        };
        match due.await {
            Ok(due) => self.due = due,
            Err(error) => {
                tracing::warn!(%error, "queues could not be looked at; trying again at the next poll");
            }
        }
        self.shared.counters.claims.fetch_add(self.shared.queues.len() as u64, Ordering::Relaxed);
        self.due_at(now)
    }

    /// When every queue is looked at, whatever is known of them.
    fn next_poll(&self) -> Timestamp {
        self.shared.clock.now() + pause(&self.shared)
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
        let Shared { settings, held, room, stopping, .. } = &*self.shared;
        while settings.window.saturating_sub(held.load(Ordering::Relaxed))
            < settings.claim.min(settings.window / 2).max(1)
        {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = room.notified() => {}
            }
        }
    }

    /// Takes what there is room for; returns the queues that may have more.
    async fn take_from(&mut self, queues: &[String]) -> Vec<String> {
        let mut more = Vec::new();
        for queue in queues {
            self.due.remove(queue);
            let settings = &self.shared.settings;
            let room = settings.window.saturating_sub(self.shared.held.load(Ordering::Relaxed));
            let limit = room.min(settings.claim);
            if limit == 0 {
                more.push(queue.clone());
                continue;
            }
            let now = self.shared.clock.now();
            match self.claim(queue, now, limit).await {
                Ok(tasks) => {
                    let all = tasks.len() < limit;
                    self.hand_over(tasks);
                    if all {
                        self.look_ahead(queue, now).await;
                    } else {
                        more.push(queue.clone());
                    }
                    self.shared.counters.claims.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    // They may be taken all the same.
                    self.shared.unsure.store(true, Ordering::Relaxed);
                    tracing::warn!(%error, queue, "could not take tasks; trying again at the next poll");
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

    /// Has the hold loops look after everything this worker holds. What was taken before is on its way to
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
        self.shared.held.fetch_add(tasks.len(), Ordering::Relaxed);
        self.loops.claimed(tasks);
    }
}

/// The pause before the next look, spread by a fifth so that processes do not look in step.
pub(super) fn pause(shared: &Shared) -> Duration {
    shared.pause(shared.settings.poll).mul_f64(0.8 + 0.4 * fastrand::f64())
}
