//! What a driver writes beside operators' commands, however often the database has to be asked.

use std::collections::{BTreeMap, HashSet};

use super::Driver;
use crate::{
    dispatch::notify::Notification,
    model::{
        Batch, Exceptions, Lease, Offer,
        task_loop::{DeadLetter, Withdrawal},
    },
    orchestration::{claim, record, share},
    store,
};

impl Driver {
    /// Gives back a task that is held under a lease nobody here knows of.
    pub(super) async fn let_go(&mut self, lease: Lease) {
        self.strays.note(&format_args!("nothing is known of task {}", lease.task.0));
        let (worker, now) = (self.shared.worker(), self.now());
        let let_go = async {
            let mut connection = self.session.open().await?;
            claim::let_go(&mut connection, worker, lease, now).await?;
            self.session.keep(connection);
            store::Result::Ok(())
        };
        if let Err(error) = let_go.await {
            self.around.claims.leases_unknown();
            self.other.note(&error);
        }
        self.around.claims.any_queue_may_have_work();
    }

    /// Says of tasks that are set aside why, before they are.
    pub(super) async fn set_aside(&mut self, letters: &[DeadLetter]) {
        let mut by_reason: BTreeMap<&str, Vec<Lease>> = BTreeMap::new();
        for DeadLetter { lease, reason } in letters {
            by_reason.entry(reason).or_default().push(*lease);
        }
        for (reason, leases) in by_reason {
            let (worker, now) = (self.shared.worker(), self.now());
            loop {
                match record::set_aside(&mut self.session, worker, &leases, now, reason).await {
                    Err(error) if error.is_transient() => self.wait(&error).await,
                    Err(error) => {
                        tracing::error!(%error, tasks = leases.len(), "dead letters could not be written");
                        break;
                    }
                    Ok(()) => break,
                }
            }
        }
    }

    /// The leases are lost, and the process lives: what it held is to count no death of its own.
    pub(super) async fn note_not_dead(&mut self) {
        let leases: Vec<Lease> = self.tasks.leases().collect();
        if leases.is_empty() {
            return;
        }
        if let Err(error) = record::note_not_dead(&mut self.session, &leases).await {
            self.other.note(&error);
        }
    }

    /// Takes back offers of tasks that are not to go on.
    pub(super) async fn withdraw(&mut self, withdrawals: &[Withdrawal]) {
        while !withdrawals.is_empty() {
            match share::withdraw_of(&mut self.session, withdrawals).await {
                Err(error) if error.is_transient() => self.wait(&error).await,
                Err(error) => {
                    self.other.note(&error);
                    break;
                }
                Ok(()) => {
                    self.around.loans.something_returned();
                    break;
                }
            }
        }
    }

    /// Writes the batch, however often the database has to be asked.
    pub(super) async fn write(&mut self, batch: &Batch) -> Exceptions {
        if batch.is_empty() {
            return Exceptions::default();
        }
        loop {
            let now = self.now();
            match record::record(&mut self.session, self.shared.worker(), batch, now).await {
                Ok(record::Recorded { exceptions, told }) => {
                    self.writing.reset();
                    self.count(batch, &exceptions);
                    self.pass_on(told);
                    return exceptions;
                }
                Err(error) if error.is_transient() => self.wait(&error).await,
                Err(error) => {
                    // Nothing of the batch is known to be written: all of it is read again.
                    tracing::error!(%error, "results could not be recorded; their tasks are read again");
                    return Exceptions { stale: batch.tasks().collect(), lost: HashSet::new() };
                }
            }
        }
    }

    /// Gives back tasks that are to be read again.
    pub(super) async fn give_back(&mut self, ends: &[record::End]) {
        if ends.is_empty() {
            return;
        }
        let now = self.now();
        if let Err(error) = record::end_many(&mut self.session, self.shared.worker(), ends, now).await {
            self.around.claims.leases_unknown();
            self.other.note(&error);
        }
        self.around.claims.any_queue_may_have_work();
    }

    pub(super) async fn note_moved_on(&mut self, leases: &[Lease]) {
        if leases.is_empty() {
            return;
        }
        if let Err(error) = record::note_progress(&mut self.session, leases).await {
            // The deaths of earlier holders still count.
            self.other.note(&error);
        }
    }

    /// Offers what is to be lent, once the tasks' own rows are written.
    pub(super) async fn write_offers(&mut self, offers: Vec<Offer>) {
        if offers.is_empty() {
            return;
        }
        let mut offered = share::offer(&mut self.session, self.shared.worker(), &offers).await;
        // They may be offered all the same, and then they must not run here as well.
        while let Err(error) = offered.as_ref()
            && error.is_transient()
        {
            self.wait(error).await;
            offered = share::offer(&mut self.session, self.shared.worker(), &offers).await;
        }
        if let Err(error) = offered {
            self.other.wait(&error).await;
            return self.tasks.offers_refused(&offers);
        }
        for offer in &offers {
            self.around.loans.add(offer.attempt);
        }
        self.around.notifier.notify(Notification::Offer);
        self.around.offers.changed();
    }

    /// Waits until a database is asked again that did not do its part. It answered, so the loop is not stuck.
    async fn wait(&mut self, error: &store::Error) {
        if !std::mem::replace(&mut self.unable, true) {
            self.around.claims.cannot_write();
        }
        self.pulse.beat();
        self.writing.wait(error).await;
        self.pulse.beat();
    }
}
