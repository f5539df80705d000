//! Steps that wait, as `#[signal]` and `#[timer]` declare them.

use serde::{Deserialize, Serialize};
use tasker_template::{OnTimeout, SignalConfig, Source, TimerConfig};

use super::Need;
use super::annotated::StepFn;
use crate::model::{Json, Timestamp};

/// A type with `#[signal]`: what somebody sends to a task.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type with `#[signal]`",
    label = "no signal",
    note = "a signal of another program is sent by its name: `tasker.send(task, &Message::named(\"approval\"))`"
)]
pub trait Signal: StepFn + Serialize {
    /// The name it is sent by.
    const NAME: &'static str;
}

/// The result of a timer.
///
/// ```
/// use tasker_runtime::handler::TimerEnd;
///
/// let end: TimerEnd = serde_json::from_str(r#"{"due": "2026-12-24T17:00:00Z", "passed": "2026-12-24T17:00:00.1Z"}"#)?;
/// assert!(end.due < end.passed);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimerEnd {
    /// When it was due.
    pub due: Timestamp,
    /// When it was over: a little later, or earlier where an operator ended it.
    pub passed: Timestamp,
}

/// What `#[signal]` says.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct DeclaredSignal {
    /// What it is sent by; `None`: the name of its step.
    pub name: Option<&'static str>,
    /// How long it is waited for; `None`: for ever.
    pub timeout_ms: Option<u64>,
    /// What happens when it has not come by then.
    pub absent: Absent,
}

/// What becomes of a signal that has not come in time.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub enum Absent {
    /// Its step fails for good.
    Fails,
    /// Its step is left out.
    Skipped,
    /// This stands for it.
    Given(fn() -> Json),
}

/// What `#[timer]` says: one of the two.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct DeclaredTimer {
    /// How long it takes.
    pub delay_ms: Option<u64>,
    /// Where its time stands: in what a step returns, or in the context, and the way there.
    pub until: Option<(Option<&'static str>, &'static str)>,
}

/// An edge without reading.
#[doc(hidden)]
#[must_use]
pub const fn comes_after(name: &'static str) -> Need {
    Need::Step { name, exact: None, optional: false, carried: &[] }
}

/// What stands for a signal that has not come.
#[doc(hidden)]
#[must_use]
pub fn given_default<T: Serialize>(value: &T) -> Json {
    Json::of(value).unwrap_or_else(|_| Json::null())
}

impl DeclaredSignal {
    pub(crate) fn config(&self) -> SignalConfig {
        let on_timeout = match self.absent {
            Absent::Fails => OnTimeout::Fail,
            Absent::Skipped => OnTimeout::Skip,
            Absent::Given(value) => OnTimeout::Default(value().to_value()),
        };
        let timeout = self.timeout_ms.map(std::time::Duration::from_millis);
        SignalConfig { name: self.name.map(str::to_owned), schema: None, timeout, on_timeout }
    }
}

impl DeclaredTimer {
    /// `step` finds the name of a step.
    pub(crate) fn config(&self, step: impl Fn(&'static str) -> String) -> TimerConfig {
        match self.until {
            Some((of, path)) => {
                let path = path.trim_start_matches('$').split('.').filter(|name| !name.is_empty());
                let path = path.map(str::to_owned).collect();
                TimerConfig::Until(Source { step: of.map(step), path })
            }
            None => TimerConfig::Delay(std::time::Duration::from_millis(self.delay_ms.unwrap_or(1))),
        }
    }
}
