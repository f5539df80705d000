//! Drives one task loop, as `dispatch/driver.rs` does.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use tasker_model::{
    Batch, Command, End, Exceptions, Fact, Json, Kind, Lease, Offer, Start, StepIndex, Timestamp, Wait,
    task_loop::{
        Call, ClaimedTask, CommandAnswer, CommandWrite, DeadLetter, Left, LoanReturned, Message, Next,
        PendingCommand, Round, StartChildren, TaskLoop, Unrunnable, Withdrawal, Written,
    },
};

use super::{Body, Letter, Loan, Process, attempt, record};
use crate::{
    checker::{self, Promise},
    store::{Claimed, Db, Family, Problem, Seen},
    workflow::CONTEXT,
    world::{MS, Signal},
};

const BATCH: usize = 1000;

struct Driver {
    process: Rc<Process>,
    /// Which of the process's loops it is.
    at: usize,
    tasks: TaskLoop<Body>,
}

/// Runs until everything was given back.
pub(super) async fn run(process: Rc<Process>, at: usize) {
    let mut driver = Driver { process, at, tasks: TaskLoop::default() };
    loop {
        let arrived = driver.arrive().await;
        for letter in arrived {
            driver.fold(letter).await;
        }
        driver.answer_commands().await;
        let Round { stray, dead_letters, withdrawals, batch, left } = driver.tasks.round(driver.now());
        left.into_iter().for_each(|left| driver.left(left));
        for lease in stray {
            driver.let_go(lease).await;
        }
        driver.set_aside(&dead_letters).await;
        driver.withdraw(withdrawals).await;
        let exceptions = driver.write(&batch).await;
        let next = driver.tasks.recorded(batch, &exceptions, driver.now());
        driver.go_on(next).await;
        driver.process.look_at_offers();
        if driver.tasks.is_drained() {
            return;
        }
    }
}

impl Driver {
    fn now(&self) -> Timestamp {
        self.process.now()
    }

    async fn arrive(&self) -> Vec<Letter> {
        let inbox = &self.process.inboxes[self.at];
        loop {
            let arrived = inbox.letters.borrow().len().min(BATCH);
            if arrived > 0 || self.tasks.has_more() {
                return inbox.letters.borrow_mut().drain(..arrived).collect();
            }
            let due = self.tasks.next_due();
            if due.is_some_and(|due| due <= self.now()) {
                return Vec::new();
            }
            self.process.world.wait(&[&inbox.arrived], due.map(|due| self.process.when(due))).await;
        }
    }

    async fn fold(&mut self, letter: Letter) {
        let now = self.now();
        match letter {
            Letter::Claimed(claimed, history) => {
                let lease = claimed.lease;
                let signals = self.signals_of(claimed).await;
                let message = match &signals {
                    Ok(_) => self.claimed(claimed, &history),
                    Err(_) => unrunnable(claimed, "what was sent to it cannot be read now"),
                };
                self.tasks.handle(message, now);
                if let Ok(signals) = signals {
                    self.tasks.handle(Message::Signals(lease, signals), now);
                }
            }
            Letter::Loop(Message::Command(command)) if command.command == Command::Deliver => {
                self.deliver(command).await;
            }
            Letter::Loop(message) => {
                match &message {
                    Message::Drain => {
                        self.tasks.bodies().for_each(|body| body.stop.give(&self.process.world));
                    }
                    Message::GiveBack => self.tasks.bodies().for_each(|body| self.cancel(body)),
                    Message::Forget => self.note_not_dead().await,
                    Message::LoanReturned(lease, LoanReturned::Done(entry)) => {
                        if let Some(body) = self.tasks.body(*lease) {
                            self.complete(*lease, body, entry.step, &entry.result);
                        }
                    }
                    _ => {}
                }
                self.tasks.handle(message, now);
            }
        }
    }

    /// What was sent to a task that was claimed, where its steps wait for signals.
    async fn signals_of(&self, claimed: Claimed) -> Result<Vec<tasker_model::Signal>, Problem> {
        if !self.process.routes[claimed.template].rules.has_signals() {
            return Ok(Vec::new());
        }
        let task = claimed.lease.task;
        self.process.ask("signals", move |db| Ok(db.task(task).signals.clone())).await
    }

    async fn deliver(&mut self, command: PendingCommand) {
        let (lease, id) = (command.lease, command.id);
        if self.tasks.body(lease).is_none() {
            return;
        }
        let now = self.now();
        match self.process.ask("take delivery", move |db| Ok(db.take_delivery(id))).await {
            Ok(Some(signals)) => {
                self.tasks.handle(Message::Signals(lease, signals), now);
                let open = self.tasks.look_at_children(lease);
                self.start_children(open);
            }
            Ok(None) => {}
            Err(_) => self.tasks.handle(Message::Reread(lease), now),
        }
    }

    fn cancel(&self, body: &Body) {
        body.stop.give(&self.process.world);
        body.cancel.give(&self.process.world);
    }

