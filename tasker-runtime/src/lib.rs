//! Durable workflows for Rust: annotated async functions, wired by their signatures or by a template, whose
//! results are recorded once and survive crashes, on an embedded SQLite file or on PostgreSQL.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tasker_runtime::{Tasker, prelude::*};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Order {
//!     item: String,
//!     cents: u64,
//! }
//!
//! #[step_handler]
//! async fn validate(order: Order) -> Result<Order, StepError> {
//!     if order.cents == 0 {
//!         return Err(StepError::permanent("NOTHING_TO_PAY", format!("{} costs nothing", order.item)));
//!     }
//!     Ok(order)
//! }
//!
//! #[step_handler(retry(max_attempts = 5, backoff = "exponential", base = "200ms"), timeout = "30s")]
//! async fn charge(#[depends_on(validate)] order: Order, key: IdempotencyKey) -> Result<String, StepError> {
//!     Ok(format!("{} cents, once, as {key}", order.cents))
//! }
//!
//! workflow!(checkout = [validate, charge]);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # std::env::set_current_dir(std::env::temp_dir())?;
//! let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
//! let paid: String = tasker.run("checkout", &serde_json::json!({"item": "book", "cents": 1250})).await?;
//! assert!(paid.starts_with("1250 cents"));
//! # Ok(())
//! # }
//! ```
//!
//! A program of which this is all, `fn main() -> ExitCode { tasker_runtime::main() }`, has the whole command
//! line: `run`, `serve`, `show`, `retry` and so on.
//!
//! # The tour
//!
//! One sentence: *the journal of a task is the truth, its progress is a fold over the journal, and one process
//! at a time holds the task and does the folding.*
//!
//! | module | what it is |
//! |---|---|
//! | [`handler`] | what users write: [`step_handler`], its parameters, results, and the traits behind them |
//! | [`template`](mod@template) | workflows as values: YAML, `workflow!`, [`template!`](crate::template!), one validator |
//! | [`registry`] | the handlers and workflows that are linked, and what is checked at the start |
//! | `server` | the HTTP service, on what `api` has |
//! | [`api`] | [`Tasker`]: start, submit, run, wait, and what operators do |
//! | [`testing`] | one step or a whole workflow in a test of yours |
//! | [`model`] | the pure part: states, progress, retries, decisions, batches, rollback; no clock, no database |
//! | [`store`] | SQLite and PostgreSQL behind one seam |
//! | [`config`] and [`clock`] | the settings and the time of a process |
//!
//! A task comes in by `orchestration/submit.rs`, together with all that arrive at the same moment
//! (`dispatch/submitter.rs`), and waits in the row that is its queue. `dispatch/claimer.rs` claims it for a process
//! (`orchestration/claim.rs`). A task loop (`model/task_loop`, pure: messages and time in, what is to be done out)
//! alone knows its progress, a fold over its journal (`model/progress.rs`). `dispatch/driver.rs` drives the loop:
//! it calls what is ready (`dispatch/call.rs`) and writes everything that came back meanwhile in one statement
//! (`orchestration/record.rs`, on the one way into the journal, `orchestration/append.rs`). Steps go from one to the
//! next in memory: there is no write per step but the row of the journal. What this process cannot run is lent to
//! others (`dispatch/lend.rs`, `dispatch/borrow.rs`); a lease that ran out makes a task due again
//! (`orchestration/recover.rs`), and nothing else recovers. Because the heart is pure, `tests/simulation` drives
//! whole fleets of it through a hundred thousand histories in a minute.
//!
//! # Features
//!
//! All but the last are on. What is left out is refused where somebody asks for it, with the name of the feature.
//!
//! | feature | what it brings |
//! |---|---|
//! | `sqlite` | tasks in a SQLite file or in memory |
//! | `postgres` | tasks on a PostgreSQL server |
//! | `cli` | `main`, the command line |
//! | `server` | the HTTP service of `tasker serve` |
//! | `http` | [`#[api]`](macro@api) and its client |
//! | `json-schema` | `input_schema` and `result_schema` of templates |
//! | `unique-names` | two handlers of one name do not link; without it the start refuses them |
//! | `bench` | `tasker bench` |

// Expanded code says `::tasker_runtime`, in this crate as well.
#[allow(unused_extern_crates)]
extern crate self as tasker_runtime;

pub mod api;
#[cfg(feature = "cli")]
pub(crate) mod cli;
pub mod clock;
pub mod config;
pub(crate) mod dispatch;
pub mod handler;

pub(crate) mod orchestration;
pub mod prelude;
pub mod registry;
#[cfg(feature = "server")]
pub mod server;
pub mod store;
pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use api::Tasker;
#[cfg(feature = "cli")]
pub use cli::{main, main_with};
pub use model::StepError;
#[doc(inline)]
pub use tasker_macros::{
    FromStep, Routes, StepError, api, batch_analyzer, batch_worker, child_workflow, compensates, decision,
    declare_step, event_subscriber, publishes, signal, step_handler, step_handlers, template, timer,
    workflow,
};
#[doc(inline)]
pub use tasker_model as model;
#[doc(inline)]
pub use tasker_template as template;
