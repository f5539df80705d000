//! Passes turns on: of tasks that are over to those that wait for one.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    backoff::Backoff,
    claims::Claims,
    notify::{Notification, Notifier},
    pulse::Pulse,
    shared::Shared,
};
use crate::{
    model::{TaskNo, Timestamp},
    orchestration::turns::{self, Due},
    store::Result,
};

/// How long it takes at most until a turn is passed on whose holder died before it did.
const LOOK: Duration = Duration::from_secs(5);

/// So many tasks that are over are seen to at once.
const BATCH: usize = 500;

/// Says which tasks are over. Clones tell the same loop.
#[derive(Clone, Debug)]
pub(crate) struct Turns(UnboundedSender<TaskNo>);

impl Turns {
    pub(crate) fn new() -> (Self, UnboundedReceiver<TaskNo>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// A task is over that had turns. Without a receiver the loop has ended, and others pass them on.
    pub(crate) fn over(&self, task: TaskNo) {
        let _ = self.0.send(task);
    }
}

/// The loop that passes turns on.
pub(crate) struct Turnstile {
    pub shared: Arc<Shared>,
    pub claims: Arc<Claims>,
    pub notifier: Notifier,
    pub pulse: Pulse,
    /// Templates of this process limit how many of their tasks run at once: it looks for turns that nobody passed on.
    pub looks: bool,
}

impl Turnstile {
    /// Runs until nothing is held any more.
    pub(crate) async fn run(self, mut over: UnboundedReceiver<TaskNo>) {
        let mut trouble = Backoff::new("turns wait for the database");
        let mut ended: Vec<TaskNo> = Vec::new();
        let mut look_at = self.shared.clock.steady() + LOOK;
        loop {
            if ended.is_empty() {
                let look = self.shared.clock.sleep_until_steady(look_at);
                tokio::select! {
                    () = self.shared.over.cancelled() => return,
                    count = over.recv_many(&mut ended, BATCH) => if count == 0 { return },
                    () = look, if self.looks => {}
                }
            }
            self.pulse.beat();
            let mut done = if ended.is_empty() { Ok(()) } else { self.pass_on(&ended).await };
            if done.is_ok() {
                ended.clear();
                if self.looks && self.shared.clock.steady() >= look_at {
                    done = self.look().await;
                    look_at = self.shared.clock.steady() + LOOK;
                }
            }
            self.pulse.rest();
            match done {
                Ok(()) => trouble.reset(),
                Err(error) => tokio::select! {
                    () = self.shared.over.cancelled() => return,
                    () = trouble.wait(&error) => {}
                },
            }
        }
    }

    async fn pass_on(&self, tasks: &[TaskNo]) -> Result<()> {
        let due = turns::pass_on(&mut self.shared.store.writer().await?, tasks).await?;
        self.tell(due);
        Ok(())
    }

    async fn look(&self) -> Result<()> {
        let mut after = Some(String::new());
        while let Some(last) = after {
            let (due, next) = turns::look(&mut self.shared.store.writer().await?, &last).await?;
            self.tell(due);
            self.pulse.beat();
            after = next;
        }
        Ok(())
    }

    /// Says here and elsewhere which queues have work, and from when.
    fn tell(&self, due: Due) {
        for (queue, at) in due {
            match at > self.shared.clock.now() && at < Timestamp::NEVER {
                true => self.claims.queue_has_work_at(&queue, at),
                false => self.claims.queue_has_work(&queue),
            }
            self.notifier.notify(Notification::Queue(queue));
        }
    }
}
