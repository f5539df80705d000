//! What the loops of a process tell those that hold its tasks.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::body::TaskBody;
use crate::{
    model::{TaskNo, task_loop},
    orchestration::claim::Claimed,
};

/// What a task loop's driver is told.
pub(crate) enum Message {
    /// These tasks are now held here, as the store gave them.
    Claimed(Vec<Claimed>),
    /// Anything that the task loop itself understands.
    Loop(task_loop::Message<TaskBody>),
}

impl From<task_loop::Message<TaskBody>> for Message {
    fn from(message: task_loop::Message<TaskBody>) -> Self {
        Self::Loop(message)
    }
}

/// The way to the task loops of this process: each task belongs to one of them. A loop that is gone gave
/// everything back, or the lease runs out; what is sent to it is dropped.
#[derive(Clone)]
pub(crate) struct TaskLoops(Arc<[UnboundedSender<Message>]>);

impl TaskLoops {
    /// Ways to `count` loops, and what each of them receives from.
    pub(crate) fn new(count: usize) -> (Self, Vec<UnboundedReceiver<Message>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count.max(1)).map(|_| unbounded_channel()).unzip();
        (Self(senders.into()), receivers)
    }

    /// Tells the loop that `task` belongs to.
    pub(crate) fn send(&self, task: TaskNo, message: impl Into<Message>) {
        let _ = self.0[self.place(task)].send(message.into());
    }

    /// Tells every loop.
    pub(crate) fn all(&self, message: impl Fn() -> task_loop::Message<TaskBody>) {
        for sender in self.0.iter() {
            let _ = sender.send(Message::Loop(message()));
        }
    }

    /// Hands over tasks, to each loop its own.
    pub(crate) fn claimed(&self, tasks: Vec<Claimed>) {
        let mut parts: Vec<Vec<Claimed>> = self.0.iter().map(|_| Vec::new()).collect();
        for task in tasks {
            parts[self.place(task.lease.task)].push(task);
        }
        for (sender, part) in self.0.iter().zip(parts) {
            if !part.is_empty() {
                let _ = sender.send(Message::Claimed(part));
            }
        }
    }

    fn place(&self, task: TaskNo) -> usize {
        usize::try_from(task.0).unwrap_or_default() % self.0.len()
    }
}
