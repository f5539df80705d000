//! Operators' commands: followed at once where nobody holds the task, left to its holder otherwise.

use std::sync::Arc;

use tasker_model::{
    Command, CommandError, Entry, Fact, Kind, Lease, Progress, Rules, StepIndex, TaskNo, TaskState,
    Timestamp, task_loop::PendingCommand,
};

use super::{AuditRow, CommandRow, Db, StepRow};

/// A command that waits, as `commands.sql` reads it.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) pending: PendingCommand,
    pub(crate) held: bool,
    pub(crate) over: bool,
}

/// What became of a command.
type Followed = Result<bool, CommandError>;

impl Db {
    /// An operator asks something of a task, in a transaction of their own.
    pub(crate) fn ask(&mut self, task: TaskNo, command: &Command, rules: &Arc<Rules>, now: Timestamp) {
        let row = AuditRow { task, command: command.clone(), refused: false, followed: 0, taken_back: false };
        self.audit.push(row);
        let line = self.audit.len() - 1;
        match self.follow(task, command, rules, true, now, line) {
            Ok(true) => self.audit[line].followed += 1,
            Ok(false) => {}
            Err(_) => self.audit[line].refused = true,
        }
    }

    /// Follows a command that was left to a holder, for a task that nobody holds any more.
    pub(crate) fn follow_left(&mut self, id: i64, rules: &Arc<Rules>, whole: bool, now: Timestamp) {
        let Some(at) = self.commands.iter().position(|row| row.id == id) else { return };
        let CommandRow { task, command, audit, .. } = self.commands[at].clone();
        let run = &self.task(task).run;
        if run.owner.is_some() && !run.state.is_final() {
            return;
        }
        let cancelled = run.state == TaskState::Cancelled && command == Command::Cancel;
        self.commands.remove(at);
        let followed =
            if cancelled { Ok(true) } else { self.follow(task, &command, rules, whole, now, audit) };
        match followed {
            Ok(followed) => self.audit[audit].followed += u32::from(followed),
            Err(_) => self.audit[audit].refused = true,
        }
    }

    /// True: it is followed; false: its holder is to follow it.
    fn follow(
        &mut self,
        task: TaskNo,
        command: &Command,
        rules: &Arc<Rules>,
        whole: bool,
        now: Timestamp,
        line: usize,
    ) -> Followed {
        let (state, held) = (self.task(task).run.state, self.task(task).run.owner.is_some());
        if state == TaskState::Complete && matches!(command, Command::Retry { .. }) {
            return self.take_up(task, command, rules, now);
        }
        if state.is_final() {
            return Err(CommandError::Over(state));
        }
        if *command == Command::Deliver {
            self.deliver(task, now);
            return Ok(true);
        }
        if *command == Command::GiveUp && (held || state != TaskState::BlockedByFailures) {
            return Err(CommandError::NotBlocked(state));
        }
        let mut progress = self.history(task).replay(rules.clone());
        if *command == Command::Resume {
            let taken_back = self.take_back_pauses(task);
            match state {
                TaskState::Paused => {}
                state if !taken_back => return Err(CommandError::NotPaused(state)),
                _ if !held => return Ok(true),
                _ => {}
            }
        }
        if held {
            if let Err(unknown @ CommandError::UnknownStep { .. }) = command.facts(&progress, now) {
                return Err(unknown);
            }
            self.commands_so_far += 1;
            let (id, command) = (self.commands_so_far, command.clone());
            self.commands.push(CommandRow { id, task, command, audit: line });
            return Ok(false);
        }
        let facts = match command.facts(&progress, now) {
            Err(CommandError::NothingFailed) if self.task(task).set_aside => Vec::new(),
            facts => facts?,
        };
        let at = progress.after_all(now);
        self.write_facts(task, &facts, at);
        for (step, event) in facts.iter().map(Fact::event) {
            let _ = progress.apply_at(step, &event, at);
        }
        self.set_run(task, command, &progress, whole, now);
        Ok(true)
    }

    /// `set_run.sql` and `resolve_dead_letter.sql`, with where the task is moved to.
    fn set_run(&mut self, task: TaskNo, command: &Command, progress: &Progress, whole: bool, now: Timestamp) {
        let rows = self.task_mut(task);
        let moved = progress.after_command(command, rows.run.state, None, whole, now);
        let state = moved.state;
        rows.run.state = state;
        rows.run.run_at = moved.due.as_micros();
        rows.run.over = state.is_final();
        rows.run.lease = rows.run.lease.max(1);
        rows.run.owner = state.is_final().then_some(0);
        (rows.run.takeovers, rows.deaths, rows.taker_deaths, rows.set_aside) = (0, 0, 0, false);
        if state.is_final() {
            self.drop_offers(&[task]);
            self.tell_parent(task, now);
        }
        self.ask_children(task, state);
        if *command == Command::Resume {
            self.leave_to_children(task, command);
        }
    }

