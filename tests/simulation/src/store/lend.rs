//! Steps that are lent.

use tasker_model::{
    Attempt, Entry, Failed, History, Kind, Lease, NoResult, Offer, Published, StepIndex, TaskNo, TaskState,
    Timestamp,
    task_loop::{Came, MAX_TAKEOVERS, Withdrawal},
};

use super::{
    Db, OfferRow, POISON,
    record::{failed_instead, refused},
};

/// An offered step that a worker took.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) attempt: Attempt,
    pub(crate) owner: i64,
    pub(crate) template: usize,
    pub(crate) history: History,
}

/// What came of a lent step.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) attempt: Attempt,
    pub(crate) owner: i64,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Timestamp,
    pub(crate) result: Came,
    pub(crate) published: Option<Box<Published>>,
}

impl Db {
    /// What the snapshot of `offer.sql` sees: which of the offers may be made.
    pub(crate) fn see_offers(&mut self, worker: i64, offers: &[(Offer, usize)]) -> Option<Vec<bool>> {
        let may_be_made = |db: &Self, attempt: Attempt| {
            let Attempt { lease, step, number } = attempt;
            let rows = db.task(lease.task);
            let over = rows.steps.contains_key(&step) || rows.has_attempt(step, number);
            db.covers(worker, lease) && !over
        };
        self.writes(worker)
            .then(|| offers.iter().map(|(offer, _)| may_be_made(self, offer.attempt)).collect())
    }

    /// `offer.sql`
    pub(crate) fn offer(&mut self, worker: i64, seen: Option<&[bool]>, offers: &[(Offer, usize)]) {
        let Some(seen) = seen else { return };
        self.written(worker);
        for ((offer, queue), may_be_made) in offers.iter().zip(seen) {
            let Attempt { lease, step, number } = offer.attempt;
            if *may_be_made {
                self.offers.entry((lease.task, step)).or_insert(OfferRow {
                    attempt: number,
                    lease: lease.epoch,
                    owner: worker,
                    taker: None,
                    offered_at: offer.offered_at,
                    handler: offer.target.handler.as_str().to_owned(),
                    queue: *queue,
                    deaths: 0,
                });
            }
        }
    }

    /// `take_offers.sql`, and the journals that go with them.
    pub(crate) fn take_offers(
        &mut self,
        worker: i64,
        takes: impl Fn(&OfferRow) -> bool,
        limit: usize,
    ) -> Vec<Taken> {
        if !self.lives(worker) {
            return Vec::new();
        }
        self.drop_returned(|offer| offer.taker.is_none() && takes(offer));
        let open = self
            .offers
            .iter()
            .filter(|(_, offer)| offer.taker.is_none() && offer.deaths < MAX_TAKEOVERS && takes(offer));
        let mut open: Vec<(Timestamp, (TaskNo, StepIndex))> =
            open.map(|(key, offer)| (offer.offered_at, *key)).collect();
        open.sort_unstable();
        open.truncate(limit);
        let mut taken = Vec::new();
        for (_, key) in open {
            let Some(offer) = self.offers.get_mut(&key) else { continue };
            offer.taker = Some(worker);
            let lease = Lease { task: key.0, epoch: offer.lease };
            let attempt = Attempt { lease, step: key.1, number: offer.attempt };
            let owner = offer.owner;
            let (template, history) = (self.task(key.0).run.template, self.history(key.0));
            taken.push(Taken { attempt, owner, template, history });
        }
        taken
    }

    /// `drop_returned.sql`, of those of these offers whose attempts are recorded.
    pub(crate) fn drop_returned(&mut self, of: impl Fn(&OfferRow) -> bool) {
        let tasks = &self.tasks;
        self.offers.retain(|(task, step), offer| {
            let rows = &tasks[usize::try_from(task.0).unwrap_or_default()];
            let over = rows.steps.contains_key(step) || rows.has_attempt(*step, offer.attempt);
            !(over && of(offer))
        });
    }

    /// `loans_not_dead.sql`
    pub(crate) fn loans_not_dead(&mut self, loans: &[Attempt]) {
        for loan in loans {
            let offer = self.offers.get_mut(&(loan.task(), loan.step));
            if let Some(offer) = offer.filter(|offer| offer.lease == loan.lease.epoch) {
                offer.deaths = offer.deaths.saturating_sub(1);
            }
        }
    }

