//! Runs steps that other processes offer, and brings home the results of those this one has lent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::{
    announce::News,
    batch,
    body::{facts_of, results_of},
    call::{Call, Came},
    driver::BATCH,
    engine::Shared,
    message::TaskLoops,
    take,
};
use crate::{
    handler::{StepParts, TaskSequenceStep},
    model::{
        Attempt, Lease, StepNo, TaskNo, Timestamp, WorkerId,
        task_loop::{AttemptEnded, LoanReturned, Message, retry_at},
    },
    orchestration::{
        journal::{self, Failure, History},
        share::{self, Outcome, Taken},
    },
    store::Result,
};

/// The steps this process has lent, and which attempt under which lease each was.
#[derive(Debug, Default)]
pub(crate) struct Lent(Mutex<HashMap<(TaskNo, StepNo), Loan>>);

/// One lent attempt. What comes back of an earlier one, or of a task that was held before, is not it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loan {
    pub lease: Lease,
    pub step: StepNo,
    pub attempt: u32,
}

impl Lent {
    /// Notes a loan whose offer is written.
    pub(crate) fn add(&self, loan: Loan) {
        self.lock().insert((loan.lease.task, loan.step), loan);
    }

    fn all(&self) -> Vec<Loan> {
        self.lock().values().copied().collect()
    }

    /// Forgets a loan, unless another took its place.
    fn end(&self, loan: &Loan) {
        let mut lent = self.lock();
        if lent.get(&(loan.lease.task, loan.step)) == Some(loan) {
            lent.remove(&(loan.lease.task, loan.step));
        }
    }

    /// Whether nothing is lent.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TaskNo, StepNo), Loan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often the journal is asked for lent steps when nobody says that one came back.
const LOOK: Duration = Duration::from_millis(200);

/// Brings home lent steps until nothing is held any more. While the engine stops, what others run for it may
/// come to its end; what nobody has taken comes home at once.
pub(crate) async fn bring_home(shared: Arc<Shared>, loops: TaskLoops) {
    let mut stopping = false;
    loop {
        tokio::select! {
            () = shared.over.cancelled() => return,
            () = shared.stopping.cancelled(), if !stopping => stopping = true,
            () = shared.returned.notified() => {}
            // What was offered at the last moment may be noted only now.
            () = tokio::time::sleep(LOOK), if stopping || !shared.lent.is_empty() => {}
            () = shared.clock.sleep(shared.settings.poll) => {}
        }
        if shared.lent.is_empty() {
            continue;
        }
        let brought = async {
            if stopping {
                share::withdraw(&mut shared.store.writer().await?, shared.worker()).await?;
            }
            home(&shared, &loops).await
        };
        if let Err(error) = brought.await {
            tracing::warn!(%error, "lent steps wait for the database");
        }
    }
}

async fn home(shared: &Shared, loops: &TaskLoops) -> Result<()> {
    // In this order: what is lent from now on may be missing among the offers, and is not back for that.
    let mut returned = shared.lent.all();
    let out = share::lent(&shared.store, shared.worker()).await?;
    returned.retain(|loan| !out.contains(&(loan.lease.task, loan.step)));
    if returned.is_empty() {
        return Ok(());
    }
    let tasks: Vec<TaskNo> = returned.iter().map(|loan| loan.lease.task).collect();
    let histories = journal::read_each(&mut shared.store.reader().await?, &tasks).await?;
    for loan in returned {
        shared.lent.end(&loan);
        let Loan { lease, step, attempt } = loan;
        // What cannot be read is read again by whoever claims the task, who says so.
        let history = histories.get(&lease.task).and_then(|history| history.as_ref().ok());
        let entry = history.and_then(|history| history.entries.iter().find(|entry| entry.step == step));
        let failed = |failure: &&Failure| failure.step == step && failure.attempt == attempt;
        let failure = history.and_then(|history| history.failures.iter().find(failed));
        let back = match (entry, failure) {
            (Some(entry), _) => LoanReturned::Done(entry.clone()),
            (None, Some(failure)) => LoanReturned::Failed(failure.clone()),
            (None, None) => LoanReturned::Nothing(step),
        };
        loops.send(lease.task, Message::LoanReturned(lease, back));
    }
    Ok(())
}

/// When a borrowed step finished, if it did at `at` by this process's clock: after all that it may have used,
/// whatever the clocks of others say.
fn after_all(history: &History, at: Timestamp) -> Timestamp {
    let latest = history.entries.iter().map(|entry| entry.finished_at).max().unwrap_or_default();
    at.max(latest + Duration::from_micros(1))
}

/// A step that runs here for another process.
struct Borrowed {
    taken: Taken,
    /// Which loan it is. The same attempt may be lent here again while its first call still runs: what that
    /// one comes to is not wanted any more.
    loan: u64,
    cancel: CancellationToken,
    /// Tells the handler to stop, as that of a held task.
    stop: CancellationToken,
}

/// Runs what others offer.
pub(crate) struct Borrow {
    shared: Arc<Shared>,
    sender: UnboundedSender<(u64, AttemptEnded)>,
    done: UnboundedReceiver<(u64, AttemptEnded)>,
    /// As whom this process has its loans.
    worker: WorkerId,
    borrowed: HashMap<(TaskNo, StepNo), Borrowed>,
    /// How many steps were borrowed so far.
    loans: u64,
    /// The database did not answer something that gives this worker steps or takes them away: it may have
    /// some on loan without knowing.
    unsure: bool,
}

impl Borrow {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (sender, done) = unbounded_channel();
        let worker = shared.worker();
        Self { shared, sender, done, worker, borrowed: HashMap::new(), loans: 0, unsure: false }
    }

