//! What operators ask of held tasks.

use super::{CommandAnswer, CommandWrite, PendingCommand, TaskLoop, Wanted, Written};
use crate::{Command, CommandError, TaskNo, Timestamp, Verdict};

impl<B> TaskLoop<B> {
    /// What is to be written about the commands that arrived: one of each task, the others wait for the next
    /// round, because they are about what this one leads to. So do those of a task with a failure that is not
    /// durable yet: what they allow anew must be on record. Each goes back to [`answered`](Self::answered).
    #[must_use]
    pub fn answers(&mut self, now: Timestamp) -> Vec<CommandWrite> {
        let mut writes: Vec<CommandWrite> = Vec::new();
        let mut later = Vec::new();
        for command in std::mem::take(&mut self.commands) {
            let task = command.lease.task;
            let unwritten = self.batch.failed.iter().any(|failed| failed.attempt.task() == task);
            if unwritten || writes.iter().any(|write| write.task() == task) {
                later.push(command);
            } else {
                writes.extend(self.answer(command, now));
            }
        }
        self.commands = later;
        writes
    }

    /// Takes what came of writing an answer. Where nobody knows whether it is durable, the task is given back to
    /// be read anew.
    pub fn answered(&mut self, write: CommandWrite, written: Written, now: Timestamp) {
        let (task, lease) = (write.task(), write.command.lease);
        let Some(active) = self.held_under(lease) else { return };
        if let CommandAnswer::Facts(facts, at) = write.answer {
            match written {
                Written::Yes => facts.iter().for_each(|fact| active.accept(fact, at)),
                Written::No => {}
                Written::Perhaps => active.unread = true,
            }
            // What a failed batch had cancelled may be due since.
            active.progress.wake(now);
        }
        self.touched.push(task);
    }

    fn answer(&mut self, command: PendingCommand, now: Timestamp) -> Option<CommandWrite> {
        let task: TaskNo = command.lease.task;
        // Of an earlier lease, it may have been followed or taken back since; otherwise it comes again.
        let active = self.held_under(command.lease)?;
        let wanted = match command.command {
            Command::Cancel => Some(Wanted::Cancelled),
            Command::Pause => Some(Wanted::Paused),
            _ => None,
        };
        if wanted.is_some() {
            // It stays on record until the task has come to that, whoever holds it by then.
            active.wanted = wanted;
            self.touched.push(task);
            return None;
        }
        if matches!(command.command, Command::Retry { .. }) && active.progress.verdict() == Verdict::Complete
        {
            // It is about to end. What can be tried again of it then, whoever takes it up reads from the journal.
            return None;
        }
        let answer = match (&command.command, command.command.facts(&active.progress, now)) {
            (Command::Resume, _) => {
                if !active.is_to_be_set_aside() {
                    active.wanted = None;
                }
                CommandAnswer::Followed
            }
            // The driver has brought what was sent.
            (Command::Deliver, _) => CommandAnswer::Followed,
            // Only tasks that nobody holds can be given up.
            (Command::GiveUp, _) => CommandAnswer::Refused(CommandError::NotBlocked(active.progress.state())),
            (_, Ok(facts)) => CommandAnswer::Facts(facts, active.progress.after_all(now)),
            (_, Err(problem)) => CommandAnswer::Refused(problem),
        };
        Some(CommandWrite { command, answer })
    }
}