    /// `append.sql`, by takers: of each whether its loan held. A result that the tables refuse is recorded in
    /// another form, a failure for good.
    pub(crate) fn give_back(&mut self, worker: i64, outcomes: &[Outcome]) -> Vec<bool> {
        outcomes.iter().map(|outcome| self.end_loan(worker, outcome)).collect()
    }

    /// Whether `worker` has this attempt on loan, and nobody took its task over since.
    pub(crate) fn has_on_loan(&self, worker: i64, attempt: Attempt) -> bool {
        let Attempt { lease, step, .. } = attempt;
        let offer = self.offers.get(&(lease.task, step));
        offer.is_some_and(|offer| offer.taker == Some(worker) && offer.lease == lease.epoch)
            && self.task(lease.task).run.lease == lease.epoch
    }

    fn end_loan(&mut self, worker: i64, outcome: &Outcome) -> bool {
        let Attempt { lease, step, number } = outcome.attempt;
        if !self.has_on_loan(worker, outcome.attempt) {
            return false;
        }
        self.offers.remove(&(lease.task, step));
        match &outcome.result {
            Ok(result) if result.as_str().contains(POISON) => {
                let (started_at, failed_at) = (outcome.started_at, outcome.finished_at);
                let (attempt, retry_at, error) = (outcome.attempt, None, refused());
                let published = failed_instead(outcome.published.as_deref(), number, &error);
                let came = NoResult::Failed(error);
                self.add_failure(&Failed { attempt, started_at, failed_at, retry_at, came, published });
            }
            Ok(result) => {
                let (started_at, finished_at) = (outcome.started_at, outcome.finished_at);
                let (kind, result) = (Kind::Handler, result.clone());
                let entry = Entry { step, kind, attempt: number, started_at, finished_at, result };
                self.task_mut(lease.task).recorded_under = lease.epoch;
                self.add_result(lease.task, entry, outcome.published.as_deref());
            }
            Err((came, retry_at)) => {
                let (started_at, failed_at) = (outcome.started_at, outcome.finished_at);
                let (attempt, retry_at, came) = (outcome.attempt, *retry_at, came.clone());
                let published = outcome.published.clone();
                self.add_failure(&Failed { attempt, started_at, failed_at, retry_at, came, published });
            }
        }
        true
    }

    /// `hand_back_offer.sql`
    pub(crate) fn hand_back(&mut self, worker: i64, task: TaskNo, step: StepIndex) {
        if let Some(offer) = self.offers.get_mut(&(task, step)).filter(|o| o.taker == Some(worker)) {
            offer.taker = None;
        }
    }

    /// `lent.sql`: what is out, and whether so many died over it that nobody is to take it any more.
    pub(crate) fn lent(&self, worker: i64) -> Vec<((TaskNo, StepIndex), bool)> {
        let deadly = |offer: &OfferRow| offer.taker.is_none() && offer.deaths >= MAX_TAKEOVERS;
        let lent = self.offers.iter().filter(|(_, offer)| offer.owner == worker);
        lent.map(|(key, offer)| (*key, deadly(offer))).collect()
    }

    /// `borrowed.sql`
    pub(crate) fn borrowed(&self, worker: i64) -> Vec<(Lease, StepIndex)> {
        let of_worker = self.offers.iter().filter(|(_, offer)| offer.taker == Some(worker));
        of_worker.map(|((task, step), offer)| (Lease { task: *task, epoch: offer.lease }, *step)).collect()
    }

    /// `withdraw_offers.sql`
    pub(crate) fn withdraw(&mut self, worker: i64) {
        self.offers.retain(|_, offer| offer.owner != worker || offer.taker.is_some());
    }

    /// `withdraw_task.sql`
    pub(crate) fn withdraw_of(&mut self, withdrawals: &[Withdrawal]) {
        self.offers.retain(|(task, _), offer| {
            !withdrawals.iter().any(|Withdrawal { lease, taken }| {
                (*task, offer.lease) == (lease.task, lease.epoch) && (*taken || offer.taker.is_none())
            })
        });
    }

    /// Whether an offer is of a task that its owner holds under its lease.
    pub(crate) fn is_live(&self, key: (TaskNo, StepIndex), offer: &OfferRow) -> bool {
        let run = &self.task(key.0).run;
        let over = run.over || run.state == TaskState::Cancelled;
        run.owner == Some(offer.owner) && run.lease == offer.lease && !over
    }
}
