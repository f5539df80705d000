//! Drives a task loop: brings it what arrives and the time, writes what it says and starts what it calls.
//!
//! Everything that arrived while the last batch was being written is folded and written together. What is
//! decided is decided in [`task_loop`](crate::model::task_loop); what is awaited is awaited here. Each driver
//! has tasks and a connection of its own, so there is nothing to lock.

mod children;
mod signals;
mod writes;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    backoff::Backoff,
    body::{self, TaskBody},
    call::Came,
    claims::Claims,
    command_loop::Commands,
    counters::Counters,
    event_bus::EventBus,
    families::Families,
    loans::Loans,
    message::{Message, TaskLoops},
    notify::Notifier,
    offers::Offers,
    prepare::Calls,
    pulse::Pulse,
    shared::Shared,
    turnstile::Turns,
    watch::{Update, Watchers},
};
use crate::{
    model::{
        Attempt, Batch, Command, Exceptions, Fact, Failed, Lease, NoResult, Signal, TaskNo, TaskState,
        Timestamp,
        task_loop::{
            self, CommandAnswer, CommandWrite, Left, LoanReturned, Next, Round, TaskLoop, Unrunnable, Written,
        },
    },
    orchestration::{claim::Claimed, commands, plans::CompiledTemplates},
    store::{self, Session},
};

/// At most this much is folded before it is written.
pub(crate) const BATCH: usize = 1000;

/// What drivers need of their process.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub calls: Calls,
    pub plans: Arc<CompiledTemplates>,
    pub claims: Arc<Claims>,
    pub commands: Arc<Commands>,
    pub loans: Arc<Loans>,
    pub turns: Turns,
    pub families: Families,
    pub offers: Arc<Offers>,
    pub notifier: Notifier,
    pub watchers: Watchers,
    pub counters: Arc<Counters>,
    pub events: EventBus,
}

/// One task loop and what it is driven with.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    around: Surroundings,
    session: Session,
    /// Where the attempts it starts report to.
    loops: TaskLoops,
    tasks: TaskLoop<TaskBody>,
    pulse: Pulse,
    writing: Backoff,
    /// It was said that what is to be written cannot be.
    unable: bool,
    /// What the calendar and the steady clock showed last.
    clocks: (Timestamp, Duration),
    other: Backoff,
    /// What is said of leases that nobody here knows of: after trouble they come by the hundred.
    strays: Backoff,
}

impl Driver {
    pub(crate) fn new(around: Surroundings, session: Session, loops: TaskLoops, pulse: Pulse) -> Self {
        let shared = around.calls.shared.clone();
        Self {
            clocks: shared.clock.both(),
            unable: false,
            session,
            shared,
            around,
            loops,
            pulse,
            tasks: TaskLoop::default(),
            writing: Backoff::new("results wait for the database"),
            other: Backoff::new("what is to be said of held tasks waits for the database"),
            strays: Backoff::new("a task was claimed without this worker knowing; it is given back"),
        }
    }

