//! The taker's side of lending: runs steps and compensations that other processes offer.
//!
//! What is on offer is resolved by this process's own registry: what a template writes may lead to a handler
//! here that the holder of the task knows by another name, or not at all. A crash leaves a loan without a
//! taker; it is offered again.

mod resolve;
mod shown;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use self::{
    resolve::{Resolved, Resolver},
    shown::{Group, Shown},
};
use super::{
    backoff::Backoff,
    body::TaskBody,
    call::Came,
    counters::Counters,
    driver::BATCH,
    event_bus::EventBus,
    loans::Loans,
    notify::{Notification, Notifier},
    offers::Offers,
    polling::Polling,
    prepare::Calls,
    pulse::Pulse,
    shared::Shared,
};
use crate::{
    model::{
        Attempt, Json, Served, StepIndex, TaskNo, WorkerId,
        task_loop::{self, AttemptEnded, came, published},
    },
    orchestration::{
        journal::History,
        plans::CompiledTemplates,
        share::{self, Outcome, Taken},
    },
};

/// A step that runs here for another process.
struct Borrowed {
    /// Who lent it.
    owner: WorkerId,
    attempt: Attempt,
    /// Its task, as it was when the step was taken.
    known: Arc<Shown>,
    /// Which loan it is. The same attempt may be lent here again while its first call still runs: what that
    /// one comes to is not wanted any more.
    loan: u64,
    cancel: CancellationToken,
    /// Tells the handler to stop, as that of a held task.
    stop: CancellationToken,
}

/// What a borrower needs of its process.
pub(crate) struct Surroundings {
    pub polling: Polling,
    pub plans: Arc<CompiledTemplates>,
    pub served: Served,
    pub offers: Arc<Offers>,
    pub loans: Arc<Loans>,
    pub notifier: Notifier,
    pub counters: Arc<Counters>,
    pub events: EventBus,
    pub pulse: Pulse,
}

/// Runs what others offer.
pub(crate) struct Borrower {
    shared: Arc<Shared>,
    calls: Calls,
    around: Surroundings,
    trouble: Backoff,
    resolver: Resolver,
    sender: UnboundedSender<(u64, AttemptEnded)>,
    done: UnboundedReceiver<(u64, AttemptEnded)>,
    /// As whom this process has its loans.
    worker: WorkerId,
    borrowed: HashMap<(TaskNo, StepIndex), Borrowed>,
    /// The tasks of steps that have ended and whose events somebody here wants to hear of.
    telling: HashMap<(TaskNo, StepIndex), Arc<Shown>>,
    /// How many steps were borrowed so far.
    loans: u64,
    /// The database did not answer something that gives this worker steps or takes them away: it may have
    /// some on loan without knowing.
    loans_unknown: bool,
}

impl Borrower {
    pub(crate) fn new(calls: Calls, around: Surroundings) -> Self {
        let (sender, done) = unbounded_channel();
        let (shared, resolver) = (calls.shared.clone(), Resolver::default());
        let worker = shared.worker();
        Self {
            shared,
            calls,
            around,
            trouble: Backoff::new("offers and borrowed steps wait for the database"),
            resolver,
            sender,
            done,
            worker,
            borrowed: HashMap::new(),
            telling: HashMap::new(),
            loans: 0,
            loans_unknown: false,
        }
    }

    /// Runs until the engine stops; then hands back what has not come to its end.
    pub(crate) async fn run(mut self) {
        let mut arrived = Vec::new();
        loop {
            self.around.pulse.rest();
            tokio::select! {
                () = self.shared.stopping.cancelled() => break,
                _ = self.done.recv_many(&mut arrived, BATCH) => self.give_back(arrived.drain(..)).await,
                () = self.around.offers.wait() => self.take().await,
                () = self.shared.clock.sleep(self.around.polling.spread(self.shared.settings.poll)) => self.take().await,
            }
        }
        self.borrowed.values().for_each(|borrowed| borrowed.stop.cancel());
        let limit = tokio::time::sleep(self.shared.settings.drain);
        let mut limit = std::pin::pin!(limit);
        while !self.borrowed.is_empty() {
            tokio::select! {
                _ = self.done.recv_many(&mut arrived, BATCH) => self.give_back(arrived.drain(..)).await,
                () = &mut limit => break,
            }
        }
        for ((task, step), borrowed) in std::mem::take(&mut self.borrowed) {
            borrowed.cancel.cancel();
            self.hand_back(task, step).await;
        }
    }