    fn claimed(&self, claimed: Claimed, history: &tasker_model::History) -> Message<Body> {
        let Claimed { lease, takeovers, template, created_at, has_parent, .. } = claimed;
        if self.process.world.rough.get() && self.process.world.chance(10) {
            return unrunnable(claimed, "the template cannot be read here");
        }
        let routes = self.process.routes[template].clone();
        let mut history = history.clone();
        history.start = Start { at: created_at, context: Some(Json::stored(CONTEXT)) };
        let progress = history.replay(routes.rules.clone());
        let results = history.entries.iter().filter(|entry| entry.kind != Kind::Skipped);
        let results: BTreeMap<StepIndex, Json> =
            results.map(|entry| (entry.step, entry.result.clone())).collect();
        let (cancel, stop) = (Signal::for_good(), Signal::for_good());
        let body = Body { template, results: RefCell::new(results), cancel, stop };
        Message::Claimed(Box::new(ClaimedTask {
            lease,
            id: Default::default(),
            takeovers,
            routes,
            progress,
            has_parent,
            body,
        }))
    }

    /// A result is known here from now on.
    fn complete(&self, lease: Lease, body: &Body, step: StepIndex, result: &Json) {
        checker::knows(&self.process, lease, step, result);
        let mut results = body.results.borrow_mut();
        let known = results.entry(step).or_insert_with(|| result.clone());
        if known != result {
            let known = known.as_str().to_owned();
            self.process.world.watch.borrow_mut().break_promise(Promise::AppliedOnce, || {
                let (name, task) = (&self.process.name, lease.task.0);
                format!(
                    "{name}: {step:?} of task {task} had the result {known}, and then {}",
                    result.as_str()
                )
            });
        }
    }

    async fn answer_commands(&mut self) {
        for write in self.tasks.answers(self.now()) {
            let written = match self.write_answer(&write).await {
                Ok(true) => Written::Yes,
                Ok(false) => Written::No,
                Err(_) => Written::Perhaps,
            };
            if let (Written::Yes, CommandAnswer::Facts(facts, _)) = (written, &write.answer)
                && let Some(body) = self.tasks.body(write.command.lease)
            {
                for fact in facts {
                    if let Fact::Resolved(step, result) = fact {
                        self.complete(write.command.lease, body, *step, result);
                    }
                }
            }
            self.tasks.answered(write, written, self.now());
        }
    }

    async fn write_answer(&self, write: &CommandWrite) -> Result<bool, Problem> {
        let command = write.command.clone();
        match write.answer.clone() {
            CommandAnswer::Facts(facts, at) => {
                self.process.ask("answer", move |db| Ok(db.record_facts(&command, &facts, at))).await
            }
            CommandAnswer::Refused(_) => self.process.ask("refuse", move |db| Ok(db.refuse(&command))).await,
            CommandAnswer::Followed => self
                .process
                .ask("forget", move |db| {
                    db.forget(command.id);
                    Ok(())
                })
                .await
                .map(|()| true),
        }
    }

    async fn let_go(&self, lease: Lease) {
        let (worker, now) = (self.process.worker.get(), self.now());
        let let_go = self.process.ask("let go", move |db| {
            db.let_go(worker, lease, now);
            Ok(())
        });
        if let_go.await.is_err() {
            self.process.leases_unknown.set(true);
        }
        self.process.hinted.give(&self.process.world);
    }

    async fn note_not_dead(&self) {
        let leases: Vec<Lease> = self.tasks.leases().collect();
        if !leases.is_empty() {
            let note = move |db: &mut Db| {
                db.note_not_dead(&leases);
                Ok(())
            };
            let _ = self.process.ask("not dead", note).await;
        }
    }

    async fn set_aside(&self, letters: &[DeadLetter]) {
        for lease in letters.iter().map(|letter| letter.lease) {
            loop {
                let worker = self.process.worker.get();
                checker::set_aside(&self.process, lease);
                if self
                    .process
                    .ask("set aside", move |db| {
                        db.set_aside(worker, lease);
                        Ok(())
                    })
                    .await
                    .is_ok()
                {
                    break;
                }
                self.process.world.sleep(100 * MS).await;
            }
        }
    }

    async fn withdraw(&self, withdrawals: Vec<Withdrawal>) {
        while !withdrawals.is_empty() {
            let rows = withdrawals.clone();
            if self
                .process
                .ask("withdraw", move |db| {
                    db.withdraw_of(&rows);
                    Ok(())
                })
                .await
                .is_ok()
            {
                return self.process.loan_returned.give(&self.process.world);
            }
            self.process.world.sleep(100 * MS).await;
        }
    }

    async fn write(&self, batch: &Batch) -> Exceptions {
        if batch.is_empty() {
            return Exceptions::default();
        }
        loop {
            match record::record(&self.process, self.process.worker.get(), batch).await {
                Ok(exceptions) => return exceptions,
                Err(_) => self.process.world.sleep(100 * MS).await,
            }
        }
    }

