//! For the tests of users: one step, a whole workflow, and the checks of a start.
//!
//! # A handler is a function
//!
//! `#[step_handler]` leaves a function what it is, so most tests need nothing from here:
//!
//! ```
//! use tasker_runtime::prelude::*;
//!
//! #[step_handler]
//! async fn discount(cents: u64, attempt: Attempt) -> u64 {
//!     if attempt.is_last() { cents } else { cents - cents / 10 }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! assert_eq!(discount(500, Attempt { number: 1, max: 3 }).await, 450);
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Every extractor can be made by hand: `State::new(..)`, `Config(..)`, `Cursor::new(0, 10)`,
//! `Checkpoint::in_memory()`, `IdempotencyKey::new("..")`, `Cancelled::never()`.
//!
//! # One step with everything around it
//!
//! [`run_step`] reads the parameters as the engine does, and writes the result as the engine does. What the
//! step needs is given by the test; what it gets wrong about the shape of its inputs comes out here:
//!
//! ```
//! use tasker_runtime::{prelude::*, testing};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Order {
//!     cents: u64,
//! }
//!
//! struct Gateway {
//!     open: bool,
//! }
//!
//! #[step_handler]
//! async fn validate(order: Order) -> Order {
//!     order
//! }
//!
//! #[step_handler]
//! async fn charge(#[depends_on(validate)] order: Order, gateway: State<Gateway>) -> Result<u64, StepError> {
//!     if gateway.open { Ok(order.cents) } else { Err(StepError::retryable("GATEWAY_DOWN", "closed")) }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let order = Order { cents: 1250 };
//! let paid = testing::run_step::<charge>().result_of::<validate>(&order).state(Gateway { open: true }).await;
//! assert_eq!(paid.result::<u64>()?, 1250);
//!
//! let closed = testing::run_step::<charge>().result_of::<validate>(&order).state(Gateway { open: false }).await;
//! assert!(closed.is_retryable());
//! assert_eq!(closed.error().map(StepError::code), Some("GATEWAY_DOWN"));
//!
//! let forgotten = testing::run_step::<charge>().result_of::<validate>(&order).await;
//! assert_eq!(forgotten.error().map(StepError::code), Some("MISSING_STATE"));
//! # Ok::<(), StepError>(())
//! # }).unwrap();
//! ```
//!
//! Decisions, analyzers and batch workers say what they did:
//!
//! ```
//! use tasker_runtime::{handler::Saved, prelude::*, testing};
//!
//! #[step_handler]
//! async fn approve() {}
//!
//! #[step_handler]
//! #[decision(routes = [approve])]
//! async fn route(cents: u64) -> Decision {
//!     if cents > 1000 { Decision::route([approve]) } else { Decision::skip("too little to ask for") }
//! }
//!
//! #[step_handler]
//! #[batch_worker]
//! async fn add_up(rows: Cursor<u64>, progress: Checkpoint<u64>) -> Result<u64, StepError> {
//!     let (from, before) = progress.load().await?.map_or((rows.start, 0), |saved| (saved.cursor, saved.partial));
//!     let sum = before + (from..rows.end).sum::<u64>();
//!     progress.save(rows.end, rows.end - rows.start, sum).await?;
//!     Ok(sum)
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! assert_eq!(testing::run_step::<route>().context(&1250).await.routes(), ["approve"]);
//! assert!(testing::run_step::<route>().context(&10).await.routes().is_empty());
//!
//! // An earlier attempt came to 12.
//! let batch = testing::run_step::<add_up>().cursor(10, 14).checkpoint(12, 2, 21).await;
//! assert_eq!(batch.result::<u64>()?, 10 + 11 + 12 + 13);
//! assert_eq!(batch.checkpoints::<u64, u64>()?, [Saved { cursor: 14, items: 4, partial: 46 }]);
//! # Ok::<(), StepError>(())
//! # }).unwrap();
//! ```
//!
//! # A whole workflow
//!
//! [`run`] starts the engine on a database in memory, submits one task and waits for it. Time is a value
//! there: it stands still while something runs, and jumps to the next retry when nothing does, so a test
//! of an hour's backoff takes milliseconds. Failures can be asked for:
//!
//! ```
//! use std::time::Duration;
//! use tasker_runtime::{model::{StepState, TaskState}, prelude::*, testing};
//!
//! #[step_handler(retry(max_attempts = 3, backoff = "none", base = "1h", max = "1h"))]
//! async fn charge(cents: u64) -> u64 {
//!     cents
//! }
//!
//! #[step_handler]
//! async fn ship(#[depends_on(charge)] cents: u64) -> String {
//!     format!("shipped for {cents}")
//! }
//!
//! workflow!(checkout = [charge, ship]);
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let shipped = testing::run(checkout, &1250).fail_first::<charge>(2).await?;
//! assert_eq!(shipped.result::<String>()?, "shipped for 1250");
//! assert_eq!(shipped.attempts("charge"), 3);
//! assert!(shipped.took > Duration::from_secs(90 * 60));
//!
//! let declined = StepError::permanent("CARD_DECLINED", "not enough on it");
//! let stuck = testing::run(checkout, &1250).fail_first_with::<charge>(1, declined).await?;
//! assert_eq!(stuck.state, TaskState::BlockedByFailures);
//! assert_eq!(stuck.result_of::<charge>().unwrap_err().code(), "CARD_DECLINED");
//! assert_eq!(stuck.step("ship").map(|step| step.state), Some(StepState::Pending));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a step would do to the world need not happen: a value or a function stands in for its handler, typed as that is.
//!
//! ```
//! use tasker_runtime::{prelude::*, testing};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Charge {
//!     id: String,
//! }
//!
//! #[step_handler]
//! async fn charge(cents: u64) -> Result<Charge, StepError> {
//!     Err(StepError::permanent("NO_GATEWAY", format!("nobody takes {cents} here")))
//! }
//!
//! #[step_handler]
//! async fn ship(#[depends_on(charge)] charge: Charge, key: IdempotencyKey) -> Result<String, StepError> {
//!     Err(StepError::permanent("NO_LORRY", format!("{} waits as {key}", charge.id)))
//! }
//!
//! workflow!(checkout = [charge, ship]);
//!
//! # testing::block_on(async {
//! let shipped = testing::run(checkout, &1250)
//!     .returns::<charge>(Charge { id: "c-7".to_owned() })
//!     .replace::<ship>(|charge: Charge, _key: IdempotencyKey| async move { Ok(format!("{} is on its way", charge.id)) })
//!     .await?;
//! assert_eq!(shipped.result::<String>()?, "c-7 is on its way");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`WorkflowRun::start`] leaves the time to the test: see [`Running`]. Several tests run at once, each in a
//! database of its own.
//!
//! # Everything fits together
//!
//! One line makes the checks of a start a test; [`check!`](check) says what they are:
//!
//! ```
//! tasker_runtime::testing::check!();
//! ```
//!
//! With `check!(lock = "workflows.lock")` a workflow whose steps, edges or types change while its version stays fails
//! as well, and says what has changed.