    /// Takes what is on offer and can run here now.
    async fn take(&mut self) {
        self.around.pulse.beat();
        if self.worker != self.shared.worker() {
            self.worker = self.shared.worker();
            self.forget().await;
        }
        if std::mem::take(&mut self.loans_unknown) {
            self.look_after().await;
        }
        let (shared, permits) = (self.shared.clone(), self.calls.permits.clone());
        // Whoever ends from here on has the offers looked at again.
        self.around.offers.set_skipped(true);
        let mut full = permits.free() == 0;
        if !full {
            let on_offer = async { share::on_offer(&mut shared.store.reader().await?).await };
            let on_offer = on_offer.await.unwrap_or_else(|error| {
                self.trouble.note(&error);
                Vec::new()
            });
            let registry = self.around.plans.registry().current();
            for target in on_offer {
                let Some(resolved) = self.resolver.resolve(&registry, &self.around.served, &target) else {
                    continue;
                };
                let room = resolved.room(&permits);
                full |= room == 0 || self.take_for(&target, &resolved, room).await == room;
            }
        }
        self.around.offers.set_skipped(full);
    }

    /// This process was taken for dead: what it had on loan is on offer again.
    async fn forget(&mut self) {
        let borrowed = std::mem::take(&mut self.borrowed);
        borrowed.values().for_each(|borrowed| borrowed.cancel.cancel());
        let loans: Vec<Attempt> = borrowed.values().map(|borrowed| borrowed.attempt).collect();
        if loans.is_empty() {
            return;
        }
        let noted = async {
            let mut connection = self.shared.store.writer().await?;
            share::note_not_dead(&mut connection, &loans).await
        };
        if let Err(error) = noted.await {
            self.trouble.note(&error);
        }
    }

    /// Takes `room` steps at most that are offered for this target, and returns how many.
    async fn take_for(&mut self, target: &str, resolved: &Resolved, room: usize) -> usize {
        let taken = async {
            let mut connection = self.shared.store.writer().await?;
            share::take(&mut connection, self.worker, target, room).await
        };
        match taken.await {
            Ok(taken) => {
                let count = taken.len();
                self.start_all(taken, resolved).await;
                count
            }
            Err(error) => {
                // They may be taken all the same.
                self.loans_unknown = true;
                self.trouble.note(&error);
                0
            }
        }
    }

    /// Hands back what this worker has on loan without knowing.
    async fn look_after(&mut self) {
        let borrowed = async {
            let mut connection = self.shared.store.writer().await?;
            share::borrowed(&mut connection, self.worker).await
        };
        match borrowed.await {
            Ok(borrowed) => {
                for (lease, step) in borrowed {
                    // It may be known here from an earlier lease of its task.
                    let known = self.borrowed.get(&(lease.task, step));
                    if known.is_none_or(|known| known.attempt.lease != lease) {
                        self.hand_back(lease.task, step).await;
                    }
                }
            }
            Err(error) => {
                self.loans_unknown = true;
                self.trouble.note(&error);
            }
        }
    }

