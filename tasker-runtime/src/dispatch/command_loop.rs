//! Hands what operators ask to those who hold their tasks; follows what is asked of tasks that nobody holds any
//! more.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    backoff::Backoff, claims::Claims, message::TaskLoops, polling::Polling, pulse::Pulse, shared::Shared,
    turnstile::Turns,
};
use crate::{
    model::task_loop::Message,
    orchestration::{
        commands::{self, Delivery, Refused},
        plans::CompiledTemplates,
    },
    store::Result,
};

/// How long a command waits at most until the holder of its task sees it, where nobody tells of it.
const LOOK: Duration = Duration::from_secs(1);

/// Tells the command loop of a process that an operator asked something.
#[derive(Debug, Default)]
pub(crate) struct Commands(Notify);

impl Commands {
    pub(crate) fn pending(&self) {
        self.0.notify_one();
    }
}

/// The loop that looks for commands.
pub(crate) struct CommandLoop {
    pub shared: Arc<Shared>,
    pub commands: Arc<Commands>,
    pub polling: Polling,
    pub plans: Arc<CompiledTemplates>,
    pub claims: Arc<Claims>,
    pub turns: Turns,
    pub loops: TaskLoops,
    pub pulse: Pulse,
}

impl CommandLoop {
    /// Runs until the engine stops.
    pub(crate) async fn run(self) {
        let mut trouble = Backoff::new("commands wait for the database");
        loop {
            self.pulse.rest();
            tokio::select! {
                () = self.shared.stopping.cancelled() => break,
                () = self.commands.0.notified() => {}
                () = self.shared.clock.sleep(self.polling.pause(LOOK)) => {}
            }
            self.pulse.beat();
            match self.pass_on().await {
                Ok(()) => trouble.reset(),
                Err(error) => trouble.wait(&error).await,
            }
        }
    }

    async fn pass_on(&self) -> Result<()> {
        let shared = &self.shared;
        let mut connection = shared.store.reader().await?;
        let pending = commands::stored(&mut connection, shared.worker().0).await?;
        drop(connection);
        for command in pending {
            if command.held && command.over.is_none() {
                self.loops.send(command.task, Message::Command(command.pending()));
                continue;
            }
            // Known before a connection is held: to read it with another one, all may be waiting for each other.
            if let Err(error) = self.plans.kept(command.template).await {
                tracing::warn!(task = %command.uuid, %error, "a command cannot be followed here");
                continue;
            }
            let mut connection = shared.store.writer().await?;
            let known = |template| self.plans.known(template);
            match commands::follow_left(&mut connection, &command, shared.clock.now(), known).await {
                Ok(Some(Delivery::Done(state))) => {
                    if state.is_final() {
                        self.turns.over(command.task);
                    }
                    self.claims.any_queue_may_have_work();
                }
                // Somebody took the task meanwhile, or has seen to it.
                Ok(_) => {}
                Err(Refused::Command(problem)) => {
                    tracing::warn!(task = %command.uuid, %problem, "an operator's command does not fit any more");
                }
                Err(Refused::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
