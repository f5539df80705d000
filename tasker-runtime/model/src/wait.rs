//! What a step waits for that no handler brings, and how it ends.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json, value::RawValue};

use super::{Json, StepError, Timestamp};

/// What a step waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// Its start: it calls its handler so much later than it could.
    Delay(Duration),
    /// The end of a timer.
    Timer(Due),
    /// A signal of this name.
    Signal {
        /// The name.
        name: Arc<str>,
        /// How long it is waited for; `None`: for ever.
        timeout: Option<Duration>,
        /// What happens when it has not come by then.
        on_timeout: OnTimeout,
    },
    /// Tasks of another workflow, which it starts.
    Children(Children),
}

/// The tasks of another workflow that a step starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Children {
    /// Where their contexts stand.
    pub input: Place,
    /// A task for each item of a list that stands there; otherwise one task alone.
    pub each: bool,
    /// How many of them run at once at most, from 1.
    pub parallelism: u32,
    /// One that does not complete is part of the result instead of the step's failure.
    pub collect: bool,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the context, at the end of this way.
    Context(Box<[String]>),
    /// In the result of this step, at the end of this way.
    Result(u32, Box<[String]>),
}

/// When a timer is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// So long after the last of what it depends on.
    After(Duration),
    /// At the time that stands in the context, at the end of this way.
    Context(Box<[String]>),
    /// At the time that stands in the result of this step, at the end of this way.
    Result(u32, Box<[String]>),
}

/// What becomes of a step whose signal has not come in time.
#[derive(Clone, Debug, PartialEq)]
pub enum OnTimeout {
    /// It fails for good.
    Fail,
    /// It is left out.
    Skip,
    /// It has this result.
    Default(Json),
}

/// How a wait ended, as it is to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum WaitEnd {
    /// The step has this result, which the signal of this number brought; 0: none did.
    Result(Json, u32),
    /// The step is left out.
    Skipped,
    /// The step failed for good.
    Failed(StepError),
}

impl Wait {
    /// Whether the wait itself is what the step is: it calls no handler.
    #[must_use]
    pub const fn is_whole_step(&self) -> bool {
        !matches!(self, Self::Delay(_))
    }

    /// The name of the signal, if it waits for one.
    #[must_use]
    pub fn signal(&self) -> Option<&Arc<str>> {
        match self {
            Self::Signal { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// The JSON at the end of `path` in `json`, as it is written there.
///
/// # Errors
/// When there is no such field; the text names it, as `of` and the path.
pub(crate) fn json_in(json: &Json, of: &str, path: &[String]) -> Result<Json, String> {
    let mut at: &RawValue =
        serde_json::from_str(json.as_str()).map_err(|problem| format!("`{of}` cannot be read: {problem}"))?;
    for (place, name) in path.iter().enumerate() {
        let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(at.get()).unwrap_or_default();
        let Some(field) = fields.get(name.as_str()) else {
            return Err(format!("`{}` is not there", named(of, &path[..=place])));
        };
        at = field;
    }
    Ok(Json::stored(at.get()))
}

/// The items of the list at the end of `path` in `json`.
///
/// # Errors
/// As [`json_in`], and when it is not a list.
pub(crate) fn items_in(json: &Json, of: &str, path: &[String]) -> Result<Vec<Json>, String> {
    let list = json_in(json, of, path)?;
    let items: Result<Vec<&RawValue>, _> = serde_json::from_str(list.as_str());
    match items {
        Ok(items) => Ok(items.into_iter().map(|item| Json::stored(item.get())).collect()),
        Err(_) => {
            let shown: String = list.as_str().chars().take(60).collect();
            Err(format!("`{}` is {shown}, not a list", named(of, path)))
        }
    }
}

/// A field in words: `$.order.items`.
fn named(of: &str, path: &[String]) -> String {
    path.iter().fold(of.to_owned(), |text, name| format!("{text}.{name}"))
}

/// The time at the end of `path` in `json`.
///
/// # Errors
/// When there is no such field or it is not a time; the text names it, as `of` and the path.
pub(crate) fn time_in(json: &Json, of: &str, path: &[String]) -> Result<Timestamp, String> {
    let named = || named(of, path);
    let root = json.to_value();
    let found = path.iter().try_fold(&root, |value, name| value.get(name));
    let Some(found) = found else { return Err(format!("`{}` is not there", named())) };
    found.as_str().and_then(Timestamp::read).ok_or_else(|| {
        let shown: String = found.to_string().chars().take(60).collect();
        format!("`{}` is {shown}, not a time like \"2026-12-24T18:00:00+01:00\"", named())
    })
}

/// The result of a timer that was due at `due` and is over at `passed`.
#[must_use]
pub(crate) fn timer_result(due: Timestamp, passed: Timestamp) -> Json {
    let result: Value = json!({ "due": due.to_string(), "passed": passed.to_string() });
    Json::of(&result).unwrap_or_else(|_| Json::null())
}
