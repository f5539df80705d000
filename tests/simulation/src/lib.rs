//! Whole engines over a model of the store, from one seed, with everything that can go wrong.
//!
//! The task loops are those of the engine; what drives them and the store they write to are models, which
//! follow `tasker-runtime/src/dispatch` and the statements under `tasker-runtime/sql`. A [`Scenario`] says what
//! happens in one history; [`run`] lets it happen and says which [`Promise`] was broken; [`shrink`] leaves out
//! what it does not need for that.
//!
//! ```
//! use tasker_simulation::{Scenario, run};
//!
//! let scenario = Scenario::random(1);
//! assert_eq!(run(&scenario, false).broken, None);
//! ```

mod checker;
mod engine;
mod history;
mod scenario;
mod shrink;
mod store;
mod workflow;
mod world;

pub use checker::{Broken, Promise};
pub use history::{History, run};
pub use scenario::{EngineSpec, Fault, FaultKind, Link, Operation, Scenario, Submission, Temper, Verb};
pub use shrink::shrink;
pub use workflow::{StepSpec, Workflow};
