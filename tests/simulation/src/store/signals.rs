//! What is sent to tasks, as `commands/signals.rs` takes it in.

use tasker_model::{Json, Signal, TaskNo, TaskState, Timestamp};

use super::Db;

impl Db {
    /// Sends a signal in a transaction of its own; a task that is over or being undone refuses it.
    pub(crate) fn send(&mut self, task: TaskNo, name: &str, now: Timestamp) {
        let rows = self.task_mut(task);
        if rows.run.state.is_final() || rows.run.state == TaskState::Compensating {
            return;
        }
        let number = u32::try_from(rows.signals.len()).unwrap_or_default() + 1;
        let payload = Json::stored(&number.to_string());
        rows.signals.push(Signal { number, name: name.into(), payload, sent_at: now });
        let held = rows.run.owner.is_some();
        if !held {
            return self.deliver(task, now);
        }
        self.leave_delivery(task);
    }

    /// Has somebody look at what was sent to a task that nobody holds.
    pub(super) fn deliver(&mut self, task: TaskNo, now: Timestamp) {
        let rows = self.task_mut(task);
        let waits = match rows.run.state {
            TaskState::Waiting => true,
            TaskState::BlockedByFailures => !rows.set_aside,
            _ => false,
        };
        if waits {
            (rows.run.state, rows.run.run_at) = (TaskState::Pending, now.as_micros());
            (rows.run.takeovers, rows.deaths, rows.taker_deaths) = (0, 0, 0);
        }
    }

    /// Takes the command to look at what was sent to a task, with what that is; `None`: it is not there any more.
    pub(crate) fn take_delivery(&mut self, id: i64) -> Option<Vec<Signal>> {
        let row = self.drop_command(id)?;
        self.audit[row.audit].followed += 1;
        Some(self.task(row.task).signals.clone())
    }
}
