//! What expanded code names, and nobody else. Not part of the interface, though the compiler may name it: the
//! names say which rule is broken.

pub use core;
pub use core::option::Option;
pub use core::primitive::{bool, str, u8};
pub use core::result::Result::Ok;
pub use serde_json::Value;
pub use std::string::String;
pub use std::vec::Vec;

pub use async_trait::async_trait;
pub use inventory;
pub use serde;
pub use tasker_template::{Backoff, DeliveryMode, EventCondition, OnConflict, OnFailure};

pub use crate::api::typed::{
    AnyContext, AnyOutput, IsStep, NoStep, Nth, Runs, StepOrNone, Typed, WorkflowType, child_of, child_result,
};
pub use crate::handler::annotated::{
    Call, Place, StepFn, by_hand, entry, here, listed, millis, never_called, not_here, run, run_with_step,
};
pub use crate::handler::around::{Wrapper, within};
pub use crate::handler::calls::{Shares, Sharing, call_0, call_1, call_2, call_3, call_4, call_5, call_6};
pub use crate::handler::child::{ChildFailure, ChildOf, ChildResults, DeclaredChild};
pub use crate::handler::compensating::{Same, comes_not_after, compensates, marked, takes_one_batch};
pub use crate::handler::decision::{AsRoute, IsDecision, Route};
pub use crate::handler::defaults::{DefaultOf, DefaultText, DefaultValue, default_text, default_value};
pub use crate::handler::hidden::{Hides, HidesError, HidesNothing, hides_no_error};
#[cfg(feature = "http")]
pub use crate::handler::http::ApiCapable;
pub use crate::handler::inputs::{ByType, OfAll, OfField, OfStep};
pub use crate::handler::param::{
    Fallback, FieldInput, Gathers, Kind, NoContext, Parameter, Pick, Readable, StepInput, after, compensated,
    depends_on, never_taken, one_context, some_api,
};
pub use crate::handler::plan::{AnyPosition, IsPlan, Positions};
pub use crate::handler::returned::{
    Fallible, IsResult, OwnError, Plain, Returned, StepFailure, StepOutput, StepReturn, choice_result,
    decision_result, is_worker, permanent, plan_result, step_result, takes_its_batch,
};
pub use crate::handler::round::{Carryable, LoopEnd, Looping, carries};
pub use crate::handler::routes::{
    Carried, Carrier, Data, NoRoutes, Routes, RoutesOf, Taken, array, decided, nothing, object, read_routes,
    routes_of, taken,
};
pub use crate::handler::schema::{Describe, Schemas};
#[cfg(feature = "schema")]
pub use crate::handler::schema::{Described, NotDescribed};
pub use crate::handler::subscriber::{
    EventSubscriber, FromEvent, Heard, Hearing, LinkedSubscriber, SubscriberSpec, heard, hearing,
    never_heard, subscriber,
};
pub use crate::handler::upstream::{CompensatedOf, OutputOf};
pub use crate::handler::wait::{
    Absent, DeclaredSignal, DeclaredTimer, Signal, TimerEnd, comes_after, given_default,
};
pub use crate::handler::{
    BatchableCapable, Batches, Compensates, Compensating, Decision, DecisionCapable, Declared as Facts,
    Endpoint, FromStep, Linked, Need, Publish, Registration, State, StepHandler, TaskSequenceStep, Upstream,
};
pub use crate::model::{Classified, DEFAULT_ROUNDS, Derived, Json, StepError, classified};
pub use crate::registry::Workflow;
pub use crate::registry::const_check::ends::{check_marked, last, names, reader, reader_of};
pub use crate::registry::const_check::listed::{as_listed, is_step, workflow_step};
pub use crate::registry::const_check::splice::{
    Part, count, joined, of_all, own_number, own_numbers, own_steps,
};
pub use crate::registry::const_check::template::{
    TemplateStep, Wanted, check_template, pick, readers, template_step,
};
pub use crate::registry::const_check::workflow::{Listed, Names, check_workflow};
pub use crate::registry::declared::DeclaredStep;
pub use crate::registry::workflow::Settings;
pub use crate::testing::{Given, given};
