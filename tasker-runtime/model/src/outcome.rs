//! What a decision and a batch analyzer say, as the journal keeps it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Json;

/// The result of a decision step: the routes it takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionOutcome {
    /// Names of steps that depend on the decision directly. Empty: none is taken.
    pub routes: Vec<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the decision wants to tell the steps below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
}

/// One slice of the work that a batch analyzer cuts: where it starts and where the next one would.
///
/// Positions are whatever JSON says where in the work something is: row numbers, keys, points in time,
/// objects of several fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CursorConfig {
    /// The first position that belongs to it.
    pub start: Value,
    /// The first position after it.
    pub end: Value,
    /// How many items it has; absent: the distance of two whole numbers, or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
}

impl CursorConfig {
    /// The slice from `start` to before `end` of work whose positions are whole numbers.
    #[must_use]
    pub fn range(start: u64, end: u64) -> Self {
        Self { start: start.into(), end: end.into(), items: None }
    }

    /// How many items it has, if that is known.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.items.or_else(|| self.distance().and_then(|distance| u64::try_from(distance).ok()))
    }

    /// From start to end, where both are whole numbers.
    fn distance(&self) -> Option<i128> {
        Some(whole(&self.end)? - whole(&self.start)?)
    }

    /// Whether `position` is one of this slice or its end, where that can be told: among whole numbers.
    pub fn has(&self, position: &Value) -> bool {
        let ends = whole(&self.start).zip(whole(&self.end)).zip(whole(position));
        ends.is_none_or(|((start, end), position)| (start..=end).contains(&position))
    }

    /// Why nothing can lie between its ends.
    pub fn problem(&self) -> Option<String> {
        let Self { start, end, items } = self;
        if std::mem::discriminant(start) != std::mem::discriminant(end) {
            return Some(format!("it goes from {start} to {end}, which are not of one kind"));
        }
        match (self.distance(), items) {
            (Some(distance), _) if distance < 0 => Some(format!("it goes from {start} back to {end}")),
            (Some(distance), Some(items)) if distance != i128::from(*items) => {
                Some(format!("from {start} to {end} there are {distance} items, not {items}"))
            }
            _ => None,
        }
    }
}

/// A whole number of any size that JSON numbers have here.
fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

/// The result of a batch analyzer: one cursor for each instance of its worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchOutcome {
    /// The slices, in batch order. Empty: no instance runs.
    pub batches: Vec<CursorConfig>,
    /// Why there are none, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the analyzer wants to tell the steps below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
}

/// Why an outcome cannot be followed. The step that gave it has failed for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The result is not what a step of this type returns.
    #[error("the result of {step_type} step `{step}` must be {expected}: {problem}")]
    Shape {
        /// The step.
        step: String,
        /// Its type, as templates write it.
        step_type: &'static str,
        /// What it must return.
        expected: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A decision named a route that is no step below it.
    #[error(
        "decision `{step}` takes the route `{route}`, which {}; its routes are {}{}",
        if *elsewhere { "is a step but does not depend on it directly" } else { "is no step" },
        valid.join(", "),
        nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
    )]
    UnknownRoute {
        /// The decision.
        step: String,
        /// The name it gave.
        route: String,
        /// There is such a step, elsewhere.
        elsewhere: bool,
        /// The names it may give.
        valid: Vec<String>,
        /// The valid name that is nearest.
        nearest: Option<String>,
    },
    /// An analyzer cut a slice that cannot be.
    #[error("batch {batch} of analyzer `{step}` cannot be: {problem}")]
    Cursor {
        /// The analyzer.
        step: String,
        /// Which batch, from 1.
        batch: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// An analyzer asked for more instances than a batch may have.
    #[error("analyzer `{step}` asks for {asked} batches, at most {most} are possible")]
    TooManyBatches {
        /// The analyzer.
        step: String,
        /// How many it asked for.
        asked: usize,
        /// How many are possible.
        most: u32,
    },
}
