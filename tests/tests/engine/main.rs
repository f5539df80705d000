//! What the engine promises, held on both stores.
#![allow(clippy::unwrap_used, clippy::panic)]

mod abandoned;
mod activity;
mod choices;
mod code_first;
mod composed;
mod decisions;
mod declared;
mod failures;
mod flow;
mod held;
mod lending;
mod lists;
mod operators;
mod parameters;
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