    async fn go_on(&mut self, next: Next<Body>) {
        for done in next.done {
            if let Some(body) = self.tasks.body(done.attempt.lease) {
                self.complete(done.attempt.lease, body, done.attempt.step, &done.result);
            }
        }
        for failed in &next.failed {
            checker::failed(&self.process, failed);
        }
        self.give_back(&next.give_back).await;
        next.left.into_iter().for_each(|left| self.left(left));
        for lease in next.moved_on {
            let _ = self
                .process
                .ask("moved on", move |db| {
                    db.note_progress(lease);
                    Ok(())
                })
                .await;
        }
        for call in next.calls {
            self.start(call);
        }
        self.start_children(next.children);
        self.write_offers(next.offers).await;
    }

    /// Has tasks started for steps, and looked at, as `dispatch/families.rs` does.
    fn start_children(&self, children: Vec<StartChildren>) {
        for StartChildren { attempt, contexts } in children {
            let Some(body) = self.tasks.body(attempt.lease) else { continue };
            let step = &self.process.scenario.workflows[body.template].steps[attempt.step.step() as usize];
            let (Some(workflow), Some(Wait::Children(how))) = (step.starts, &step.wait) else { continue };
            let family = Family {
                attempt,
                items: contexts.len(),
                workflow,
                queue: self.process.scenario.workflows[workflow].queue,
                parallelism: usize::try_from(how.parallelism).unwrap_or(usize::MAX),
                collect: how.collect,
            };
            let me = self.process.clone();
            self.process.world.spawn(&self.process.life, async move { me.see_children(family).await });
        }
    }

    async fn give_back(&self, ends: &[End]) {
        if ends.is_empty() {
            return;
        }
        if record::end_many(&self.process, self.process.worker.get(), ends).await.is_err() {
            self.process.leases_unknown.set(true);
        }
        self.process.hinted.give(&self.process.world);
    }

    fn left(&self, left: Left<Body>) {
        self.process.asked.give(&self.process.world);
        self.process
            .world
            .trace(|| format!("{} lets go of task {} ({:?})", self.process.name, left.task.0, left.state));
        self.process.make_room();
        if left.followed {
            self.process.asked.give(&self.process.world);
        }
        if let Some(body) = &left.body {
            self.cancel(body);
            self.process.hinted.give(&self.process.world);
        }
    }

    fn start(&self, call: Call) {
        let Some(body) = self.tasks.body(call.attempt.lease) else { return };
        checker::may_start(&self.process, &call, self.at);
        attempt::spawn(&self.process, body, call);
    }

    async fn write_offers(&mut self, offers: Vec<Offer>) {
        if offers.is_empty() {
            return;
        }
        offers.iter().for_each(|offer| checker::may_offer(&self.process, offer));
        let worker = self.process.worker.get();
        let rows: Vec<(Offer, usize)> = offers.iter().map(|offer| (offer.clone(), queue_of(offer))).collect();
        loop {
            let rows = rows.clone();
            let offered = rows.clone();
            let look = move |db: &mut Db| db.see_offers(worker, &rows);
            let write = move |db: &mut Db, seen: Option<Vec<bool>>| {
                db.offer(worker, seen.as_deref(), &offered);
                Ok(())
            };
            if self.process.ask_racing("offer", look, write).await.is_ok() {
                break;
            }
            self.process.world.sleep(100 * MS).await;
        }
        for offer in &offers {
            let (lease, step, attempt) = (offer.attempt.lease, offer.attempt.step, offer.attempt.number);
            let loan = Loan { lease, step, attempt };
            self.process.lent.borrow_mut().insert((lease.task, step), loan);
        }
        self.process.world.watch.borrow().offered(&self.process.world);
    }
}

impl Process {
    async fn see_children(self: Rc<Self>, family: Family) {
        loop {
            let (worker, now) = (self.worker.get(), self.now());
            match self.ask("see children", move |db| Ok(db.see_children(worker, family, now))).await {
                Ok(Seen::NotHeld) => return,
                Ok(Seen::Open) => {
                    self.hinted.give(&self.world);
                    return self.tell(family.attempt.task(), Message::ChildrenSeen(family.attempt, None));
                }
                Ok(Seen::Over(end)) => {
                    return self
                        .tell(family.attempt.task(), Message::ChildrenSeen(family.attempt, Some(end)));
                }
                Err(_) => self.world.sleep(100 * MS).await,
            }
        }
    }
}

fn unrunnable(claimed: Claimed, cause: &str) -> Message<Body> {
    let Claimed { lease, phase, .. } = claimed;
    Message::Unrunnable(Unrunnable { lease, id: Default::default(), phase, cause: cause.to_owned() })
}

fn queue_of(offer: &Offer) -> usize {
    offer.target.queue.as_deref().and_then(|queue| queue.parse().ok()).unwrap_or_default()
}
