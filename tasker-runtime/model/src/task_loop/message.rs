//! What a task loop is told, and what it says of operators' commands.

use std::sync::Arc;

use uuid::Uuid;

use super::Routes;
use crate::{
    Attempt, Command, CommandError, Ended, Entry, Fact, Failure, Lease, Progress, Said, Signal, StepError,
    StepIndex, TaskNo, TaskState, Timestamp, WaitEnd,
};

/// What a task loop is told.
#[derive(Debug)]
pub enum Message<B> {
    /// This task is now held here.
    Claimed(Box<ClaimedTask<B>>),
    /// This task is now held here and cannot run here.
    Unrunnable(Unrunnable),
    /// The store says that this task is held here.
    StrayLease(Lease),
    /// An attempt came back.
    AttemptEnded(AttemptEnded),
    /// There is no permit for this attempt here: others may have it.
    Overflow(Attempt),
    /// A step of the task with this lease that was lent came back.
    LoanReturned(Lease, LoanReturned),
    /// So many processes died over a step that was lent under this lease that nobody is to take it any more.
    TakersDied(Lease, StepIndex),
    /// An operator asks something of a task.
    Command(PendingCommand),
    /// These signals were sent to the task that is held under this lease; some may be known.
    Signals(Lease, Vec<Signal>),
    /// The tasks that this attempt starts were looked at: how its step ends, once all of them are over.
    ChildrenSeen(Attempt, Option<WaitEnd>),
    /// Nobody knows whether what was sent to the task that is held under this lease was read: it is to be read anew.
    Reread(Lease),
    /// Start no more steps; give back every task whose steps have come back.
    Drain,
    /// Give back everything at once; what still runs is dropped.
    GiveBack,
    /// The leases are lost: forget everything.
    Forget,
}

/// A task that was claimed, read back and ready to run.
#[derive(Debug)]
pub struct ClaimedTask<B> {
    /// The lease it is held under.
    pub lease: Lease,
    /// What people call it.
    pub id: Uuid,
    /// How many holders died in a row without recording anything.
    pub takeovers: u32,
    /// Where its steps can run.
    pub routes: Arc<Routes>,
    /// Where it stands: its journal, folded.
    pub progress: Progress,
    /// Another task waits for its end.
    pub has_parent: bool,
    /// What the driver keeps of it.
    pub body: B,
}

/// A task that was claimed and cannot run here.
#[derive(Clone, Debug)]
pub struct Unrunnable {
    /// The lease it is held under.
    pub lease: Lease,
    /// What people call it.
    pub id: Uuid,
    /// The phase it is in, by the store.
    pub phase: TaskState,
    /// Why it cannot run here, for people.
    pub cause: String,
}

/// An attempt that came back.
#[derive(Clone, Debug)]
pub struct AttemptEnded {
    /// The attempt.
    pub attempt: Attempt,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it came to; `None`: it was dropped before it came to an end.
    pub outcome: Option<Result<Ended, StepError>>,
    /// What its handler said about the events of the step.
    pub said: Vec<Said>,
}

/// What came back of a lent step. Results and failures are recorded already.
#[derive(Clone, Debug)]
pub enum LoanReturned {
    /// It has this result.
    Done(Entry),
    /// The attempt failed, or ended a round.
    Failed(Failure),
    /// Nothing is recorded: it is to be run again.
    Nothing(StepIndex),
}

impl LoanReturned {
    /// The step that was lent.
    #[must_use]
    pub const fn step(&self) -> StepIndex {
        match self {
            Self::Done(entry) => entry.step,
            Self::Failed(failure) => failure.step,
            Self::Nothing(step) => *step,
        }
    }
}

/// Something an operator asks of a held task. It is on record until it has been followed or refused.
#[derive(Clone, Debug)]
pub struct PendingCommand {
    /// Its number on record.
    pub id: i64,
    /// The lease the task was held under when the command was read.
    pub lease: Lease,
    /// What is asked.
    pub command: Command,
    /// The line of the audit trail it stands in.
    pub audit: Option<i64>,
}

/// What is to be written about a command.
#[derive(Clone, Debug)]
pub struct CommandWrite {
    /// The command.
    pub command: PendingCommand,
    /// What is to be written.
    pub answer: CommandAnswer,
}

impl CommandWrite {
    /// The task it is about.
    #[must_use]
    pub fn task(&self) -> TaskNo {
        self.command.lease.task
    }
}

/// What came of writing an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is durable.
    Yes,
    /// Nothing was written: somebody else followed the command or took it back, or the lease is lost.
    No,
    /// The store did not answer, so it may be durable. A command that is still on record comes again.
    Perhaps,
}

/// How a command is answered.
#[derive(Clone, Debug)]
pub enum CommandAnswer {
    /// With these facts, recorded at this time, if the command is still on record.
    Facts(Vec<Fact>, Timestamp),
    /// It does not fit any more.
    Refused(CommandError),
    /// It was followed without anything to record.
    Followed,
}