    /// Runs until every sender is gone or everything was given back.
    pub(crate) async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        let mut arrived = Vec::with_capacity(BATCH);
        while self.arrive(&mut messages, &mut arrived).await {
            self.pulse.beat();
            self.follow_clock();
            for message in arrived.drain(..) {
                self.fold(message).await;
            }
            self.answer_commands().await;
            let Round { stray, dead_letters, withdrawals, batch, left } = self.tasks.round(self.now());
            left.into_iter().for_each(|left| self.left(left));
            for lease in stray {
                self.let_go(lease).await;
            }
            self.set_aside(&dead_letters).await;
            self.withdraw(&withdrawals).await;
            let exceptions = self.write(&batch).await;
            let next = self.tasks.recorded(batch, &exceptions, self.now());
            self.go_on(next).await;
            self.around.offers.permits_freed();
            if std::mem::take(&mut self.unable) {
                self.around.claims.writes_again();
            }
            if self.tasks.is_drained() {
                break;
            }
            self.pulse.rest();
        }
    }

    /// Waits until there is something to do; false: nothing will come any more.
    ///
    /// What is due is due by the calendar as it was followed last: for how long that is does not change when somebody sets
    /// it now.
    async fn arrive(
        &mut self,
        messages: &mut UnboundedReceiver<Message>,
        arrived: &mut Vec<Message>,
    ) -> bool {
        if self.tasks.has_more() {
            while arrived.len() < BATCH
                && let Ok(message) = messages.try_recv()
            {
                arrived.push(message);
            }
            return true;
        }
        self.follow_clock();
        let Some(due) = self.tasks.next_due() else { return messages.recv_many(arrived, BATCH).await > 0 };
        tokio::select! {
            biased;
            count = messages.recv_many(arrived, BATCH) => count > 0,
            () = self.shared.clock.sleep(due.since(self.clocks.0)) => true,
        }
    }

    /// Retries wait by the steady clock: what is due by the calendar is put off or moved up as that was set.
    fn follow_clock(&mut self) {
        let ((calendar, before), (now, steady)) = (self.clocks, self.shared.clock.both());
        self.clocks = (now, steady);
        let passed = i64::try_from((steady - before).as_micros()).unwrap_or(i64::MAX);
        let set = now.as_micros().saturating_sub(calendar.as_micros()).saturating_sub(passed);
        // A calendar that follows another one is set by a little all the time.
        if set.unsigned_abs() > 1_000_000 {
            self.tasks.clock_set(set);
        }
    }

    async fn fold(&mut self, message: Message) {
        match message {
            Message::Claimed(tasks) => {
                let mut signals = self.signals_of_claimed(&tasks).await;
                for claimed in tasks {
                    let sent = signals.as_mut().map(|signals| signals.remove(&claimed.lease.task));
                    self.claimed(claimed, sent.map(Option::unwrap_or_default)).await;
                }
            }
            Message::Loop(task_loop::Message::Command(command)) if command.command == Command::Deliver => {
                self.deliver(&command).await;
            }
            Message::Loop(message) => {
                if matches!(message, task_loop::Message::Forget) {
                    self.note_not_dead().await;
                }
                self.note(&message);
                self.tasks.handle(message, self.now());
            }
        }
    }

    /// Does what a message means for what runs and for those who watch.
    fn note(&self, message: &task_loop::Message<TaskBody>) {
        match message {
            task_loop::Message::Drain => self.tasks.bodies().for_each(|body| body.stop.cancel()),
            task_loop::Message::GiveBack => self.tasks.bodies().for_each(|body| body.cancel.cancel()),
            task_loop::Message::AttemptEnded(ended) if self.tasks.body(ended.attempt.lease).is_none() => {
                self.around.counters.late.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(
                    task = ended.attempt.task().0,
                    "late outcome refused: the task is no longer held here"
                );
            }
            task_loop::Message::LoanReturned(lease, returned) => self.note_returned(*lease, returned),
            _ => {}
        }
    }

    fn note_returned(&self, lease: Lease, returned: &LoanReturned) {
        let Some(body) = self.tasks.body(lease) else { return };
        match returned {
            LoanReturned::Done(entry) => {
                body.results.complete(entry.step, entry.result.clone());
                self.around.watchers.tell(body.facts.id, || Update::Completed {
                    step: entry.step,
                    attempt: entry.attempt,
                    took: entry.finished_at.since(entry.started_at),
                    result: entry.result.clone(),
                });
            }
            LoanReturned::Failed(failure) => {
                let attempt = Attempt { lease, step: failure.step, number: failure.attempt };
                self.note_unfinished(body, attempt, failure.retry_at, &failure.came);
            }
            LoanReturned::Nothing(_) => {}
        }
    }

    fn note_unfinished(
        &self,
        body: &TaskBody,
        attempt: Attempt,
        retry_at: Option<Timestamp>,
        came: &NoResult,
    ) {
        if let (NoResult::Failed(error), None) = (came, retry_at) {
            body.results.failed(attempt.step, error);
        }
        let Attempt { step, number: attempt, .. } = attempt;
        self.around.watchers.tell(body.facts.id, || match came {
            NoResult::Failed(error) => Update::Failed { step, attempt, retry_at, error: error.clone() },
            NoResult::Again(last) => {
                Update::Round { step, attempt, round: last.number, next_at: retry_at.unwrap_or_default() }
            }
        });
    }

    /// Takes in a task that was claimed, with what was sent to it; `None`: that could not be read.
    async fn claimed(&mut self, claimed: Claimed, signals: Option<Vec<Signal>>) {
        let plan = match self.around.plans.get(claimed.template).await {
            Ok(plan) => match claimed.history.unknown_step(plan.rules()) {
                None => Ok(plan),
                Some(step) => {
                    Err(format!("its journal has step {}, and its template has no such step", step.code()))
                }
            },
            Err(problem) => Err(problem.to_string()),
        };
        let plan = match (plan, signals) {
            (Ok(plan), None) if plan.rules().has_signals() => {
                Err("what was sent to it cannot be read now".to_owned())
            }
            (plan, signals) => plan.map(|plan| (plan, signals.unwrap_or_default())),
        };
        let lease = claimed.lease;
        let message = match plan {
            Ok((plan, signals)) => {
                let claimed = Box::new(body::read_back(claimed, plan));
                self.tasks.handle(task_loop::Message::Claimed(claimed), self.now());
                if signals.is_empty() {
                    return;
                }
                task_loop::Message::Signals(lease, signals)
            }
            Err(cause) => {
                tracing::warn!(task = %claimed.uuid, %cause, "task cannot run here");
                let Claimed { lease, uuid: id, phase, .. } = claimed;
                task_loop::Message::Unrunnable(Unrunnable { lease, id, phase, cause })
            }
        };
        self.tasks.handle(message, self.now());
    }

    /// Writes what operators' commands lead to. What could not be written is still on record and comes again.
    async fn answer_commands(&mut self) {
        for write in self.tasks.answers(self.now()) {
            let written = match self.write_answer(&write).await {
                Ok(true) => Written::Yes,
                Ok(false) => Written::No,
                Err(error) => {
                    self.other.note(&error);
                    Written::Perhaps
                }
            };
            if let (Written::Yes, CommandAnswer::Facts(facts, _)) = (written, &write.answer)
                && let Some(body) = self.tasks.body(write.command.lease)
            {
                facts.iter().for_each(|fact: &Fact| body.results.accept(fact));
            }
            self.tasks.answered(write, written, self.now());
        }
    }

    async fn write_answer(&mut self, write: &CommandWrite) -> store::Result<bool> {
        let CommandWrite { command, answer } = write;
        match answer {
            CommandAnswer::Facts(facts, at) => {
                let rules = self.tasks.body(command.lease).map(|body| body.plan.rules().clone());
                // A task that is held no more is for whoever holds it next.
                let Some(rules) = rules else { return Ok(false) };
                commands::record(&mut self.session, command, facts, &rules, *at).await
            }
            CommandAnswer::Refused(problem) => {
                tracing::warn!(task = write.task().0, %problem, "an operator's command does not fit any more");
                commands::refuse(&mut self.session, command, problem).await
            }
            CommandAnswer::Followed => commands::forget(&mut self.session, command.id).await.map(|()| true),
        }
    }

    /// Counts what was recorded, and what came too late to be.
    fn count(&self, batch: &Batch, exceptions: &Exceptions) {
        let Counters { writes, results, failures, late, .. } = &*self.around.counters;
        let came_late = |attempt: Attempt| exceptions.lost.contains(&attempt.task());
        let late_results = batch.done.iter().filter(|done| came_late(done.attempt)).count();
        let late_failures = batch.failed.iter().filter(|failed| came_late(failed.attempt)).count();
        writes.fetch_add(1, Ordering::Relaxed);
        results.fetch_add((batch.done.len() - late_results) as u64, Ordering::Relaxed);
        failures.fetch_add((batch.failed.len() - late_failures) as u64, Ordering::Relaxed);
        late.fetch_add((late_results + late_failures) as u64, Ordering::Relaxed);
    }

    /// What was written is durable: the steps below see it, those who watch are told, and what became ready
    /// starts.
    async fn go_on(&mut self, next: Next<TaskBody>) {
        // Of tasks that end with this very write somebody may watch the last steps as well.
        let is_heard = !self.around.watchers.is_empty() || !self.around.events.is_idle();
        let watched = next.left.iter().filter(|_| is_heard);
        let leaving: HashMap<TaskNo, &TaskBody> =
            watched.filter_map(|left| Some((left.task, left.body.as_ref()?))).collect();
        let body_of = |lease: Lease| self.tasks.body(lease).or_else(|| leaving.get(&lease.task).copied());
        for done in next.done {
            let Some(body) = body_of(done.attempt.lease) else { continue };
            self.around.events.tell(body, done.attempt, done.finished_at, done.published.as_deref());
            let took = done.finished_at.since(done.started_at);
            let (Attempt { step, number: attempt, .. }, result) = (done.attempt, done.result);
            // Of a wait it says which signal ended it.
            let attempt = if body.plan.rules().only_waits(step) { 1 } else { attempt };
            body.results.complete(step, result.clone());
            self.around.watchers.tell(body.facts.id, || Update::Completed { step, attempt, took, result });
        }
        for Failed { attempt, failed_at, retry_at, came, published, .. } in &next.failed {
            if let Some(body) = body_of(attempt.lease) {
                self.around.events.tell(body, *attempt, *failed_at, published.as_deref());
                self.note_unfinished(body, *attempt, *retry_at, came);
            }
        }
        for (lease, step) in next.skipped {
            self.tasks.body(lease).into_iter().for_each(|body| body.results.not_taken(step));
        }
        for task in next.lost {
            tracing::warn!(%task, "lease lost; another process moves this task on");
        }
        self.give_back(&next.give_back).await;
        next.left.into_iter().for_each(|left| self.left(left));
        self.note_moved_on(&next.moved_on).await;
        for call in next.calls {
            self.start(call);
        }
        self.start_children(next.children);
        self.write_offers(next.offers).await;
    }

    /// A task is held here no more.
    fn left(&self, left: Left<TaskBody>) {
        self.around.claims.task_left();
        if left.followed {
            // What was asked has come about and is to be asked no more.
            self.around.commands.pending();
        }
        if let Some(body) = &left.body {
            body.cancel.cancel();
            if !body.plan.template.concurrency().is_empty() && left.state.is_some_and(TaskState::is_final) {
                self.around.turns.over(left.task);
            }
            if body.plan.rules().has_signals() || body.plan.rules().has_children() {
                // Something may have come while it was given back.
                self.around.commands.pending();
            }
            if let Some(at) = left.run_at.filter(|at| *at < Timestamp::NEVER) {
                self.around.claims.queue_has_work_at(body.plan.template.namespace(), at);
            }
        }
        let update = || left.state.map_or(Update::Lost, |state| Update::Left { state });
        self.around.watchers.tell(left.id, update);
    }

    fn start(&self, call: task_loop::Call) {
        let Some(body) = self.tasks.body(call.attempt.lease) else { return };
        let (attempt, loops) = (call.attempt, self.loops.clone());
        let Attempt { step, number, .. } = attempt;
        self.around.watchers.tell(body.facts.id, || Update::Started { step, attempt: number });
        let Some(call) = self.around.calls.prepare(body, call, attempt.step.compensates().is_none()) else {
            // It is offered instead to those who can.
            return loops.send(attempt.task(), task_loop::Message::Overflow(attempt));
        };
        tokio::spawn(call.run(move |came| loops.send(attempt.task(), came)));
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}

impl From<Came> for Message {
    fn from(came: Came) -> Self {
        Self::Loop(match came {
            Came::Ended(ended) => task_loop::Message::AttemptEnded(ended),
            Came::NoPermit(attempt) => task_loop::Message::Overflow(attempt),
        })
    }
}
