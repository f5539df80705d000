//! The library: build a [`Tasker`], submit tasks to it, wait for them, look at them.

mod ask;
mod broken;
mod builder;
pub(crate) mod catalog;
mod error;
mod prepared;
mod report;
pub(crate) mod rest;
mod submission;
mod tasker;

pub use ask::Answer;
pub use builder::Builder;
pub use catalog::{Catalog, UnknownTemplate};
pub use error::{AskError, StartError, SubmitError, WaitError};
pub(crate) use prepared::Prepared;
pub use report::{BatchCounts, DeadLetterSummary, StepReport, TaskReport, TaskSummary, WorkerSummary};
pub use submission::Submission;
pub use tasker::{Stats, Tasker, Watch};

pub use crate::dispatch::watch::Update;
