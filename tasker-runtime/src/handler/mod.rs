//! What a handler sees and what it gives back.
//!
//! A handler is an async function with `#[step_handler]`, or a type that implements [`StepHandler`] by
//! hand. It is called once for each attempt with a [`TaskSequenceStep`], from which its parameters are
//! taken: [`FromStep`] is the trait behind that, and everything else here is either such a parameter or
//! what the registry knows about a handler before it is called.

pub(crate) mod annotated;
pub(crate) mod around;
mod batch;
pub(crate) mod callable;
pub(crate) mod calls;
mod capable;
pub(crate) mod child;
pub(crate) mod compensating;
pub(crate) mod const_message;
pub(crate) mod decision;
mod declared;
pub(crate) mod defaults;
mod endpoint;
mod events;
mod extract;
mod field;
pub(crate) mod hidden;
#[cfg(feature = "http")]
pub mod http;
pub(crate) mod input_error;
pub(crate) mod inputs;
pub(crate) mod param;
pub(crate) mod plan;
mod registration;
mod result_ext;
pub(crate) mod returned;
pub(crate) mod round;
pub(crate) mod routes;
pub(crate) mod schema;
mod spec;
mod states;
mod step;
pub(crate) mod subscriber;
mod traits;
pub(crate) mod upstream;
pub(crate) mod wait;
pub(crate) mod wiring;

pub use annotated::Calling;
#[doc(hidden)]
pub use annotated::StepFn;
pub use around::{Around, Next, Outcome};
pub use batch::{BatchFailure, BatchPart, Batches, Checkpoint, Cursor, Instance, Progressing, Saved};
pub use capable::{BatchableCapable, DecisionCapable};
pub use child::ChildFailure;
#[doc(hidden)]
pub use child::ChildResults;
pub use compensating::{Compensates, Compensating};
pub use decision::Decision;
#[doc(hidden)]
pub use declared::Declared;
pub use declared::{Capability, Need, TypeFacts};
pub use endpoint::Endpoint;
pub use events::Events;
#[doc(hidden)]
pub use events::Publish;
pub use extract::{Attempt, Cancelled, Config, IdempotencyKey, State, StepInfo};
#[doc(hidden)]
pub use param::{Readable, StepInput};
pub use plan::{BatchPlan, IntoSlice, Slice};
#[doc(hidden)]
pub use registration::Entry;
pub use registration::{Linked, Registration};
pub use result_ext::{OptionExt, ResultExt};
#[doc(hidden)]
pub use returned::{StepFailure, StepOutput};
pub use round::{IntoDelay, Loop, NextState, Round, RoundState, Rounds};
pub use routes::Routes;
pub use spec::{Compensated, HandlerSpec, Role};
pub use states::States;
pub use step::{Results, StepParts, TaskData, TaskSequenceStep, Upstream};
pub use subscriber::{Event, FromEvent, Heard, Subscriber};
pub use traits::{DynHandler, FromStep, StepHandler};
#[doc(hidden)]
pub use upstream::OutputOf;
pub use wait::{Signal, TimerEnd};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod derived_error_tests;
#[cfg(test)]
mod tests;