    /// Runs until the engine stops; then hands back what has not come to its end.
    pub(crate) async fn run(mut self) {
        let mut arrived = Vec::new();
        loop {
            tokio::select! {
                () = self.shared.stopping.cancelled() => break,
                _ = self.done.recv_many(&mut arrived, BATCH) => self.give_back(arrived.drain(..)).await,
                () = self.shared.offered.notified() => self.take().await,
                () = self.shared.clock.sleep(take::pause(&self.shared)) => self.take().await,
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

    async fn take(&mut self) {
        if self.worker != self.shared.worker() {
            // Taken for dead meanwhile: what it had on loan is on offer again.
            self.worker = self.shared.worker();
            self.borrowed.drain().for_each(|(_, borrowed)| borrowed.cancel.cancel());
        }
        if std::mem::take(&mut self.unsure) {
            self.look_after().await;
        }
        let shared = self.shared.clone();
        // Whoever ends from here on has the offers looked at again.
        shared.passed_over.store(true, Ordering::SeqCst);
        let mut full = shared.turns.free() == 0;
        for (room, handlers) in shared.turns.open(&shared.handler_names) {
            let room = room.min(shared.turns.free());
            full |= room == 0 || self.take_for(handlers, room).await == room;
        }
        shared.passed_over.store(full, Ordering::SeqCst);
    }

    /// Takes steps of these handlers, `room` at most, and returns how many.
    async fn take_for(&mut self, handlers: Vec<String>, room: usize) -> usize {
        let taken = async {
            let mut connection = self.shared.store.writer().await?;
            share::take(&mut connection, self.worker, handlers, self.shared.served.names(), room).await
        };
        match taken.await {
            Ok(taken) => {
                let count = taken.len();
                for step in taken {
                    self.start(step).await;
                }
                count
            }
            Err(error) => {
                // They may be taken all the same.
                self.unsure = true;
                tracing::warn!(%error, "offers wait for the database");
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
                for (task, step) in borrowed {
                    if !self.borrowed.contains_key(&(task, step)) {
                        self.hand_back(task, step).await;
                    }
                }
            }
            Err(error) => {
                self.unsure = true;
                tracing::warn!(%error, "what this worker has on loan waits for the database");
            }
        }
    }

    async fn start(&mut self, taken: Taken) {
        let (task, no) = (taken.lease.task, taken.step);
        let place = no.step() as usize;
        let plan = self.shared.plans.get(taken.template).await.ok();
        let Some((plan, handler)) = plan.and_then(|plan| Some((plan.clone(), (*plan.handlers.get(place)?)?)))
        else {
            return self.hand_back(task, no).await;
        };
        let progress = taken.history.replay(plan.rules().clone());
        let rule = &plan.rules().steps[place];
        let spent = progress.slot(no).map_or(0, |slot| slot.spent());
        let cancel = CancellationToken::new();
        let stop = cancel.child_token();
        let results = results_of(&plan, &progress, &taken.history);
        let step = TaskSequenceStep::new(StepParts {
            task: facts_of(taken.uuid, taken.correlation_id, &plan, taken.context.clone(), taken.created_at),
            step: no.step(),
            name: plan.rules().name(no),
            attempt: taken.attempt,
            max_attempts: (taken.attempt - 1)
                .saturating_sub(spent)
                .saturating_add(rule.retry.max_attempts.max(1)),
            batch: batch::part_of(&self.shared, &results.batches, taken.lease, (no, taken.attempt), &cancel),
            results,
            undoes: None,
            states: self.shared.states.clone(),
            cancel: stop.clone(),
        });
        self.loans += 1;
        let loan = self.loans;
        let call = Call {
            attempt: Attempt { lease: taken.lease, step: no, number: taken.attempt },
            step,
            plan: plan.clone(),
            cancel: cancel.clone(),
            handler,
            timeout: rule.timeout,
            grace: self.shared.settings.cancel_grace,
            clock: self.shared.clock.clone(),
            // What is on its way to its turn must not look like room for more.
            turn: self.shared.turns.of(handler, false).taken(),
            running: self.shared.running.clone(),
        };
        let done = self.sender.clone();
        if let Some(former) = self.borrowed.insert((task, no), Borrowed { taken, loan, cancel, stop }) {
            // Lent anew since: what the earlier loan comes to is refused.
            former.cancel.cancel();
        }
        tokio::spawn(call.run(move |came| {
            // A borrowed step has its permits; without a receiver the engine has stopped.
            if let Came::Ended(ended) = came {
                let _ = done.send((loan, ended));
            }
        }));
    }

    /// Records what came of borrowed steps, all that came back together, and tells their holders.
    async fn give_back(&mut self, arrived: impl Iterator<Item = (u64, AttemptEnded)>) {
        let mut outcomes = Vec::new();
        for (loan, ended) in arrived {
            outcomes.extend(self.outcome(loan, ended).await);
        }
        outcomes.sort_unstable_by_key(|outcome| (outcome.lease.task, outcome.step));
        self.record(&outcomes).await;
        if self.shared.turns.free() > 0 {
            self.shared.offered.notify_one();
        }
    }

    /// What is to be recorded of a borrowed step; `None` when it is handed back instead.
    async fn outcome(&mut self, loan: u64, ended: AttemptEnded) -> Option<Outcome> {
        let attempt = ended.attempt;
        let (task, no) = (attempt.task(), attempt.step);
        if self.borrowed.get(&(task, no)).is_none_or(|borrowed| borrowed.loan != loan) {
            self.shared.counters.late.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(task = task.0, "late outcome refused: the step is on loan anew");
            return None;
        }
        let Borrowed { taken, .. } = self.borrowed.remove(&(task, no))?;
        let finished_at = after_all(&taken.history, ended.finished_at);
        let plan = self.shared.plans.get(taken.template).await;
        let (Some(outcome), Ok(plan)) = (ended.outcome, plan) else {
            self.hand_back(task, no).await;
            return None;
        };
        let rules = plan.rules();
        let checked = outcome.and_then(|result| rules.checked(no, result));
        let result = checked.map_err(|error| {
            let progress = taken.history.replay(rules.clone());
            let retry_at = retry_at(&progress, attempt, &error, ended.finished_at);
            (error, retry_at)
        });
        Some(Outcome {
            lease: attempt.lease,
            owner: taken.owner,
            step: no,
            attempt: attempt.number,
            started_at: ended.started_at,
            finished_at,
            result,
        })
    }

    /// Writes outcomes together; what the database refuses is halved until it stands alone.
    async fn record(&mut self, outcomes: &[Outcome]) {
        let mut parts = if outcomes.is_empty() { vec![] } else { vec![outcomes] };
        while let Some(part) = parts.pop() {
            let recorded = async {
                let mut connection = self.shared.store.writer().await?;
                share::give_back(&mut connection, self.worker, part).await
            };
            match (part, recorded.await) {
                (_, Ok(written)) => self.tell(part, &written),
                (_, Err(error)) if error.is_transient() => {
                    tracing::warn!(%error, "the results of borrowed steps wait for the database");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    parts.push(part);
                }
                ([outcome], Err(error)) => {
                    tracing::error!(%error, "a borrowed step's result could not be recorded; it is offered again");
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
    fn tell(&self, outcomes: &[Outcome], written: &[bool]) {
        for (outcome, written) in outcomes.iter().zip(written) {
            if !written {
                self.shared.counters.late.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(task = outcome.lease.task.0, "late outcome refused: the loan was lost");
                continue;
            }
            self.shared.announcer.tell(News::Returned(outcome.owner.0));
            if outcome.owner == self.shared.worker() {
                self.shared.returned.notify_one();
            }
        }
    }

    async fn hand_back(&mut self, task: TaskNo, step: StepNo) {
        let handed_back = async {
            let mut connection = self.shared.store.writer().await?;
            share::hand_back(&mut connection, self.worker, task, step).await
        };
        if let Err(error) = handed_back.await {
            self.unsure = true;
            tracing::warn!(%error, "a borrowed step could not be handed back yet");
        }
    }
}
