//! Between a process and the store: where statements get lost, and where the process itself dies or stands still.

use std::{cell::RefCell, rc::Rc};

use super::{Process, stop};
use crate::{
    scenario::FaultKind,
    store::{Db, Problem, Result},
    world::{MS, Micros, SECOND, Signal, World},
};

impl Process {
    /// Has `op` done by the store. What can happen to a statement happens here, and what can happen to the
    /// process between two of them.
    pub(super) async fn ask<T: 'static>(
        self: &Rc<Self>,
        what: &'static str,
        op: impl FnOnce(&mut Db) -> Result<T> + 'static,
    ) -> Result<T> {
        self.ask_racing(what, |_| (), move |db, ()| op(db)).await
    }

    /// As [`ask`](Self::ask), of a statement that sees what `look` sees before it takes effect.
    pub(super) async fn ask_racing<T: 'static, S: 'static>(
        self: &Rc<Self>,
        what: &'static str,
        look: impl FnOnce(&mut Db) -> S + 'static,
        op: impl FnOnce(&mut Db, S) -> Result<T> + 'static,
    ) -> Result<T> {
        self.point(what).await;
        let world = &self.world;
        let (rough, link) = (world.rough.get(), &world.link);
        // With all that comes on top it takes less than a process that stops waits for an answer: later than that,
        // statements have run into their deadline.
        let slow = if rough && world.chance(link.slow) { world.below(3 * SECOND) } else { 0 };
        let takes = slow + world.below(2 * MS);
        if rough && world.chance(link.lost) {
            world.sleep(takes).await;
            return Err(Problem::NoAnswer);
        }
        let unanswered = rough && world.chance(link.unanswered);
        let racing = if rough && world.chance(link.racing) { world.below(3 * SECOND) } else { 0 };
        let slot: Rc<RefCell<Option<Result<T>>>> = Rc::default();
        let answered = Rc::new(Signal::default());
        let (put, give, life) = (slot.clone(), answered.clone(), self.life.clone());
        let back = world.below(2 * MS) + if slow > 0 { world.below(slow) } else { 0 };
        world.later(takes, move |world| {
            // What a dead process had sent arrives, or does not.
            if life.dead.get() && world.chance(500) {
                return;
            }
            let seen = look(&mut world.db.borrow_mut());
            let commit = move |world: &Rc<World>| {
                let result = op(&mut world.db.borrow_mut(), seen);
                let result = if unanswered { Err(Problem::NoAnswer) } else { result };
                *put.borrow_mut() = Some(result);
                world.later(back, move |world| give.give(world));
            };
            if racing > 0 { world.later(racing, commit) } else { commit(world) }
        });
        world.wait(&[&answered], None).await;
        let answer = slot.borrow_mut().take().unwrap_or(Err(Problem::NoAnswer));
        if answer.is_err() {
            world.trace(|| format!("{}: {what}: {:?}", self.name, answer.as_ref().err()));
        }
        self.point(what).await;
        answer
    }

    /// A place where something can happen to the process.
    async fn point(self: &Rc<Self>, what: &'static str) {
        if !self.world.rough.get() {
            return;
        }
        let Some(fault) = self.fate.next() else { return };
        self.world.trace(|| format!("{}: {fault:?} at `{what}`", self.name));
        match fault {
            FaultKind::Death(restart) => self.die(restart),
            FaultKind::Pause(time) => self.life.paused_until.set(self.world.now() + time),
            FaultKind::Stop(restart) => return stop::begin(self, restart),
            FaultKind::Clock(ahead) => return self.ahead.set(ahead),
        }
        self.world.step_aside().await;
    }

    /// Ends the process where it stands; another one starts after `restart`.
    pub(crate) fn die(&self, restart: Micros) {
        self.world.trace(|| format!("{} is dead", self.name));
        self.fate.restart_at.set(Some(self.world.now() + restart));
        // So that something happens then.
        self.world.later(restart, |_| {});
        self.world.kill(&self.life);
    }
}
