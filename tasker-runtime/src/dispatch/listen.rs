//! Hears what other processes tell and passes it on inside this one.

use std::{sync::Arc, time::Duration};

use super::{
    backoff::Backoff, claims::Claims, command_loop::Commands, heartbeat::Workers, loans::Loans,
    notify::Notification, offers::Offers, polling::Polling, scheduler::Schedules, shared::Shared,
};
use crate::store::{Listener, Result};

/// A connection that said nothing for this long is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(10);

/// The loop that listens.
pub(crate) struct Listening {
    pub shared: Arc<Shared>,
    pub polling: Polling,
    pub claims: Arc<Claims>,
    pub commands: Arc<Commands>,
    pub offers: Arc<Offers>,
    pub loans: Arc<Loans>,
    pub workers: Arc<Workers>,
    pub schedules: Arc<Schedules>,
}

impl Listening {
    /// Listens until the engine stops; a connection that is lost is replaced, and everything looked at anew.
    pub(crate) async fn run(self) {
        let mut trouble = Backoff::new(
            "nothing is heard of other processes; looking at the usual times until they are heard again",
        );
        loop {
            let lost = tokio::select! {
                () = self.shared.stopping.cancelled() => return,
                lost = self.listen(&mut trouble) => lost,
            };
            self.polling.set_listening(false);
            let Err(error) = lost else { return };
            tokio::select! {
                () = self.shared.stopping.cancelled() => return,
                () = trouble.wait(&error) => {}
            }
        }
    }

    async fn listen(&self, trouble: &mut Backoff) -> Result<()> {
        let Some(mut listener) = Listener::open(&self.shared.store).await? else { return Ok(()) };
        trouble.reset();
        self.polling.set_listening(true);
        // What was told before now was not heard.
        self.claims.any_queue_may_have_work();
        self.commands.pending();
        self.offers.changed();
        self.loans.something_returned();
        self.workers.changed();
        self.schedules.changed();
        loop {
            match tokio::time::timeout(SILENCE, listener.next()).await {
                Ok(text) => {
                    text?.lines().filter_map(Notification::from_text).for_each(|news| self.hear(news));
                }
                Err(_) => listener.check().await?,
            }
        }
    }

    fn hear(&self, news: Notification) {
        match news {
            Notification::Queue(queue) if self.claims.queues().contains(&queue) => {
                self.claims.queue_has_work(&queue);
            }
            Notification::Returned(worker) if worker == self.shared.worker().0 => {
                self.loans.something_returned();
            }
            Notification::Queue(_) | Notification::Returned(_) => {}
            Notification::Command => self.commands.pending(),
            Notification::Offer => self.offers.changed(),
            Notification::Workers => self.workers.changed(),
            Notification::Schedules => self.schedules.changed(),
        }
    }
}
