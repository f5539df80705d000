//! The loop that holds tasks: it alone knows their progress and moves them on.
//!
//! Everything that arrived while the last batch was being written is folded and written together; a step
//! starts only after what it depends on is durable. Each loop has tasks of its own, so there is nothing
//! to lock.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use uuid::Uuid;

use super::{
    announce::News,
    batch,
    call::Call,
    engine::{Counters, Shared},
    held::{Held, Wanted},
    rollback::{self, failures},
    share::Loan,
    watch::Update,
};
use crate::{
    handler::{StepParts, TaskSequenceStep},
    model::{Command, Event, Json, Lease, StepError, StepNo, TaskNo, TaskState, Timestamp, Verdict},
    orchestration::{
        claim::{self, Claimed},
        commands::{self, Waiting},
        journal::{Entry, Failure},
        record::{self, Batch, Done, End, Exceptions, Failed},
        share::{self, Offer},
    },
    store::Session,
};

/// What a hold loop is told.
pub(crate) enum Message {
    /// These tasks are now held here.
    Taken(Vec<Claimed>),
    /// The store says that this task is held here.
    Held(Lease),
    /// An attempt came back.
    Over(Over),
    /// There is no room for this attempt here: others may have it.
    Lend(Lease, StepNo, u32),
    /// A lent step came back.
    Back(Lease, Back),
    /// This retry time of the task has come.
    Due(TaskNo, Timestamp),
    /// An operator asks something of this task.
    Asked(Waiting),
    /// Start no more steps; give back every task whose steps have come back.
    Drain,
    /// Give back everything at once; what still runs is dropped.
    GiveBack,
    /// The leases are lost: forget everything.
    Forget,
}

/// An attempt that came back.
pub(crate) struct Over {
    pub lease: Lease,
    pub no: StepNo,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// `None`: it was dropped before it came to an end.
    pub outcome: Option<Result<Json, StepError>>,
}

/// What came back of a lent step. Results and failures are recorded already.
pub(crate) enum Back {
    Done(Entry),
    Failed(Failure),
    /// Nothing is recorded: it is to be run again.
    Nothing(StepNo),
}

/// Retries nearer than this are timers; for others the task is given back.
const NEAR: Duration = Duration::from_secs(5);
/// A step that waited here for a permit this long is offered to others, if there are any.
const PATIENCE: Duration = Duration::from_millis(20);
/// At most this much is folded before it is written.
pub(crate) const BATCH: usize = 1000;
/// After this many holders died in a row over a task, it is set aside.
const DEATHS: u32 = 5;
/// From this many on, a task runs only while no other such task does.
const SUSPECT: u32 = 2;
/// How long such tasks wait for each other, for each that goes before.
const TURN: Duration = Duration::from_millis(50);

/// One hold loop.
pub(crate) struct Hold {
    shared: Arc<Shared>,
    session: Session,
    me: UnboundedSender<Message>,
    held: HashMap<TaskNo, Held>,
    /// Tasks that changed since the last write.
    touched: Vec<TaskNo>,
    batch: Batch,
    /// Tasks to be set aside.
    set_aside: Vec<Lease>,
    /// Tasks that leave without having been held, and the state they leave in once it is written.
    unread: Vec<(TaskNo, Uuid, TaskState)>,
    /// Steps to be offered to others.
    offers: Vec<Offer>,
    suspect: Option<TaskNo>,
    /// Tasks given back since the last write because another one is suspect.
    postponed: u32,
    draining: bool,
}

impl Hold {
    pub(crate) fn new(shared: Arc<Shared>, me: UnboundedSender<Message>) -> Self {
        Self {
            session: shared.store.session(),
            shared,
            me,
            held: HashMap::new(),
            touched: Vec::new(),
            batch: Batch::default(),
            set_aside: Vec::new(),
            unread: Vec::new(),
            offers: Vec::new(),
            suspect: None,
            postponed: 0,
            draining: false,
        }
    }

