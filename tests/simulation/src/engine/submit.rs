//! Submissions from a process that runs, which holds their tasks from the start where it has room.

use std::rc::Rc;

use tasker_model::{History, Lease, TaskNo};

use super::{Letter, Process};
use crate::{
    store::Claimed,
    world::{Micros, World},
};

impl Process {
    /// Takes a task on that the store gave this worker at its submission.
    pub(crate) fn reserve(&self) -> bool {
        let room = self.worker.get() > 0
            && self.held.get() < self.spec.window
            && !self.stopping.is_given()
            && !self.life.dead.get();
        if room {
            self.held.set(self.held.get() + 1);
            self.reserved.set(self.reserved.get() + 1);
        }
        room
    }

    /// Submits a task from here, which holds it from the start where there is room.
    pub(crate) fn submit(
        self: &Rc<Self>,
        template: usize,
        delay: Micros,
        priority: i16,
        told: impl FnOnce(TaskNo) + 'static,
    ) {
        let me = self.clone();
        let submitting = Submitting::begin(&self.world);
        self.world.spawn(&self.life, async move {
            let _submitting = submitting;
            let queue = me.scenario.workflows[template].queue;
            let room = delay == 0 && me.spec.serves[queue] && me.reserve();
            let (holder, run_at) = (room.then(|| me.worker.get()), me.now().as_micros() + delay);
            let submitted =
                me.ask("submit", move |db| Ok(db.submit(template, queue, run_at, priority, holder)));
            let submitted = submitted.await;
            if room {
                me.reserved.set(me.reserved.get() - 1);
            }
            match submitted {
                Ok(task) => {
                    me.world.trace(|| format!("{}: task {} is acknowledged", me.name, task.0));
                    told(task);
                    if room {
                        let lease = Lease { task, epoch: 1 };
                        let phase = tasker_model::TaskState::Pending;
                        let created_at = tasker_model::Timestamp::from_micros(run_at);
                        let claimed =
                            Claimed { lease, takeovers: 0, template, phase, created_at, has_parent: false };
                        me.send(task, Letter::Claimed(claimed, History::default()));
                    }
                }
                Err(_) if room => {
                    me.leases_unknown.set(true);
                    me.make_room();
                }
                Err(_) => {}
            }
        });
    }
}

/// A submission that is not answered, until it is dropped.
struct Submitting(Rc<World>);

impl Submitting {
    fn begin(world: &Rc<World>) -> Self {
        world.watch.borrow_mut().submitting += 1;
        Self(world.clone())
    }
}

impl Drop for Submitting {
    fn drop(&mut self) {
        self.0.watch.borrow_mut().submitting -= 1;
    }
}
