//! Workflow templates: the value, its YAML form and the checks both pass.
//!
//! A [`Template`] names a workflow: its [`Step`]s, their handlers and the edges between them. It comes
//! from a YAML file ([`Template::parse`], [`load_tree`]), from code ([`Template::builder`]) or from
//! its own canonical text ([`Template::from_canonical`]); all three pass the same checks, and all
//! mistakes are reported at once, each with its place and the way out ([`Report`]).
//!
//! What is accepted is enforced; what is known from other installations and harmless is a warning that
//! says "no effect"; anything else is a mistake. Where a file says nothing, the namespace is `default`
//! and the version 1.0.0.
//!
//! This crate does no more than that: it is used while a program is compiled and while it runs.

mod builder;
mod canonical;
mod check;
mod child;
mod cycles;
mod duration;
mod graph;
#[doc(hidden)]
pub mod headers;
mod limits;
mod load;
mod nearest;
mod nesting;
mod parse;
mod place;
mod read;
mod render;
mod report;
mod retry;
mod scalar;
mod schedule;
mod step;
mod template;
mod tree;
mod wait;
mod words;
mod yaml;

pub use builder::TemplateBuilder;
pub use child::{ChildConfig, ChildInput, OnChildFailure};
pub use duration::duration_ms;
#[doc(hidden)]
pub use duration::{DURATION_FORM, NoDuration, parse_duration};
pub use graph::Graph;
pub use limits::{Concurrency, OnConflict, context_path};
pub use load::{Loaded, LoadedSchedule, load_file, load_schedules, load_tree};
pub use nearest::nearest;
pub use nesting::DecisionChain;
pub use parse::{HandlerCheck, MAX_FILE, Options, Parsed, SchemaCheck, UnknownHandler};
pub use report::{Code, Mistake, Position, Report, Verdict};
pub use retry::{Backoff, RetryOptions};
pub use schedule::{BadSchedule, CatchUp, Overlap, Schedule, Ticks, When};
#[doc(hidden)]
pub use step::MOST_ROUNDS;
pub use step::{
    BatchConfig, DeliveryMode, EventCondition, EventNameProblem, FailureStrategy, HandlerRef, PublishedEvent,
    Step, StepKind, event_name_problem, event_pattern_problem,
};
pub use template::{Lifecycle, OnFailure, StalenessAction, Template};
#[doc(hidden)]
pub use wait::LONGEST_WAIT_MS;
pub use wait::{OnTimeout, SignalConfig, Source, TimerConfig};
