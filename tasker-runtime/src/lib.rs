//! Durable workflows for Rust.

// Expanded code says `::tasker_runtime`, in this crate as well.
#[allow(unused_extern_crates)]
extern crate self as tasker_runtime;

pub mod api;
pub(crate) mod cli;
pub mod clock;
pub mod config;
pub(crate) mod dispatch;
pub mod handler;
pub mod model;
pub(crate) mod orchestration;
pub mod prelude;
pub mod registry;
pub mod store;
pub mod testing;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use api::Tasker;
pub use cli::{main, main_with};
pub use model::StepError;
#[doc(inline)]
pub use tasker_macros::{
    StepError, api, batch_analyzer, batch_worker, compensates, decision, publishes, step_handler, template,
    workflow,
};
#[doc(inline)]
pub use tasker_template as template;
