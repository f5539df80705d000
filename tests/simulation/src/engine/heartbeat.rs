//! Keeps leases alive, takes those of others back that ran out, and hands on operators' commands.

use std::rc::Rc;

use tasker_model::task_loop::Message;

use super::{LEASE, Process};
use crate::{
    store::Result,
    world::{Micros, SECOND},
};

const LOOK_FOR_COMMANDS: Micros = SECOND;

/// Beats at a third of the lease until nothing is held or on loan any more.
pub(super) async fn run(process: Rc<Process>) {
    let me = &process;
    let mut next = me.world.now() + LEASE / 3;
    let _ = beat(me).await;
    while !me.idle.is_given() {
        me.world.wait(&[&me.idle], Some(next)).await;
        if me.idle.is_given() {
            return;
        }
        next = me.world.now() + LEASE / 3;
        if let Ok(false) = beat(me).await {
            replace_worker(me).await;
        }
    }
}

async fn beat(me: &Rc<Process>) -> Result<bool> {
    me.follow_clock();
    let (worker, now) = (me.worker.get(), me.now().as_micros());
    let alive = me.ask("heartbeat", move |db| Ok(db.heartbeat(worker, now, LEASE))).await?;
    let mut freed = me.ask("take back expired", move |db| Ok(db.take_back_expired(now))).await?;
    if me.scenario.presence {
        let gone = me.world.watch.borrow().gone_workers();
        for worker in gone {
            let live = me.world.db.borrow().lives(worker);
            if live {
                let take_back = move |db: &mut crate::store::Db| {
                    // Waits for what it had sent, and comes after the next heartbeat here.
                    Ok(if db.is_writing(worker) { 0 } else { db.take_back(worker, now, true) })
                };
                freed += me.ask("take back gone", take_back).await?;
            }
        }
    }
    let live = me.world.db.borrow().workers.iter().filter(|row| !row.stopped).count();
    me.others.set(live.saturating_sub(1));
    if freed > 0 {
        me.hinted.give(&me.world);
    }
    Ok(alive)
}

/// This process was taken for dead: it forgets what it held and goes on as a new worker.
async fn replace_worker(me: &Rc<Process>) {
    me.world.trace(|| format!("{} was given up and starts anew", me.name));
    me.tell_all(|| Message::Forget);
    let now = me.now().as_micros();
    if let Ok(worker) = me.ask("register", move |db| Ok(db.register(now, LEASE))).await {
        me.worker.set(worker);
    }
}

/// Hands commands to those who hold their tasks; follows those for tasks nobody holds any more.
pub(super) async fn run_commands(process: Rc<Process>) {
    let me = &process;
    while !me.stopping.is_given() {
        let look = me.world.now() + LOOK_FOR_COMMANDS;
        me.world.wait(&[&me.stopping, &me.asked], Some(look)).await;
        if !me.stopping.is_given() {
            let _ = pass_commands(me).await;
        }
    }
}

async fn pass_commands(me: &Rc<Process>) -> Result<()> {
    let worker = me.worker.get();
    for waiting in me.ask("commands", move |db| Ok(db.waiting(worker))).await? {
        let task = waiting.pending.lease.task;
        if waiting.held && !waiting.over {
            me.tell(task, Message::Command(waiting.pending));
            continue;
        }
        let template = me.world.db.borrow().task(task).run.template;
        let (rules, whole) =
            (me.routes[template].rules.clone(), me.spec.has[template].iter().all(|has| *has));
        let now = me.now();
        me.ask("follow", move |db| {
            db.follow_left(waiting.pending.id, &rules, whole, now);
            Ok(())
        })
        .await?;
        me.hinted.give(&me.world);
    }
    Ok(())
}