    /// Starts steps that were taken together.
    async fn start_all(&mut self, taken: Vec<Taken>, resolved: &Resolved) {
        let groups = self.groups(taken, resolved).await;
        let read = async { shown::read(&mut self.shared.store.reader().await?, &groups).await };
        let histories = match read.await {
            Ok(histories) => histories,
            Err(error) => {
                // They are on loan here, and nothing runs.
                self.loans_unknown = true;
                self.trouble.note(&error);
                return;
            }
        };
        let mut outcomes = Vec::new();
        for group in groups {
            let Some(task) = group.taken.first().map(|taken| taken.attempt.task()) else { continue };
            let known = match histories.get(&task) {
                Some(history) => Shown::of(&group, history),
                None => Shown::of(&group, &History::default()),
            };
            let known = Arc::new(known);
            for taken in group.taken {
                let step = taken.attempt.step;
                if step.compensates().is_some() && known.body.plan.handler(step).is_none() {
                    outcomes.extend(self.not_compensated(taken, &known).await);
                } else {
                    self.start(taken, &known).await;
                }
            }
        }
        self.record(outcomes).await;
    }

    /// The steps of each task, with the rules they follow here; what follows none is handed back.
    async fn groups(&mut self, taken: Vec<Taken>, resolved: &Resolved) -> Vec<Group> {
        let mut by_task: HashMap<TaskNo, Vec<Group>> = HashMap::new();
        for taken in taken {
            let (task, step) = (taken.attempt.task(), taken.attempt.step);
            let groups = by_task.entry(task).or_default();
            let place = StepIndex::of(step.step());
            let follows = |group: &&mut Group| group.compiled.key(place) == Some(resolved.handler.key());
            if let Some(group) = groups.iter_mut().find(follows) {
                group.taken.push(taken);
                continue;
            }
            let Ok(compiled) = self.around.plans.get(taken.task.template).await else {
                self.hand_back(task, step).await;
                continue;
            };
            let compiled = self.around.plans.bound(compiled, step.step(), &resolved.handler);
            groups.push(Group { task: taken.task.clone(), compiled, taken: vec![taken] });
        }
        by_task.into_values().flatten().collect()
    }

    async fn start(&mut self, taken: Taken, known: &Arc<Shown>) {
        let attempt = taken.attempt;
        let (task, step) = (attempt.task(), attempt.step);
        let Shown { body, progress, .. } = &**known;
        let cancel = CancellationToken::new();
        let stop = cancel.child_token();
        let (facts, plan, results) = (body.facts.clone(), body.plan.clone(), body.results.clone());
        let own = TaskBody { facts, plan, results, cancel: cancel.clone(), stop: stop.clone() };
        let call = task_loop::Call::of(progress, attempt);
        let Some(mut call) = self.calls.prepare(&own, call, false) else {
            return self.hand_back(task, step).await;
        };
        // What is on its way to its permit must not look like room for more.
        call.permit = call.permit.taken();
        self.loans += 1;
        let loan = self.loans;
        let borrowed = Borrowed { owner: taken.owner, attempt, known: known.clone(), loan, cancel, stop };
        if let Some(former) = self.borrowed.insert((task, step), borrowed) {
            // Lent anew since: what the earlier loan comes to is refused.
            former.cancel.cancel();
        }
        let done = self.sender.clone();
        tokio::spawn(call.run(move |came| {
            // A borrowed step waits for its permit as long as it takes; without a receiver the engine has
            // stopped.
            if let Came::Ended(ended) = came {
                let _ = done.send((loan, ended));
            }
        }));
    }

    /// What came of a compensation that nobody has written: nothing had to be done. One that somebody has begun
    /// exists elsewhere, and is left to them.
    async fn not_compensated(&mut self, taken: Taken, known: &Shown) -> Option<Outcome> {
        let Taken { attempt, owner, .. } = taken;
        if attempt.number > 1 {
            self.hand_back(attempt.task(), attempt.step).await;
            return None;
        }
        let now = self.shared.clock.now();
        Some(Outcome {
            lease: attempt.lease,
            owner,
            step: attempt.step,
            attempt: attempt.number,
            started_at: now,
            finished_at: known.after_all(now),
            result: Ok(Json::null()),
            published: None,
        })
    }

