//! What expanded code names, and nobody else. Not part of the interface.

pub use core;
pub use core::option::Option::{self, Some};
pub use core::result::Result::Ok;
pub use std::boxed::Box;

pub use inventory;
pub use serde_json;
pub use tasker_template::{Backoff, OnFailure};

pub use crate::handler::annotated::{
    Call, Place, StepFn, by_hand, entry, millis, never_called, run, run_with_step,
};
#[cfg(feature = "http")]
pub use crate::handler::api::ApiCapable;
pub use crate::handler::compensating::{Same, compensates, marked};
pub use crate::handler::decision::Route;
pub use crate::handler::param::{Fallback, Gathers, Kind, Param, depends_on, one_context, some_api};
pub use crate::handler::returned::{
    Fallible, Is, NoWants, Plain, Returned, StepReturn, Wants, capability_fits, finish, finish_decision,
    finish_plan, is_worker,
};
pub use crate::handler::{
    BatchableCapable, Batches, Compensates, Compensating, DecisionCapable, Endpoint, Facts, Need,
    Registration, StepHandler, TaskSequenceStep,
};
pub use crate::model::{Classified, Derived, StepError, classified};
pub use crate::registry::Workflow;
pub use crate::registry::bind::{Bound, Wanted, bound, check_template, pick};
pub use crate::registry::compile::{Listed, check_workflow, listed};
pub use crate::registry::workflow::Settings;
