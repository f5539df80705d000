//! A model of the store: its tables, and one function for each statement or transaction of the engine.
//!
//! Each takes effect at one moment, as a committed transaction does. Fences, unique keys and counts are those
//! of the statements under `tasker-runtime/sql`; the names are theirs too.

mod children;
mod claim;
mod lend;
mod operate;
mod record;
mod signals;

use std::collections::BTreeMap;

use tasker_model::{
    Command, Entry, Failure, History, Json, Lease, NoResult, Signal, Start, StepIndex, TaskNo, TaskState,
    Timestamp,
};

pub(crate) use children::{ChildRow, Family, Seen};
pub(crate) use claim::Claimed;
pub(crate) use lend::{Outcome, Taken};

use crate::{workflow::CONTEXT, world::Micros};

/// Why a statement did nothing, or may have done nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No answer came: it may have been done.
    NoAnswer,
    /// The rows break a rule of the tables.
    Refused,
}

pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// The results that the tables refuse contain this.
pub(crate) const POISON: &str = "poison";

/// A row of `runs`.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) state: TaskState,
    pub(crate) run_at: Micros,
    pub(crate) owner: Option<i64>,
    pub(crate) lease: i64,
    pub(crate) takeovers: u32,
    pub(crate) over: bool,
    pub(crate) priority: i16,
    pub(crate) queue: usize,
    pub(crate) template: usize,
}

/// A row of `steps`.
#[derive(Clone, Debug)]
pub(crate) struct StepRow {
    pub(crate) entry: Entry,
}

/// A task with its journal.
#[derive(Clone, Debug)]
pub(crate) struct TaskRows {
    pub(crate) run: Run,
    pub(crate) steps: BTreeMap<StepIndex, StepRow>,
    pub(crate) attempts: BTreeMap<(StepIndex, u32), Failure>,
    /// It was set aside, and no operator has taken it up since.
    pub(crate) set_aside: bool,
    /// How often its lease was taken from a worker since the last note that it moved on. For the checker.
    pub(crate) deaths: u32,
    /// How often that was when it was claimed last: its holder knows of no death that counts no more since.
    pub(crate) deaths_at_claim: u32,
    /// The most takers that died over one of its offers since an operator moved it. For the checker.
    pub(crate) taker_deaths: u32,
    /// The lease under which something was recorded last. For the checker.
    pub(crate) recorded_under: i64,
    /// Its rows of `signals`.
    pub(crate) signals: Vec<Signal>,
    /// When it began.
    pub(crate) created_at: Timestamp,
    /// Its rows of `events`.
    pub(crate) events: Vec<EventRow>,
    /// The task that started it.
    pub(crate) parent: Option<TaskNo>,
    /// Its rows of `children`, by step, item and attempt.
    pub(crate) children: BTreeMap<(StepIndex, usize, u32), ChildRow>,
}

impl TaskRows {
    /// Whether this attempt at a step is recorded, or a later one, without a result.
    pub(crate) fn has_attempt(&self, step: StepIndex, number: u32) -> bool {
        self.attempts.range((step, number)..=(step, u32::MAX)).next().is_some()
    }

    /// `forget_rounds.sql`, which whoever ends a round may not come to: here after every second round.
    fn is_forgotten(&self, row: &Failure) -> bool {
        let mut later = self.attempts.range((row.step, row.attempt + 1)..=(row.step, u32::MAX));
        later.any(|(_, later)| matches!(&later.came, NoResult::Again(round) if round.number % 2 == 1))
    }
}

/// A row of `events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) seq: u32,
    pub(crate) step: StepIndex,
    pub(crate) attempt: u32,
    pub(crate) name: String,
}

/// A row of `workers`.
#[derive(Clone, Debug)]
pub(crate) struct WorkerRow {
    pub(crate) expires_at: Micros,
    pub(crate) stopped: bool,
    /// Statements under way that lock the row: nobody takes its tasks meanwhile.
    pub(crate) writing: u32,
}

/// A row of `offers`.
#[derive(Clone, Debug)]
pub(crate) struct OfferRow {
    pub(crate) attempt: u32,
    pub(crate) lease: i64,
    pub(crate) owner: i64,
    pub(crate) taker: Option<i64>,
    pub(crate) offered_at: Timestamp,
    pub(crate) handler: String,
    pub(crate) queue: usize,
    /// How many takers died over it.
    pub(crate) deaths: u32,
}

/// A row of `commands`.
#[derive(Clone, Debug)]
pub(crate) struct CommandRow {
    pub(crate) id: i64,
    pub(crate) task: TaskNo,
    pub(crate) command: Command,
    pub(crate) audit: usize,
}

/// A row of `audit`, with what the checker wants to know of it.
#[derive(Clone, Debug)]
pub(crate) struct AuditRow {
    #[expect(dead_code, reason = "for people who read what was broken")]
    pub(crate) task: TaskNo,
    #[expect(dead_code, reason = "for people who read what was broken")]
    pub(crate) command: Command,
    pub(crate) refused: bool,
    pub(crate) followed: u32,
    pub(crate) taken_back: bool,
}

