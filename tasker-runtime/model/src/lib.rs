//! The rules of the engine as pure data and functions: no clock, no database, no runtime. Time is an argument.

mod batch;
mod canonical;
mod command;
mod error;
mod event_pattern;
mod events;
mod fork;
mod handler_key;
mod id;
mod journal;
mod json;
mod outcome;
mod progress;
mod retry;
mod round;
mod rules;
mod served;
mod signal;
mod state;
mod step_index;
pub mod subscription;
mod target;
pub mod task_loop;
mod time;
mod wait;
mod writes;

pub use command::{Command, CommandError, Fact};
pub use error::StepError;
#[doc(hidden)]
pub use error::chain;
#[doc(hidden)]
pub use error::{Classified, Derived, Explained, classified};
pub use event_pattern::EventPattern;
pub use events::{
    DomainEvent, EventLetter, EventOutcome, FailedAttempt, MAX_ATTEMPT_EVENTS, MAX_EVENT_BYTES, PayloadCheck,
    Publication, Published, Said, Word, event_id,
};
pub use fork::ForkRefused;
pub use handler_key::HandlerKey;
pub use id::{Attempt, Lease, TaskNo, WorkerId};
pub use journal::{Entry, Failure, History, Kind};
pub use json::Json;
pub use outcome::{BatchOutcome, CursorConfig, DecisionOutcome, OutcomeError};
pub use progress::{ChildrenOf, Event, Moved, Progress, Slot, Start, Verdict};
pub use retry::{Retry, jittered};
pub use round::{Again, DEFAULT_ROUNDS, Ended, NoResult, Round, Rounds};
pub use rules::{BatchRule, Compensation, Effect, Rule, Rules};
pub use served::Served;
pub use signal::{MAX_MAILBOX, MAX_PAYLOAD, Signal, SignalRefused};
pub use state::{StepState, TaskState};
pub use step_index::StepIndex;
pub use target::Target;
pub use time::Timestamp;
pub use wait::{Children, Due, OnTimeout, Place, Wait, WaitEnd};
pub use writes::{Batch, Done, End, Exceptions, Failed, Kin, LeftOut, Offer};