    /// Runs until every sender is gone or everything was given back.
    pub(crate) async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        let mut arrived = Vec::with_capacity(BATCH);
        while messages.recv_many(&mut arrived, BATCH).await > 0 {
            for message in arrived.drain(..) {
                self.fold(message).await;
            }
            self.touched.sort_unstable();
            self.touched.dedup();
            self.find_ends();
            self.postponed = 0;
            self.write_dead_letters().await;
            let exceptions = self.write().await;
            self.go_on(&exceptions).await;
            if !self.shared.lent.is_empty() && self.shared.permits.available_permits() > 0 {
                // Lent for want of room, which there is now: what nobody has taken may come back.
                self.shared.offered.notify_one();
            }
            if self.draining && self.held.is_empty() {
                break;
            }
        }
    }

    async fn fold(&mut self, message: Message) {
        match message {
            Message::Taken(tasks) => {
                for task in tasks {
                    self.take(task).await;
                }
            }
            Message::Held(lease) => self.look_after(lease).await,
            Message::Over(over) => self.over(over),
            Message::Lend(lease, no, attempt) => self.lend(lease, no, attempt),
            Message::Back(lease, back) => self.back(lease, back),
            Message::Due(task, at) => match self.held.get_mut(&task) {
                Some(held) => {
                    // The clock may have been set back since, and nobody will say it again.
                    held.progress.wake(at.max(self.shared.clock.now()));
                    self.touched.push(task);
                }
                // It was given back until now: whoever is free takes it, without waiting for a poll.
                None => self.shared.hint_all(),
            },
            Message::Asked(waiting) => self.asked(waiting).await,
            Message::Drain => {
                self.draining = true;
                self.touched.extend(self.held.keys());
            }
            Message::GiveBack => {
                self.draining = true;
                for held in self.held.values_mut() {
                    held.cancel.cancel();
                    held.running = 0;
                }
                self.touched.extend(self.held.keys());
            }
            Message::Forget => {
                for (_, held) in self.held.drain() {
                    held.cancel.cancel();
                    self.shared.held.fetch_sub(1, Ordering::Relaxed);
                }
                // What waits to be written is of leases that are lost, and must not be taken for what comes
                // of their tasks when they are taken anew.
                self.batch = Batch::default();
                self.touched.clear();
                self.set_aside.clear();
                self.unread.clear();
                self.offers.clear();
                self.suspect = None;
            }
        }
    }

    async fn take(&mut self, claimed: Claimed) {
        let task = claimed.lease.task;
        let plan = match self.shared.plans.get(claimed.template).await {
            Ok(plan) => plan,
            Err(problem) => return self.give_back_unread(&claimed, problem.to_string()),
        };
        if claimed.takeovers >= DEATHS {
            self.set_aside.push(claimed.lease);
            let cause = format!("set aside: {DEATHS} processes in a row died while they held this task");
            return self.end_unread(&claimed, TaskState::BlockedByFailures, Timestamp::NEVER, cause);
        }
        if claimed.takeovers >= SUSPECT {
            if self.suspect.is_some_and(|other| other != task) {
                // One after the other: usually the holder's death had nothing to do with any of them.
                self.postponed += 1;
                let later = self.shared.clock.now() + TURN * self.postponed;
                let cause = "waits until another task whose holders died has moved on".to_owned();
                return self.end_unread(&claimed, TaskState::Pending, later, cause);
            }
            self.suspect = Some(task);
        }
        let mut held = Held::new(claimed, plan);
        held.progress.wake(self.shared.clock.now());
        // Retries that are still to come were recorded by an earlier holder, who had their timers.
        for at in held.progress.slots().chain(held.progress.undos()).filter_map(|(_, slot)| slot.retry_at()) {
            self.wake_at(task, at);
        }
        self.held.insert(task, held);
        self.touched.push(task);
    }

    /// Gives back a task that is held under a lease nobody here knows of: the answer that brought it was lost.
    async fn look_after(&mut self, lease: Lease) {
        let known = self.held.get(&lease.task).is_some_and(|held| held.lease == lease);
        if known || self.batch.ends.iter().any(|end| end.lease == lease) {
            return;
        }
        tracing::warn!(task = lease.task.0, "a task was taken without this worker knowing; it is given back");
        let let_go = async {
            let mut connection = self.session.open().await?;
            claim::let_go(&mut connection, self.shared.worker(), lease, self.shared.clock.now()).await?;
            self.session.keep(connection);
            crate::store::Result::Ok(())
        };
        if let Err(error) = let_go.await {
            self.shared.unsure.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "it waits for the database");
        }
        self.shared.hint_all();
    }

    /// Has the task looked at again when a retry time comes.
    fn wake_at(&self, task: TaskNo, at: Timestamp) {
        let (clock, me) = (self.shared.clock.clone(), self.me.clone());
        tokio::spawn(async move {
            clock.sleep_until(at).await;
            let _ = me.send(Message::Due(task, at));
        });
    }

    /// Gives back a task that cannot be run here now.
    fn give_back_unread(&mut self, claimed: &Claimed, cause: String) {
        let later = self.shared.clock.now() + NEAR;
        self.end_unread(claimed, TaskState::Pending, later, cause);
    }

    fn end_unread(&mut self, claimed: &Claimed, state: TaskState, run_at: Timestamp, cause: String) {
        self.shared.held.fetch_sub(1, Ordering::Relaxed);
        self.unread.push((claimed.lease.task, claimed.uuid, state));
        tracing::warn!(task = %claimed.uuid, %cause, "task cannot run here");
        let cause = Some(cause);
        self.batch.ends.push(End {
            lease: claimed.lease,
            state,
            run_at: Some(run_at),
            finished_at: None,
            cause,
        });
    }

    fn over(&mut self, over: Over) {
        let task = over.lease.task;
        let Some(held) = self.held.get_mut(&task).filter(|held| held.lease == over.lease) else {
            self.shared.counters.late.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(task = task.0, "late outcome refused: the task is no longer held here");
            return;
        };
        held.running = held.running.saturating_sub(1);
        self.touched.push(task);
        let result = match over.outcome {
            None => return held.progress.put_back(over.no),
            Some(Ok(result)) => held.plan.check_result(over.no, &result).map(|()| result),
            Some(Err(error)) => Err(error),
        };
        match result {
            Ok(result) => {
                let event = Event::Completed { result: result.clone() };
                let finished_at = held.progress.after_all(over.finished_at);
                // Refused results were found just above.
                let _ = held.progress.apply_at(over.no, &event, finished_at);
                self.batch.done.push(Done {
                    lease: over.lease,
                    step: over.no,
                    attempt: over.attempt,
                    started_at: over.started_at,
                    finished_at,
                    result,
                });
            }
            Err(error) => {
                let spent = held.progress.slot(over.no).map_or(0, |slot| slot.spent()) + 1;
                let seed = (task.0 as u64).rotate_left(32) ^ u64::from(over.attempt);
                let delay = held.progress.rules().retry_after(over.no, spent, &error, seed);
                let retry_at = delay.map(|delay| over.finished_at + delay);
                let _ = held.progress.apply(over.no, &Event::Failed { retry_at });
                self.batch.failed.push(Failed {
                    lease: over.lease,
                    step: over.no,
                    attempt: over.attempt,
                    started_at: over.started_at,
                    failed_at: over.finished_at,
                    retry_at,
                    error,
                });
            }
        }
    }

    /// Offers a step to others; it counts as running until it comes back.
    fn lend(&mut self, lease: Lease, no: StepNo, attempt: u32) {
        let Some(held) = self.held.get(&lease.task).filter(|held| held.lease == lease) else { return };
        self.offers.push(offer_of(held, no, attempt, self.shared.clock.now()));
    }

    fn back(&mut self, lease: Lease, back: Back) {
        let task = lease.task;
        let Some(held) = self.held.get_mut(&task).filter(|held| held.lease == lease) else { return };
        held.running = held.running.saturating_sub(1);
        self.touched.push(task);
        held.recorded |= !matches!(back, Back::Nothing(_));
        match back {
            Back::Nothing(step) => held.progress.put_back(step),
            Back::Done(entry) => {
                // It was followed before it was recorded.
                let event = Event::Completed { result: entry.result.clone() };
                let _ = held.progress.apply_at(entry.step, &event, entry.finished_at);
                held.results.complete(entry.step, entry.result.clone());
                let took = entry.finished_at.since(entry.started_at);
                let Entry { step, attempt, result, .. } = entry;
                self.shared.watchers.tell(held.facts.id, || Update::Completed {
                    step,
                    attempt,
                    took,
                    result,
                });
            }
            Back::Failed(failure) => {
                let Failure { step, attempt, retry_at, error, .. } = failure;
                let _ = held.progress.apply(step, &Event::Failed { retry_at });
                match retry_at {
                    Some(at) => self.wake_at(task, at),
                    None => held.results.failed(step, &error),
                }
                self.tell_failed(task, step, attempt, retry_at, error);
            }
        }
    }

    /// Offers what is to be lent, once the tasks' own rows are written.
    async fn write_offers(&mut self, exceptions: &Exceptions) {
        let mut offers = std::mem::take(&mut self.offers);
        offers
            .retain(|offer| self.held.contains_key(&offer.lease.task) && exceptions.spare(offer.lease.task));
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
                let lease = offer.lease;
                let over = Over {
                    lease,
                    no: offer.step,
                    attempt: offer.attempt,
                    started_at: offer.offered_at,
                    finished_at: offer.offered_at,
                    outcome: None,
                };
                let _ = self.me.send(Message::Over(over));
            }
            return;
        }
        for offer in &offers {
            self.shared.lent.add(Loan { lease: offer.lease, step: offer.step, attempt: offer.attempt });
        }
        self.shared.announcer.tell(News::Offer);
        self.shared.offered.notify_one();
    }

    async fn asked(&mut self, waiting: Waiting) {
        let Some(held) = self.held.get_mut(&waiting.task) else { return };
        match waiting.command {
            Command::Cancel => held.wanted = Some(Wanted::Cancelled),
            Command::Pause => held.wanted = Some(Wanted::Paused),
            Command::Resume => held.wanted = None,
            Command::Retry { .. } | Command::Resolve { .. } | Command::Skip { .. } => {
                match waiting.command.facts(&held.progress) {
                    Err(problem) => {
                        tracing::warn!(task = %waiting.uuid, %problem, "an operator's command does not fit any more");
                    }
                    Ok(facts) => {
                        let now = held.progress.after_all(self.shared.clock.now());
                        if let Err(error) = commands::record(&mut self.session, &waiting, &facts, now).await {
                            // It is still there and comes again.
                            tracing::warn!(%error, "a command waits for the database");
                            return;
                        }
                        facts.into_iter().for_each(|fact| held.accept(fact, now));
                        // What a failed batch had cancelled may be due since.
                        held.progress.wake(now);
                    }
                }
            }
        }
        self.touched.push(waiting.task);
        if let Err(error) = commands::forget(&mut self.session, waiting.id).await {
            tracing::warn!(%error, "a followed command could not be dropped and comes again");
        }
    }

    /// Adds the ends of the touched tasks that are over or are given back.
    fn find_ends(&mut self) {
        let now = self.shared.clock.now();
        for task in &self.touched {
            let Some(held) = self.held.get_mut(task) else { continue };
            let end = rollback::refused(held, now + NEAR).or_else(|| end_of(held, now, self.draining));
            self.batch.ends.extend(end.or_else(|| rollback::shown(held)));
        }
    }

    /// Writes the batch, however often the database has to be asked.
    async fn write(&mut self) -> Exceptions {
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
                    let tasks = self.batch.done.iter().map(|d| d.lease.task);
                    let tasks = tasks.chain(self.batch.failed.iter().map(|f| f.lease.task));
                    let stale = tasks.chain(self.batch.ends.iter().map(|e| e.lease.task)).collect();
                    return Exceptions { stale, lost: HashSet::new() };
                }
            }
        }
    }

    /// Counts what was recorded, and what came too late to be.
    fn count(&self, exceptions: &Exceptions) {
        let Counters { writes, results, failures, late, .. } = &self.shared.counters;
        let Batch { done, failed, .. } = &self.batch;
        let came_late = |task| exceptions.lost.contains(&task);
        let late_results = done.iter().filter(|done| came_late(done.lease.task)).count();
        let late_failures = failed.iter().filter(|failed| came_late(failed.lease.task)).count();
        writes.fetch_add(1, Ordering::Relaxed);
        results.fetch_add((done.len() - late_results) as u64, Ordering::Relaxed);
        failures.fetch_add((failed.len() - late_failures) as u64, Ordering::Relaxed);
        late.fetch_add((late_results + late_failures) as u64, Ordering::Relaxed);
    }

    /// What was written is durable: tells those who watch, lets go of tasks that ended, starts what is
    /// ready in the others.
    async fn go_on(&mut self, exceptions: &Exceptions) {
        let batch = std::mem::take(&mut self.batch);
        for done in batch.done {
            let task = done.lease.task;
            if let Some(held) = self.held.get_mut(&task).filter(|_| exceptions.spare(task)) {
                held.recorded = true;
                let took = done.finished_at.since(done.started_at);
                let (step, attempt, result) = (done.step, done.attempt, done.result);
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
            let task = failed.lease.task;
            if let Some(held) = self.held.get_mut(&task).filter(|_| exceptions.spare(task)) {
                held.recorded = true;
                match failed.retry_at {
                    Some(at) => self.wake_at(task, at),
                    None => held.results.failed(failed.step, &failed.error),
                }
                self.tell_failed(task, failed.step, failed.attempt, failed.retry_at, failed.error);
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

    fn tell_failed(
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

    /// Drops what is known of a task. With `give_back` the queue gets it, to be read anew.
    async fn read_again(&mut self, task: TaskNo, give_back: bool) {
        let Some(held) = self.forget(task) else { return };
        held.cancel.cancel();
        if !give_back {
            tracing::warn!(task = %held.facts.id, "lease lost; another process moves this task on");
            return;
        }
        let now = self.shared.clock.now();
        let end = given_back(&held, now);
        if let Err(error) = record::end_one(&mut self.session, self.shared.worker(), &end).await {
            self.shared.unsure.store(true, Ordering::Relaxed);
            tracing::error!(%error, task = %held.facts.id, "task could not be given back");
        }
        self.shared.hint(held.plan.template.namespace());
    }

    fn forget(&mut self, task: TaskNo) -> Option<Held> {
        let held = self.held.remove(&task)?;
        self.shared.held.fetch_sub(1, Ordering::Relaxed);
        self.shared.room.notify_one();
        if self.suspect == Some(task) {
            self.suspect = None;
        }
        Some(held)
    }

    fn let_go(&mut self, task: TaskNo, state: TaskState) {
        if let Some(held) = self.forget(task) {
            held.cancel.cancel();
            self.shared.watchers.tell(held.facts.id, || Update::Left { state });
        }
    }

    /// Says of tasks that are set aside why, before they are: a crash in between leaves them to the next
    /// holder, who says it again.
    async fn write_dead_letters(&mut self) {
        let reason = "its holders died in a row without recording anything";
        for lease in std::mem::take(&mut self.set_aside) {
            loop {
                let (worker, now) = (self.shared.worker(), self.shared.clock.now());
                match record::set_aside(&mut self.session, worker, lease, now, reason).await {
                    Err(error) if error.is_transient() => {
                        tracing::warn!(%error, "dead letters wait for the database");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, task = lease.task.0, "dead letter could not be written");
                        break;
                    }
                    Ok(()) => break,
                }
            }
        }
    }

    async fn start_ready(&mut self, task: TaskNo) {
        let Some(held) = self.held.get_mut(&task) else { return };
        if held.takeovers > 0 && held.recorded {
            held.takeovers = 0;
            if let Err(error) = record::note_progress(&mut self.session, held.lease).await {
                tracing::warn!(%error, "the deaths of earlier holders still count");
            }
            if self.suspect == Some(task) {
                self.suspect = None;
            }
        }
        if self.draining || held.wanted.is_some() {
            return;
        }
        let mut ready = held.progress.take_ready();
        if ready.is_empty() {
            return;
        }
        held.settle_skipped();
        let priority = |no: &StepNo| std::cmp::Reverse(held.plan.priorities[no.step() as usize]);
        if ready.len() > 1 {
            ready.sort_by_key(priority);
        }
        for no in ready {
            let place = no.step() as usize;
            let here =
                held.plan.handlers[place].is_some() && self.shared.served.has(&held.plan.queues[place]);
            if no.undoes().is_none() && !here {
                held.running += 1;
                let attempt = held.progress.slot(no).map_or(0, |slot| slot.failed_attempts()) + 1;
                self.offers.push(offer_of(held, no, attempt, self.shared.clock.now()));
            } else {
                start(&self.shared, &self.me, held, no);
            }
        }
    }
}

fn offer_of(held: &Held, step: StepNo, attempt: u32, offered_at: Timestamp) -> Offer {
    // Under the name workers know the handler by: templates may write it in other ways.
    let place = step.step() as usize;
    let handler = match held.plan.handlers[place] {
        Some(handler) => handler.name().to_owned(),
        None => held.plan.template.steps()[place].handler.callable.clone(),
    };
    let queue = held.plan.queues[place].clone();
    Offer { lease: held.lease, step, attempt, offered_at, handler, queue }
}

/// How a task leaves this process's hands now, if it does.
fn end_of(held: &Held, now: Timestamp, draining: bool) -> Option<End> {
    match held.wanted {
        Some(Wanted::Cancelled) => {
            let finished_at = Some(now);
            return Some(End {
                lease: held.lease,
                state: TaskState::Cancelled,
                run_at: None,
                finished_at,
                cause: None,
            });
        }
        Some(Wanted::Paused) if held.running == 0 => {
            let run_at = Some(Timestamp::NEVER);
            return Some(End {
                lease: held.lease,
                state: TaskState::Paused,
                run_at,
                finished_at: None,
                cause: None,
            });
        }
        _ => {}
    }
    let verdict = held.progress.verdict();
    let state = held.progress.state();
    let end = |run_at, finished_at, cause| Some(End { lease: held.lease, state, run_at, finished_at, cause });
    match verdict {
        Verdict::Waiting(at) if at.since(now) > NEAR || draining => {
            end(Some(at), None, rollback::cause(held))
        }
        Verdict::Working if draining && held.running == 0 => Some(given_back(held, now)),
        Verdict::Working | Verdict::Waiting(_) => None,
        Verdict::Complete | Verdict::Failed | Verdict::Compensated if state.is_final() => {
            end(None, Some(now), failures(held))
        }
        Verdict::Complete | Verdict::Failed | Verdict::Compensated => {
            end(Some(Timestamp::NEVER), None, failures(held))
        }
    }
}

/// The end of a hold that leaves the task for others to take at once.
fn given_back(held: &Held, now: Timestamp) -> End {
    let state = if held.progress.rolling_back() { TaskState::Compensating } else { TaskState::Pending };
    End { lease: held.lease, state, run_at: Some(now), finished_at: None, cause: None }
}

fn start(shared: &Arc<Shared>, me: &UnboundedSender<Message>, held: &mut Held, no: StepNo) {
    let place = no.step() as usize;
    let rule = &held.plan.rules.steps[place];
    let (handler, timeout) = match (no.undoes(), rule.compensation) {
        (None, _) => (held.plan.handlers[place], rule.timeout),
        (Some(_), compensation) => (held.plan.compensators[place], compensation.and_then(|how| how.timeout)),
    };
    let Some(handler) = handler else { return };
    let attempt = held.progress.slot(no).map_or(0, |slot| slot.failed_attempts()) + 1;
    let spent = held.progress.slot(no).map_or(0, |slot| slot.spent());
    let max_attempts = (attempt - 1 - spent).saturating_add(held.plan.rules.retry(no).max_attempts.max(1));
    shared.watchers.tell(held.facts.id, || Update::Started { step: no, attempt });
    let step = TaskSequenceStep::new(StepParts {
        task: held.facts.clone(),
        step: no.step(),
        name: held.plan.rules.name(no),
        attempt,
        max_attempts,
        batch: batch::part_of(shared, &held.results.batches, held.lease, no, attempt),
        results: held.results.clone(),
        undoes: held.progress.undone(no).cloned(),
        states: shared.states.clone(),
        cancel: held.cancel.clone(),
    });
    held.running += 1;
    let call = Call {
        lease: held.lease,
        no,
        attempt,
        step,
        own_permits: shared.own_permits(handler),
        patience: (no.undoes().is_none() && shared.has_company()).then_some(PATIENCE),
        handler,
        timeout,
        grace: shared.settings.cancel_grace,
        clock: shared.clock.clone(),
        permits: shared.permits.clone(),
        done: me.clone(),
    };
    tokio::spawn(call.run());
}
