//! What is sent to held tasks while they run.

use std::collections::HashMap;

use super::Driver;
use crate::{
    model::{
        Signal, TaskNo,
        task_loop::{Message, PendingCommand},
    },
    orchestration::{claim::Claimed, commands},
    store,
};

impl Driver {
    /// Looks at the signals that were sent to a held task, because a command says that there are some.
    pub(super) async fn deliver(&mut self, command: &PendingCommand) {
        let lease = command.lease;
        // It stays on record: whoever holds the task next reads all that was sent.
        if self.tasks.body(lease).is_none() {
            return;
        }
        match commands::take_delivery(&mut self.session, command.id, lease.task).await {
            Ok(Some(signals)) => {
                self.tasks.handle(Message::Signals(lease, signals), self.now());
                self.look_at_children(lease);
            }
            Ok(None) => {}
            // It may have been taken all the same: the task is read anew.
            Err(error) => {
                self.other.note(&error);
                self.tasks.handle(Message::Reread(lease), self.now());
            }
        }
    }

    /// What was sent to these tasks so far, as far as their templates wait for signals; `None`: that cannot be read
    /// now.
    pub(super) async fn signals_of_claimed(
        &mut self,
        claimed: &[Claimed],
    ) -> Option<HashMap<TaskNo, Vec<Signal>>> {
        let mut tasks = Vec::new();
        for claimed in claimed {
            // What is wrong with a template is said where the task is taken in.
            let plan = self.around.plans.get(claimed.template).await;
            if plan.is_ok_and(|plan| plan.rules().has_signals()) {
                tasks.push(claimed.lease.task);
            }
        }
        if tasks.is_empty() {
            return Some(HashMap::new());
        }
        match self.signals_of(&tasks).await {
            Ok(signals) => Some(signals),
            Err(error) => {
                self.other.note(&error);
                None
            }
        }
    }

    async fn signals_of(&mut self, tasks: &[TaskNo]) -> store::Result<HashMap<TaskNo, Vec<Signal>>> {
        self.session.run(async |connection| commands::sent_to(connection, tasks).await).await
    }
}
