//! Brings home the results of steps that this process has lent.

use std::rc::Rc;

use tasker_model::{
    Failure, TaskNo,
    task_loop::{LoanReturned, Message},
};

use super::{Loan, POLL, Process};
use crate::{
    store::Result,
    world::{MS, Micros, SECOND},
};

const LOOK: Micros = 200 * MS;
/// How often offers are looked for that stand although their steps came back.
const TIDY: Micros = 5 * SECOND;

/// Brings home lent steps until nothing is held any more.
pub(super) async fn bring_home(process: Rc<Process>) {
    let me = &process;
    while !me.idle.is_given() {
        let stopping = me.stopping.is_given();
        let pause = if stopping || !me.lent.borrow().is_empty() { LOOK } else { POLL };
        me.world.wait(&[&me.idle, &me.loan_returned], Some(me.world.now() + pause)).await;
        if me.lent.borrow().is_empty() {
            continue;
        }
        let _ = bring(me, stopping).await;
    }
}

async fn bring(me: &Rc<Process>, stopping: bool) -> Result<()> {
    let worker = me.worker.get();
    if stopping {
        me.ask("withdraw", move |db| {
            db.withdraw(worker);
            Ok(())
        })
        .await?;
    } else if me.tidied.get() + TIDY < me.world.now() {
        me.tidied.set(me.world.now());
        me.ask("drop returned", move |db| {
            db.drop_returned(|offer| offer.owner == worker && offer.taker.is_none());
            Ok(())
        })
        .await?;
    }
    // In this order: what is lent from now on may be missing among the offers, and is not back for that.
    let mut returned: Vec<Loan> = me.lent.borrow().values().copied().collect();
    let lent = me.ask("lent", move |db| Ok(db.lent(worker))).await?;
    let out = |loan: &Loan| lent.iter().find(|(key, _)| *key == (loan.lease.task, loan.step));
    for loan in returned.iter().filter(|loan| out(loan).is_some_and(|(_, deadly)| *deadly)) {
        me.tell(loan.lease.task, Message::TakersDied(loan.lease, loan.step));
    }
    returned.retain(|loan| out(loan).is_none());
    if returned.is_empty() {
        return Ok(());
    }
    let tasks: Vec<TaskNo> = returned.iter().map(|loan| loan.lease.task).collect();
    let histories = me
        .ask("read journals", move |db| Ok(tasks.iter().map(|task| db.history(*task)).collect::<Vec<_>>()))
        .await?;
    for (loan, history) in returned.into_iter().zip(histories) {
        let key = (loan.lease.task, loan.step);
        let mut lent = me.lent.borrow_mut();
        if lent.get(&key) == Some(&loan) {
            lent.remove(&key);
        }
        drop(lent);
        let failed = |failure: &&Failure| failure.step == loan.step && failure.attempt == loan.attempt;
        let back = match (
            history.entries.iter().find(|entry| entry.step == loan.step),
            history.failures.iter().find(failed),
        ) {
            (Some(entry), _) => LoanReturned::Done(entry.clone()),
            (None, Some(failure)) => LoanReturned::Failed(failure.clone()),
            (None, None) => LoanReturned::Nothing(loan.step),
        };
        me.tell(loan.lease.task, Message::LoanReturned(loan.lease, back));
    }
    Ok(())
}

impl Process {
    /// Has offers looked at again, if there is room now.
    pub(super) fn look_at_offers(&self) {
        if self.permits.get() > 0 && (self.offers_skipped.get() || !self.lent.borrow().is_empty()) {
            self.offered.give(&self.world);
        }
    }
}
