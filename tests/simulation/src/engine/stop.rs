//! Stops a process, as `Engine::stop` does.

use std::rc::Rc;

use tasker_model::task_loop::Message;

use super::{ANSWER, DRAIN, Process};
use crate::world::{MS, Micros};

/// Tells the process to stop; another one starts in its place `restart` after it has.
pub(super) fn begin(process: &Rc<Process>, restart: Micros) {
    if process.stopping.is_given() {
        return;
    }
    process.world.trace(|| format!("{} is told to stop", process.name));
    process.stopping.give(&process.world);
    let me = process.clone();
    process.world.spawn(&process.life, async move {
        let end = me.world.now() + DRAIN + ANSWER;
        give_everything_back(&me, end).await;
        me.world.trace(|| format!("{} has stopped", me.name));
        me.stopped.set(true);
        me.die(restart);
    });
}

async fn give_everything_back(me: &Rc<Process>, end: Micros) {
    let calm = !me.world.rough.get();
    while me.claiming.get() && me.world.now() < end {
        me.world.wait(&[&me.loop_ended], Some(end)).await;
    }
    me.tell_all(|| Message::Drain);
    let drained = me.world.now() + DRAIN;
    while me.running_loops.get() > 0 && me.world.now() < drained {
        me.world.wait(&[&me.loop_ended], Some(drained)).await;
    }
    me.tell_all(|| Message::GiveBack);
    while me.running_loops.get() > 0 && me.world.now() < end {
        me.world.wait(&[&me.loop_ended], Some(end)).await;
    }
    if me.running_loops.get() > 0 {
        // Everything is dropped, and the lease runs out.
        return crate::checker::not_drained(me, calm);
    }
    me.idle.give(&me.world);
    crate::checker::drained(me);
    let (worker, now) = (me.worker.get(), me.now().as_micros());
    while me.world.db.borrow().is_writing(worker) {
        me.world.sleep(MS).await;
    }
    let _ = me.ask("take back", move |db| Ok(db.take_back(worker, now, false))).await;
}
