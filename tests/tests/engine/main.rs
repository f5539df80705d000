//! What the engine promises, held on both stores.
#![allow(clippy::unwrap_used, clippy::panic)]

mod activity;
mod code_first;
mod decisions;
mod failures;
mod flow;
mod held;
mod operators;
mod queues;
mod recovery;
mod retries;
mod step_states;
mod submission;
mod unanswered;
mod waking;