    /// Records what came of borrowed steps, all that came back together, and tells their holders.
    async fn give_back(&mut self, arrived: impl Iterator<Item = (u64, AttemptEnded)>) {
        self.around.pulse.beat();
        let mut outcomes = Vec::new();
        for (loan, ended) in arrived {
            outcomes.extend(self.outcome(loan, ended).await);
        }
        self.record(outcomes).await;
        if self.calls.permits.free() > 0 {
            self.around.offers.changed();
        }
    }

    /// What is to be recorded of a borrowed step; `None` when it is handed back instead.
    async fn outcome(&mut self, loan: u64, ended: AttemptEnded) -> Option<Outcome> {
        let attempt = ended.attempt;
        let (task, step) = (attempt.task(), attempt.step);
        if self.borrowed.get(&(task, step)).is_none_or(|borrowed| borrowed.loan != loan) {
            self.around.counters.late.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(task = task.0, "late outcome refused: the step is on loan anew");
            return None;
        }
        let Borrowed { owner, known, .. } = self.borrowed.remove(&(task, step))?;
        let Some(outcome) = ended.outcome else {
            self.hand_back(task, step).await;
            return None;
        };
        let result = came(&known.progress, attempt, outcome, ended.finished_at);
        let published = published(&known.progress, attempt, &result, &ended.said);
        if published.is_some() && !self.around.events.is_idle() {
            self.telling.insert((task, step), known.clone());
        }
        Some(Outcome {
            lease: attempt.lease,
            owner,
            step,
            attempt: attempt.number,
            started_at: ended.started_at,
            finished_at: known.after_all(ended.finished_at),
            result,
            published,
        })
    }

    /// Writes outcomes together; what the database refuses is halved until it stands alone.
    async fn record(&mut self, mut outcomes: Vec<Outcome>) {
        outcomes.sort_unstable_by_key(|outcome| (outcome.lease.task, outcome.step));
        let mut parts = if outcomes.is_empty() { vec![] } else { vec![&*outcomes] };
        while let Some(part) = parts.pop() {
            let recorded = async {
                let mut connection = self.shared.store.writer().await?;
                share::give_back(&mut connection, self.worker, part).await
            };
            match (part, recorded.await) {
                (_, Ok(written)) => self.tell(part, &written),
                (_, Err(error)) if error.is_transient() => {
                    self.around.pulse.beat();
                    self.trouble.wait(&error).await;
                    parts.push(part);
                }
                ([outcome], Err(error)) => {
                    tracing::error!(%error, "a borrowed step's result could not be recorded; it is offered again");
                    self.telling.remove(&(outcome.lease.task, outcome.step));
                    self.hand_back(outcome.lease.task, outcome.step).await;
                }
                (_, Err(_)) => {
                    let (first, rest) = part.split_at(part.len() / 2);
                    parts.extend([rest, first]);
                }
            }
        }
    }

    /// Tells the holders of steps whose outcomes are recorded.
    fn tell(&mut self, outcomes: &[Outcome], written: &[bool]) {
        for (outcome, written) in outcomes.iter().zip(written) {
            let known = self.telling.remove(&(outcome.lease.task, outcome.step));
            if let Some(known) = known.filter(|_| *written) {
                let Outcome { lease, step, attempt: number, .. } = *outcome;
                let (attempt, published) = (Attempt { lease, step, number }, outcome.published.as_deref());
                self.around.events.tell(&known.body, attempt, outcome.finished_at, published);
            }
            if !written {
                self.around.counters.late.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(task = outcome.lease.task.0, "late outcome refused: the loan was lost");
                continue;
            }
            self.around.notifier.notify(Notification::Returned(outcome.owner.0));
            if outcome.owner == self.shared.worker() {
                self.around.loans.something_returned();
            }
        }
    }

    async fn hand_back(&mut self, task: TaskNo, step: StepIndex) {
        let handed_back = async {
            let mut connection = self.shared.store.writer().await?;
            share::hand_back(&mut connection, self.worker, task, step).await
        };
        if let Err(error) = handed_back.await {
            self.loans_unknown = true;
            self.trouble.note(&error);
        }
    }
}
