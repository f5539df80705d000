//! What a step waits for that no handler brings: a time, or somebody.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::duration;

/// The longest wait that a template may ask for, ten years, in milliseconds.
#[doc(hidden)]
pub const LONGEST_WAIT_MS: u64 = 10 * 366 * 24 * 60 * 60 * 1_000;

/// When a step of type `timer` is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerConfig {
    /// So long after the last of the steps that it depends on, or after the submission of the task where it depends
    /// on none; 1 ms to ten years.
    Delay(Duration),
    /// At the point in time that stands there, as RFC 3339 text: `2026-12-24T18:00:00+01:00`.
    Until(Source),
}

/// Where a value stands that a step needs which calls nothing: in the context of the task, or in the result of a step
/// that it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The step whose result it is in; `None`: the context.
    pub step: Option<String>,
    /// The way there from the root, by the names of fields; empty: the root is it.
    pub path: Vec<String>,
}

impl Source {
    /// The source that `text` means for a step with these dependencies: `$.reminder.at` a field of the context,
    /// `invite.due` a field of the result of `invite`.
    ///
    /// ```
    /// use tasker_template::Source;
    ///
    /// let field = Source::parse("invite.due", ["invite"]).unwrap();
    /// assert_eq!((field.step.as_deref(), field.path), (Some("invite"), vec!["due".to_owned()]));
    /// assert_eq!(Source::parse("$.at", []).unwrap().step, None);
    /// assert_eq!(Source::parse("charge.at", ["invite"]), None);
    /// ```
    #[must_use]
    pub fn parse<'d>(text: &str, dependencies: impl IntoIterator<Item = &'d str>) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('$') {
            return Some(Self { step: None, path: fields(rest)? });
        }
        // Names of steps may have dots as well: the longest that fits is meant.
        let mut steps: Vec<&str> = dependencies.into_iter().collect();
        steps.sort_unstable_by_key(|step| std::cmp::Reverse(step.len()));
        let found = steps.into_iter().find_map(|step| Some((step, fields(text.strip_prefix(step)?)?)))?;
        Some(Self { step: Some(found.0.to_owned()), path: found.1 })
    }
}

/// The names in `.a.b`; `None` where that is no way.
fn fields(rest: &str) -> Option<Vec<String>> {
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let names: Vec<String> = rest.strip_prefix('.')?.split('.').map(str::to_owned).collect();
    (!names.iter().any(String::is_empty)).then_some(names)
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.step.as_deref().unwrap_or("$"))?;
        self.path.iter().try_for_each(|name| write!(f, ".{name}"))
    }
}

impl Serialize for TimerConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1))?;
        match self {
            Self::Delay(delay) => map.serialize_entry("delay", &duration::text(*delay))?,
            Self::Until(source) => map.serialize_entry("until", &source.to_string())?,
        }
        map.end()
    }
}

/// What a step of type `signal` waits for.
///
/// ```
/// use std::time::Duration;
/// use tasker_template::{OnTimeout, SignalConfig};
///
/// let mut approval = SignalConfig::default();
/// approval.timeout = Some(Duration::from_secs(3 * 86_400));
/// approval.on_timeout = OnTimeout::Skip;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SignalConfig {
    /// The name it is sent by; absent: the name of the step. Several steps may wait for signals of one name: each
    /// signal settles one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The JSON Schema that its payload satisfies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// How long it is waited for, 1 ms to ten years, from the last of the steps that it depends on; absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration::as_text")]
    pub timeout: Option<Duration>,
    /// What happens when it has not come by then.
    #[serde(skip_serializing_if = "OnTimeout::is_default")]
    pub on_timeout: OnTimeout,
}

/// What becomes of a step whose signal has not come in time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// It fails for good, as `SIGNAL_TIMEOUT`.
    #[default]
    Fail,
    /// It is left out, like a branch that is not taken.
    Skip,
    /// It has this result.
    Default(Value),
}

impl OnTimeout {
    fn is_default(&self) -> bool {
        *self == Self::Fail
    }
}
