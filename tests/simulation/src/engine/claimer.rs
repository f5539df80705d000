//! Claims tasks, as many as there is room for.

use std::rc::Rc;

use tasker_model::{History, TaskNo, task_loop::Message};

use super::{Letter, POLL, Process};
use crate::store::{Claimed, Result};

const CLAIM: usize = 50;

/// Claims until the process is told to stop.
pub(super) async fn run(process: Rc<Process>) {
    let me = &process;
    while !me.stopping.is_given() {
        if me.leases_unknown.replace(false) && look_after(me).await.is_err() {
            me.leases_unknown.set(true);
        }
        for queue in (0..me.spec.serves.len()).filter(|queue| me.spec.serves[*queue]) {
            let room = me.spec.window.saturating_sub(me.held.get()).min(CLAIM);
            if room == 0 || me.stopping.is_given() {
                continue;
            }
            match claim(me, queue, room).await {
                Ok(claimed) => {
                    me.held.set(me.held.get() + claimed.len());
                    for (claimed, history) in claimed {
                        me.world.trace(|| format!("{} claims {:?}", me.name, claimed.lease));
                        me.send(claimed.lease.task, Letter::Claimed(claimed, history));
                    }
                }
                // They may be taken all the same.
                Err(_) => me.leases_unknown.set(true),
            }
        }
        let poll = me.world.now() + POLL * 4 / 5 + me.world.below(POLL * 2 / 5);
        me.world.wait(&[&me.stopping, &me.room, &me.hinted], Some(poll)).await;
    }
    me.claiming.set(false);
    me.loop_ended.give(&me.world);
}

async fn claim(me: &Rc<Process>, queue: usize, room: usize) -> Result<Vec<(Claimed, History)>> {
    let (worker, now) = (me.worker.get(), me.now().as_micros());
    let claimed = me.ask("claim", move |db| Ok(db.claim(worker, queue, now, room))).await?;
    let known: Vec<TaskNo> =
        claimed.iter().filter(|claimed| claimed.lease.epoch > 1).map(|claimed| claimed.lease.task).collect();
    let mut histories = Vec::new();
    if !known.is_empty() {
        let dropped = known.clone();
        me.ask("drop offers", move |db| {
            db.drop_offers(&dropped);
            Ok(())
        })
        .await?;
        let read = known.clone();
        let journals = me
            .ask("read journals", move |db| {
                Ok(read.iter().map(|task| db.history(*task)).collect::<Vec<History>>())
            })
            .await?;
        histories = known.into_iter().zip(journals).collect();
    }
    let with_history = claimed.into_iter().map(|claimed| {
        let history = histories.iter().find(|(task, _)| *task == claimed.lease.task);
        (claimed, history.map(|(_, history)| history.clone()).unwrap_or_default())
    });
    Ok(with_history.collect())
}

/// Has the task loops look after everything this worker holds.
async fn look_after(me: &Rc<Process>) -> Result<()> {
    let worker = me.worker.get();
    for lease in me.ask("held by", move |db| Ok(db.held_by(worker))).await? {
        me.tell(lease.task, Message::StrayLease(lease));
    }
    Ok(())
}
