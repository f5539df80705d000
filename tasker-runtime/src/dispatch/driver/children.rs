//! Tasks that steps of held tasks start.

use super::Driver;
use crate::{
    dispatch::notify::Notification,
    model::{Lease, task_loop::StartChildren},
    orchestration::family::{Told, Wanted},
};

impl Driver {
    /// Has tasks started for steps, and looked at.
    pub(super) fn start_children(&self, children: Vec<StartChildren>) {
        for children in children {
            self.ask_for(children, true);
        }
    }

    /// Has the tasks looked at that steps of this one started: one of them said that it is over.
    pub(super) fn look_at_children(&mut self, lease: Lease) {
        for children in self.tasks.look_at_children(lease) {
            self.ask_for(children, false);
        }
    }

    fn ask_for(&self, children: StartChildren, first: bool) {
        let StartChildren { attempt, contexts } = children;
        let Some(body) = self.tasks.body(attempt.lease) else { return };
        let template = &body.plan.template;
        let step = template.step(attempt.step.step());
        let Some(config) = step.and_then(|step| step.workflow.clone()) else { return };
        let run = config.full_name(template.namespace());
        self.around.families.see(Wanted { attempt, contexts, config, run }, first);
    }

    /// Tells others whom an end concerns.
    pub(super) fn pass_on(&self, told: Told) {
        if told.commands {
            self.around.commands.pending();
            self.around.notifier.notify(Notification::Command);
        }
        for queue in told.queues {
            self.around.claims.queue_has_work(&queue);
            self.around.notifier.notify(Notification::Queue(queue));
        }
    }
}
