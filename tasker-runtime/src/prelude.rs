//! What a file with handlers needs: `use tasker_runtime::prelude::*;`.

#[cfg(feature = "http")]
pub use crate::handler::http::{Api, ApiCapable};
pub use crate::handler::{
    Attempt, BatchPlan, Batches, Cancelled, Checkpoint, ChildFailure, Config, Cursor, Decision, Events,
    FromStep, IdempotencyKey, Loop, Next, OptionExt, Outcome, ResultExt, Round, Routes, Slice, State,
    StepHandler, StepInfo, TaskSequenceStep, TimerEnd,
};
pub use crate::model::{Json, StepError};
pub use crate::{handlers, register_handler};
pub use tasker_macros::{
    FromStep, Routes, StepError, api, async_trait, batch_analyzer, batch_worker, child_workflow, compensates,
    decision, declare_step, publishes, signal, step_handler, step_handlers, template, timer, workflow,
};
