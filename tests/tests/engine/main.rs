//! What the engine promises, held on both stores.
#![allow(clippy::unwrap_used, clippy::panic)]

mod abandoned;
mod activity;
mod blocking;
mod clocks;
mod code_first;
mod deadly_loans;
mod decisions;
mod failures;
mod file_gone;
mod flow;
mod held;
mod lending;
mod lists;
mod operators;
mod queues;
mod recovery;
mod refused;
mod retries;
mod step_states;
mod stopping;
mod stuck;
mod submission;
mod together;
mod unanswered;
mod waking;
