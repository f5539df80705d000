//! What the engine promises, held on both stores.
#![allow(clippy::unwrap_used, clippy::panic)]

mod failures;
mod flow;
mod held;
mod operators;
mod recovery;
mod retries;
mod submission;
mod unanswered;