    fn take_up(&mut self, task: TaskNo, command: &Command, rules: &Arc<Rules>, now: Timestamp) -> Followed {
        let facts = match command.facts(&self.history(task).replay(rules.clone()), now) {
            Err(CommandError::NothingFailed) => return Err(CommandError::Over(TaskState::Complete)),
            facts => facts?,
        };
        self.write_facts(task, &facts, now);
        let run = &mut self.task_mut(task).run;
        (run.state, run.run_at, run.owner) = (TaskState::Pending, now.as_micros(), None);
        (run.over, run.takeovers) = (false, 0);
        self.task_mut(task).deaths = 0;
        Ok(true)
    }

    fn take_back_pauses(&mut self, task: TaskNo) -> bool {
        let is_pause = |row: &CommandRow| row.task == task && row.command == Command::Pause;
        let lines: Vec<usize> =
            self.commands.iter().filter(|row| is_pause(row)).map(|row| row.audit).collect();
        self.commands.retain(|row| !is_pause(row));
        lines.iter().for_each(|line| self.audit[*line].taken_back = true);
        !lines.is_empty()
    }

    fn write_facts(&mut self, task: TaskNo, facts: &[Fact], at: Timestamp) {
        for fact in facts {
            match fact {
                Fact::Reopened(step) => self.reopen(task, *step),
                Fact::DueNow(step) => self.end_wait(task, *step, at),
                Fact::Resolved(step, result) => self.settle(task, *step, Kind::Operator, result.clone(), at),
                Fact::Skipped(step) => {
                    self.settle(task, *step, Kind::Skipped, tasker_model::Json::null(), at);
                }
            }
        }
    }

    fn reopen(&mut self, task: TaskNo, step: StepIndex) {
        let attempts = self.task_mut(task).attempts.values_mut();
        let for_good = attempts.filter(|failure| failure.step == step && failure.retry_at.is_none());
        for_good.for_each(|failure| failure.reopened = true);
    }

    /// `end_waits.sql`
    fn end_wait(&mut self, task: TaskNo, step: StepIndex, at: Timestamp) {
        let attempts = self.task_mut(task).attempts.values_mut();
        let waiting = attempts.filter(|failure| failure.step == step && failure.retry_at > Some(at));
        waiting.for_each(|failure| failure.retry_at = Some(at));
    }

    fn settle(
        &mut self,
        task: TaskNo,
        step: StepIndex,
        kind: Kind,
        result: tasker_model::Json,
        at: Timestamp,
    ) {
        let entry = Entry { step, kind, attempt: 0, started_at: at, finished_at: at, result };
        self.task_mut(task).steps.entry(step).or_insert(StepRow { entry });
    }

    /// `commands.sql`
    pub(crate) fn waiting(&self, worker: i64) -> Vec<Waiting> {
        let waiting = self.commands.iter().filter_map(|row| {
            let run = &self.task(row.task).run;
            let lease = Lease { task: row.task, epoch: run.lease };
            let line = i64::try_from(row.audit).ok();
            let pending = PendingCommand { id: row.id, lease, command: row.command.clone(), audit: line };
            let sees = run.owner.is_none_or(|owner| owner == worker) || run.over;
            sees.then_some(Waiting { pending, held: run.owner.is_some(), over: run.over })
        });
        waiting.collect()
    }

    /// `drop_command.sql`
    pub(super) fn drop_command(&mut self, id: i64) -> Option<CommandRow> {
        let at = self.commands.iter().position(|row| row.id == id)?;
        Some(self.commands.remove(at))
    }

    /// Writes the facts a command leads to, and forgets it; false: it is not there any more.
    pub(crate) fn record_facts(&mut self, command: &PendingCommand, facts: &[Fact], at: Timestamp) -> bool {
        let run = &self.task(command.lease.task).run;
        if run.lease != command.lease.epoch || run.owner.is_none() || run.over {
            return false;
        }
        let Some(row) = self.drop_command(command.id) else { return false };
        self.audit[row.audit].followed += 1;
        self.write_facts(command.lease.task, facts, at);
        true
    }

    /// Forgets a command that does not fit any more, and notes so.
    pub(crate) fn refuse(&mut self, command: &PendingCommand) -> bool {
        let Some(row) = self.drop_command(command.id) else { return false };
        self.audit[row.audit].refused = true;
        true
    }

    /// Forgets a command that was followed.
    pub(crate) fn forget(&mut self, id: i64) {
        if let Some(row) = self.drop_command(id) {
            self.audit[row.audit].followed += 1;
        }
    }
}
