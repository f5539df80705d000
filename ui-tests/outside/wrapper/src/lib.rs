//! A house library that brings the runtime along.
pub use tasker_runtime as tasks;