/// The tables.
#[derive(Debug, Default)]
pub(crate) struct Db {
    pub(crate) tasks: Vec<TaskRows>,
    /// Worker `n` is at `n - 1`.
    pub(crate) workers: Vec<WorkerRow>,
    pub(crate) offers: BTreeMap<(TaskNo, StepIndex), OfferRow>,
    pub(crate) commands: Vec<CommandRow>,
    pub(crate) audit: Vec<AuditRow>,
    commands_so_far: i64,
}

/// The state that a task comes to that is given back: pending, unless it is being rolled back.
pub(crate) fn given_back(state: TaskState) -> TaskState {
    if state == TaskState::Compensating { state } else { TaskState::Pending }
}

impl Db {
    pub(crate) fn task(&self, task: TaskNo) -> &TaskRows {
        &self.tasks[usize::try_from(task.0).unwrap_or_default()]
    }

    pub(crate) fn task_mut(&mut self, task: TaskNo) -> &mut TaskRows {
        &mut self.tasks[usize::try_from(task.0).unwrap_or_default()]
    }

    /// Every task with its number.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (TaskNo, &TaskRows)> {
        (0i64..).map(TaskNo).zip(&self.tasks)
    }

    /// Whether `worker` holds a task under this very lease: what every fence asks.
    pub(crate) fn covers(&self, worker: i64, lease: Lease) -> bool {
        let run = &self.task(lease.task).run;
        run.owner == Some(worker) && run.lease == lease.epoch
    }

    pub(crate) fn lives(&self, worker: i64) -> bool {
        usize::try_from(worker - 1).ok().and_then(|at| self.workers.get(at)).is_some_and(|row| !row.stopped)
    }

    /// `worker_is_alive` in the statements: whether it lives, and its row is locked until [`written`](Self::written)
    /// then.
    pub(crate) fn writes(&mut self, worker: i64) -> bool {
        let lives = self.lives(worker);
        if let (true, Ok(at)) = (lives, usize::try_from(worker - 1)) {
            self.workers[at].writing += 1;
        }
        lives
    }

    /// The transaction that locked the row of `worker` is over.
    pub(crate) fn written(&mut self, worker: i64) {
        if let Some(row) = usize::try_from(worker - 1).ok().and_then(|at| self.workers.get_mut(at)) {
            row.writing = row.writing.saturating_sub(1);
        }
    }

    /// Whether the row of `worker` is locked.
    pub(crate) fn is_writing(&self, worker: i64) -> bool {
        usize::try_from(worker - 1)
            .ok()
            .and_then(|at| self.workers.get(at))
            .is_some_and(|row| row.writing > 0)
    }

    /// Adds a task; with a `holder` that lives, that worker holds it from the start.
    pub(crate) fn submit(
        &mut self,
        template: usize,
        queue: usize,
        run_at: Micros,
        priority: i16,
        holder: Option<i64>,
    ) -> TaskNo {
        let owner = holder.filter(|worker| self.lives(*worker));
        let held = owner.is_some();
        let state = if held { TaskState::InProgress } else { TaskState::Pending };
        // Who was given up takes this lease for its own: nobody else gets one of that number.
        let lease = i64::from(holder.is_some());
        let run = Run { state, run_at, owner, lease, takeovers: 0, over: false, priority, queue, template };
        self.tasks.push(TaskRows {
            run,
            steps: BTreeMap::new(),
            attempts: BTreeMap::new(),
            set_aside: false,
            deaths: 0,
            deaths_at_claim: 0,
            taker_deaths: 0,
            recorded_under: 0,
            signals: Vec::new(),
            created_at: Timestamp::from_micros(run_at),
            events: Vec::new(),
            parent: None,
            children: BTreeMap::new(),
        });
        TaskNo(i64::try_from(self.tasks.len() - 1).unwrap_or_default())
    }

    /// Leaves a command on record, with its line in the audit trail.
    pub(crate) fn leave(&mut self, task: TaskNo, command: Command) {
        self.audit.push(AuditRow {
            task,
            command: command.clone(),
            refused: false,
            followed: 0,
            taken_back: false,
        });
        self.commands_so_far += 1;
        let (id, audit) = (self.commands_so_far, self.audit.len() - 1);
        self.commands.push(CommandRow { id, task, command, audit });
    }

    /// Asks the holder of a task to look at what was sent to it, unless somebody has.
    pub(crate) fn leave_delivery(&mut self, task: TaskNo) {
        if !self.commands.iter().any(|row| row.task == task && row.command == Command::Deliver) {
            self.leave(task, Command::Deliver);
        }
    }

    /// The journal of a task.
    pub(crate) fn history(&self, task: TaskNo) -> History {
        let rows = self.task(task);
        History {
            entries: rows.steps.values().map(|row| row.entry.clone()).collect(),
            failures: rows.attempts.values().filter(|row| !rows.is_forgotten(row)).cloned().collect(),
            start: Start { at: rows.created_at, context: Some(Json::stored(CONTEXT)) },
        }
    }
}
