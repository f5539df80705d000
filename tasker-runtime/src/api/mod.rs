//! The library: build a [`Tasker`], submit tasks to it, wait for them, look at them.

mod audit;
mod builder;
mod bulk;
mod checked;
mod error;
mod events;
mod fork;
pub(crate) mod idle;
mod in_flight;
mod list;
mod operate;
mod prune;
mod receipt;
mod report;
mod schedule;
mod signal;
mod submit;
mod tasker;
pub(crate) mod typed;
mod wait;

pub use audit::AuditEntry;
pub use builder::{Builder, Discovered};
pub use bulk::{BulkOutcome, Refusal};
pub use checked::Checked;
pub use error::{ForkError, OperateError, SignalError, StartError, SubmitError, WaitError};
pub use events::{EventFilter, EventLetterReport, EventLog, EventPage, EventReport, FastEvents};
pub use fork::Fork;
pub use in_flight::{Examination, InFlight, InFlightProblem, ProblemCode};
pub use list::{BadCursor, Cursor, TaskFilter, TaskPage};
pub use operate::CommandOutcome;
pub use prune::{NotOver, Prune, Pruned};
pub use receipt::SubmitReceipt;
pub use report::{
    BatchCounts, ChildReport, DeadLetterSummary, ParentReport, RoundReport, SignalReport, StepReport,
    TaskReport, TaskSummary, WorkerSummary,
};
pub use schedule::{Backfill, Backfilled, ScheduleError, ScheduleReport, Schedules};
pub use signal::{Message, Receipt, Sending};
pub use tasker::{Stats, Tasker};
pub use typed::{Answer, AnyContext, AnyOutput, Typed, WorkflowType};
pub use wait::{TaskOutcome, Watch};

pub use crate::{
    dispatch::event_bus::FastEvent,
    dispatch::watch::Update,
    orchestration::fork::{Origin, OriginKind},
    orchestration::submission::Submission,
    registry::{Catalog, UnknownTemplate},
};
