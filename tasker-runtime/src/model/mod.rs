//! The rules of the engine, as pure data and functions: no clock, no database, no runtime.

mod batch;
mod canonical;
mod command;
mod error;
mod id;
mod json;
mod outcome;
mod progress;
mod retry;
mod rules;
mod state;
mod step_no;
mod time;

pub use command::{Command, CommandError, Fact};
pub use error::StepError;
pub(crate) use error::chain;
#[doc(hidden)]
pub use error::{Classified, Derived, Explained, classified};
pub use id::{Lease, TaskNo, WorkerId};
pub use json::Json;
pub use outcome::{BatchOutcome, CursorConfig, DecisionOutcome, OutcomeError};
pub use progress::{Event, Progress, Slot, Verdict};
pub use retry::{Retry, jittered};
pub use rules::{BatchRule, Compensation, Effect, Rule, Rules};
pub use state::{StepState, TaskState};
pub use step_no::StepNo;
pub use time::Timestamp;
