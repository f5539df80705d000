//! Starts the tasks of steps that start some, and sees when all of them are over.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    backoff::Backoff,
    claims::Claims,
    message::TaskLoops,
    notify::{Notification, Notifier},
    pulse::Pulse,
    shared::Shared,
};
use crate::{
    model::{Json, StepError, TaskNo, WaitEnd, task_loop},
    orchestration::{
        family::{self, Child, Seen, Wanted},
        plans::CompiledTemplates,
        result,
    },
    registry::Catalog,
    store::Result,
};

/// So many results are read at once.
const LOT: usize = 1_000;

/// Has tasks started and looked at. Clones ask the same loop.
#[derive(Clone)]
pub(crate) struct Families(UnboundedSender<(Wanted, bool)>);

/// What the loop is asked.
pub(crate) type Asked = UnboundedReceiver<(Wanted, bool)>;

impl Families {
    pub(crate) fn new() -> (Self, Asked) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Has tasks started that have not been, and looked at those that have. `first`: nobody has, since the task that
    /// starts them was claimed. Without a receiver the loop has ended, and whoever claims that task next asks again.
    pub(crate) fn see(&self, wanted: Wanted, first: bool) {
        let _ = self.0.send((wanted, first));
    }
}

/// The loop that starts tasks and looks at them.
pub(crate) struct FamilyLoop {
    pub shared: Arc<Shared>,
    pub catalog: Arc<Catalog>,
    pub plans: Arc<CompiledTemplates>,
    pub claims: Arc<Claims>,
    pub notifier: Notifier,
    pub loops: TaskLoops,
    pub pulse: Pulse,
}

impl FamilyLoop {
    /// Runs until nothing is held any more.
    pub(crate) async fn run(self, mut asked: Asked) {
        let mut trouble = Backoff::new("tasks that steps start wait for the database");
        loop {
            self.pulse.rest();
            let (wanted, mut first) = tokio::select! {
                () = self.shared.over.cancelled() => return,
                asked = asked.recv() => match asked {
                    Some(asked) => asked,
                    None => return,
                },
            };
            loop {
                self.pulse.beat();
                match self.see(&wanted, first).await {
                    Ok(false) => {
                        trouble.reset();
                        // What was started since is known to be.
                        first = false;
                    }
                    Ok(true) => {
                        trouble.reset();
                        break;
                    }
                    Err(error) if error.is_transient() => tokio::select! {
                        () = self.shared.over.cancelled() => return,
                        () = trouble.wait(&error) => {}
                    },
                    Err(error) => {
                        tracing::error!(task = wanted.attempt.task().0, %error, "tasks of a step cannot be read");
                        let error = StepError::permanent("CHILDREN_UNREADABLE", error.to_string());
                        self.seen(&wanted, Some(WaitEnd::Failed(error)));
                        break;
                    }
                }
            }
        }
    }

    /// Starts a lot of the tasks and looks at them. False: there are more to be started.
    async fn see(&self, wanted: &Wanted, first: bool) -> Result<bool> {
        let shared = &self.shared;
        let mut connection = shared.store.writer().await?;
        let (worker, now) = (shared.worker(), shared.clock.now());
        let seen = family::see(&mut connection, worker, wanted, first, &self.catalog, now).await?;
        drop(connection);
        match seen {
            Seen::NotHeld => {}
            Seen::Open { queues, more } => {
                for queue in queues {
                    self.claims.queue_has_work(&queue);
                    self.notifier.notify(Notification::Queue(queue));
                }
                if more {
                    return Ok(false);
                }
                self.seen(wanted, None);
            }
            Seen::Refused(error) => self.seen(wanted, Some(WaitEnd::Failed(error))),
            Seen::Over(children) => {
                let results = self.results(&children).await?;
                self.seen(wanted, Some(family::end(wanted, &children, &results)));
            }
        }
        Ok(true)
    }

    /// The results of those that are complete, by their numbers.
    async fn results(&self, children: &[Child]) -> Result<BTreeMap<i64, Json>> {
        let mut by_template: BTreeMap<i64, Vec<TaskNo>> = BTreeMap::new();
        for child in children {
            if let Some(template) = child.template() {
                by_template.entry(template).or_default().push(child.task());
            }
        }
        let mut results = BTreeMap::new();
        for (template, tasks) in by_template {
            // Known before a connection is held: to read it with another one, all may be waiting for each other.
            let plan = self.plans.kept(template).await?;
            for lot in tasks.chunks(LOT) {
                let mut connection = self.shared.store.reader().await?;
                let read = result::read(&mut connection, &plan, lot).await?;
                results.extend(read.into_iter().map(|(task, result)| (task.0, result)));
            }
        }
        Ok(results)
    }

    fn seen(&self, wanted: &Wanted, end: Option<WaitEnd>) {
        let attempt = wanted.attempt;
        self.loops.send(attempt.task(), task_loop::Message::ChildrenSeen(attempt, end));
    }
}
