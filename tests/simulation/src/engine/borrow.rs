//! Runs steps that other processes offer.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use tasker_model::{
    Attempt, Json, StepIndex, TaskNo,
    task_loop::{AttemptEnded, came, published},
};

use super::{DRAIN, POLL, Process, attempt, handler};
use crate::{
    store::{Db, OfferRow, Outcome, Taken},
    world::{MS, Signal},
};

/// A step that runs here for another process.
struct Borrowed {
    taken: Taken,
    /// Which loan it is: the same attempt may be lent here again while its first call still runs.
    loan: u64,
    cancel: Rc<Signal>,
    stop: Rc<Signal>,
}

#[derive(Default)]
struct Ended {
    ended: RefCell<VecDeque<(u64, AttemptEnded)>>,
    arrived: Signal,
}

struct Borrow {
    process: Rc<Process>,
    done: Rc<Ended>,
    /// As whom this process has its loans.
    worker: i64,
    borrowed: BTreeMap<(TaskNo, StepIndex), Borrowed>,
    loans: u64,
    /// The store may have lent this worker steps without its knowing.
    loans_unknown: bool,
}

/// Runs until the process is told to stop; then hands back what has not come to its end.
pub(super) async fn run(process: Rc<Process>) {
    let worker = process.worker.get();
    process.world.watch.borrow_mut().borrows(&process);
    let mut borrow = Borrow {
        process: process.clone(),
        done: Rc::default(),
        worker,
        borrowed: BTreeMap::new(),
        loans: 0,
        loans_unknown: false,
    };
    let done = borrow.done.clone();
    let mut poll = 0;
    while !process.stopping.is_given() {
        if poll <= process.world.now() {
            poll = process.world.now() + POLL * 4 / 5 + process.world.below(POLL * 2 / 5);
            borrow.take().await;
        }
        match process.world.wait(&[&process.stopping, &done.arrived, &process.offered], Some(poll)).await {
            Some(1) => borrow.give_back().await,
            Some(2) => borrow.take().await,
            _ => {}
        }
    }
    borrow.borrowed.values().for_each(|borrowed| borrowed.stop.give(&process.world));
    let limit = process.world.now() + DRAIN;
    while !borrow.borrowed.is_empty() && process.world.now() < limit {
        process.world.wait(&[&done.arrived], Some(limit)).await;
        borrow.give_back().await;
    }
    for ((task, step), borrowed) in std::mem::take(&mut borrow.borrowed) {
        borrowed.cancel.give(&process.world);
        borrow.hand_back(task, step).await;
    }
}

impl Borrow {
    async fn take(&mut self) {
        let me = self.process.clone();
        if self.worker != me.worker.get() {
            // Taken for dead meanwhile: what it had on loan is on offer again.
            self.worker = me.worker.get();
            let borrowed = std::mem::take(&mut self.borrowed);
            borrowed.values().for_each(|borrowed| borrowed.cancel.give(&me.world));
            let loans: Vec<Attempt> = borrowed.values().map(|borrowed| borrowed.taken.attempt).collect();
            if !loans.is_empty() {
                let note = move |db: &mut Db| {
                    db.loans_not_dead(&loans);
                    Ok(())
                };
                let _ = me.ask("loans not dead", note).await;
            }
        }
        if std::mem::take(&mut self.loans_unknown) {
            self.look_after().await;
        }
        me.offers_skipped.set(true);
        let room = me.permits.get();
        let full = room == 0 || self.take_some(room).await == room;
        me.offers_skipped.set(full);
    }

    async fn take_some(&mut self, room: usize) -> usize {
        let me = self.process.clone();
        let (worker, spec) = (self.worker, me.spec.clone());
        let takes = move |offer: &OfferRow| spec.serves[offer.queue] && spec.has_handler(&offer.handler);
        match me.ask("take offers", move |db| Ok(db.take_offers(worker, takes, room))).await {
            Ok(taken) => {
                let count = taken.len();
                for taken in taken {
                    self.start(taken).await;
                }
                count
            }
            Err(_) => {
                // They may be taken all the same.
                self.loans_unknown = true;
                0
            }
        }
    }

    /// Hands back what this worker has on loan without knowing.
    async fn look_after(&mut self) {
        let worker = self.worker;
        match self.process.clone().ask("borrowed", move |db| Ok(db.borrowed(worker))).await {
            Ok(borrowed) => {
                for (lease, step) in borrowed {
                    let known = self.borrowed.get(&(lease.task, step));
                    if known.is_none_or(|known| known.taken.attempt.lease != lease) {
                        self.hand_back(lease.task, step).await;
                    }
                }
            }
            Err(_) => self.loans_unknown = true,
        }
    }