mod check;
mod lock;
mod outcome;
mod running;
mod scene;
mod stand_in;
mod step;
mod workflow;

use std::future::IntoFuture;

use crate::model::Timestamp;

#[doc(inline)]
pub use crate::__tasker_check as check;
#[doc(hidden)]
pub use check::{Check, Misfit};
#[doc(hidden)]
pub use outcome::given;
pub use outcome::{Given, StepOutcome};
pub use running::{Finished, Running};
pub use stand_in::{ReplacementOf, StandsFor};
pub use step::{StepRun, run_handler, run_step};
pub use workflow::{Flow, RunError, Tested, WorkflowRun, run};

/// What a future comes to, for a test that is no async function: with it a package needs no runtime among its
/// dependencies.
///
/// ```
/// use tasker_runtime::{prelude::*, testing};
///
/// #[step_handler]
/// async fn double(number: u64) -> u64 {
///     number * 2
/// }
///
/// let outcome = testing::block_on(testing::run_step::<double>().context(&21));
/// assert_eq!(outcome.result::<u64>()?, 42);
/// # Ok::<(), StepError>(())
/// ```
///
/// # Panics
/// In an async function, which awaits instead; and where the system gives no threads.
#[track_caller]
#[allow(clippy::expect_used)]
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads for a runtime").block_on(future.into_future())
}

/// When the clock of a test starts: 2023-11-14 22:13:20 UTC.
pub const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
