//! What the tests of the workspace stand on: databases of their own, worlds to run tasks in, and the layers
//! of the runtime.
//!
//! ```no_run
//! # async fn promise() {
//! for database in support::databases().await {
//!     // connect to `database.url`; name the store in messages: `assert_eq!(1, 1, "{database}")`
//! }
//! # }
//! ```
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "where the ground gives way a test has to stop at once"
)]

pub mod cluster;
mod database;
pub mod doors;
pub mod http;
pub mod layers;
pub mod pooler;
pub mod stage;
pub mod world;

pub use database::{TestDatabase, databases, fresh_latin1, fresh_on, fresh_postgres, fresh_sqlite, postgres};

/// Whether the long tests are to be left out: `tests/run --quick` sets `TASKER_TEST_QUICK`.
pub fn quick() -> bool {
    std::env::var_os("TASKER_TEST_QUICK").is_some_and(|value| !value.is_empty() && value != "0")
}