    async fn start(&mut self, taken: Taken) {
        let me = self.process.clone();
        let attempt = taken.attempt;
        let key = (attempt.task(), attempt.step);
        let Some(permit) = attempt::Permit::take(&me) else { return self.hand_back(key.0, key.1).await };
        me.world.trace(|| format!("{} borrows {:?} of {:?}", me.name, attempt.step, attempt.lease));
        let (cancel, stop) = (Signal::for_good(), Signal::for_good());
        self.loans += 1;
        let loan = self.loans;
        let unneeded = attempt.step.compensates().is_some() && {
            let at = attempt.step.step() as usize;
            !me.scenario.workflows[taken.template].steps[at].compensated
        };
        let borrowed = Borrowed { taken, loan, cancel: cancel.clone(), stop: stop.clone() };
        if let Some(former) = self.borrowed.insert(key, borrowed) {
            former.cancel.give(&me.world);
        }
        let (done, worker) = (self.done.clone(), self.worker);
        let run = me.clone();
        me.world.spawn(&me.life, async move {
            let _permit = permit;
            let ended = if unneeded {
                // Whoever has the handler knows that nothing undoes it.
                let (started_at, outcome) = (run.now(), Some(Ok(Json::null().into())));
                AttemptEnded { attempt, started_at, finished_at: started_at, outcome, said: Vec::new() }
            } else {
                attempt::run(&run, attempt, &cancel, &stop, Some(worker)).await
            };
            done.ended.borrow_mut().push_back((loan, ended));
            done.arrived.give(&run.world);
        });
    }

    async fn give_back(&mut self) {
        let ended: Vec<_> = self.done.ended.borrow_mut().drain(..).collect();
        let mut outcomes = Vec::new();
        for (loan, ended) in ended {
            outcomes.extend(self.outcome(loan, ended).await);
        }
        outcomes.sort_unstable_by_key(|outcome| (outcome.attempt.task(), outcome.attempt.step));
        self.record(outcomes).await;
        if self.process.permits.get() > 0 {
            self.process.offered.give(&self.process.world);
        }
    }

    /// What is to be recorded of a borrowed step; `None` when it is handed back instead.
    async fn outcome(&mut self, loan: u64, ended: AttemptEnded) -> Option<Outcome> {
        let attempt = ended.attempt;
        let key = (attempt.task(), attempt.step);
        if self.borrowed.get(&key).is_none_or(|borrowed| borrowed.loan != loan) {
            return None;
        }
        let Borrowed { taken, .. } = self.borrowed.remove(&key)?;
        let Some(outcome) = ended.outcome else {
            self.hand_back(key.0, key.1).await;
            return None;
        };
        let latest = taken.history.entries.iter().map(|entry| entry.finished_at).max().unwrap_or_default();
        let finished_at = ended.finished_at.max(latest + Duration::from_micros(1));
        let rules = &self.process.routes[taken.template].rules;
        let progress = taken.history.replay(rules.clone());
        let result = came(&progress, attempt, outcome, ended.finished_at);
        let published = published(&progress, attempt, &result, &ended.said);
        let (owner, started_at) = (taken.owner, ended.started_at);
        Some(Outcome { attempt, owner, started_at, finished_at, result, published })
    }

    /// Writes outcomes together, and tells the holders.
    async fn record(&mut self, outcomes: Vec<Outcome>) {
        while !outcomes.is_empty() {
            let (worker, rows) = (self.worker, outcomes.clone());
            match self.process.ask("return loans", move |db| Ok(db.give_back(worker, &rows))).await {
                Ok(written) => {
                    let told = outcomes.iter().zip(written).filter(|(_, written)| *written);
                    let watch = self.process.world.watch.borrow();
                    return told.for_each(|(outcome, _)| watch.returned(&self.process.world, outcome.owner));
                }
                Err(_) => self.process.world.sleep(200 * MS).await,
            }
        }
    }

    async fn hand_back(&mut self, task: TaskNo, step: StepIndex) {
        let worker = self.worker;
        let handed_back = self
            .process
            .ask("hand back", move |db| {
                db.hand_back(worker, task, step);
                Ok(())
            })
            .await;
        self.loans_unknown |= handed_back.is_err();
    }
}

impl crate::scenario::EngineSpec {
    /// Whether it has the handler of this name.
    pub(crate) fn has_handler(&self, name: &str) -> bool {
        let has = self.has.iter().enumerate();
        has.flat_map(|(workflow, steps)| {
            steps.iter().enumerate().map(move |(step, has)| (workflow, step, *has))
        })
        .any(|(workflow, step, has)| has && handler(workflow, step) == name)
    }
}
