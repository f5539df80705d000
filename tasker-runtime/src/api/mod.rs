//! The library: build a [`Tasker`], submit tasks to it, wait for them, look at them.

mod ask;
mod builder;
mod error;
mod prepared;
mod report;
pub(crate) mod rest;
mod submit;
mod tasker;
mod wait;

pub use ask::Answer;
pub use builder::Builder;
pub use error::{AskError, StartError, SubmitError, WaitError};
pub(crate) use prepared::Prepared;
pub use report::{BatchCounts, DeadLetterSummary, StepReport, TaskReport, TaskSummary, WorkerSummary};
pub use tasker::{Stats, Tasker};
pub use wait::{TaskOutcome, Watch};

pub use crate::{
    dispatch::watch::Update,
    orchestration::submission::Submission,
    registry::{Catalog, UnknownTemplate},
};
