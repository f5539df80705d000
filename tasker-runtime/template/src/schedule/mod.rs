//! When tasks start by themselves.

mod cron;
mod ticks;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::duration;
use crate::words::words;

pub use ticks::{BadSchedule, Ticks};

words! {
    /// What happens at a tick while the task of the last one is not over.
    #[derive(Default)]
    pub enum Overlap {
        /// The tick starts nothing.
        #[default]
        Skip = "skip",
        /// It starts a task once the one before is over; of more than 1,000 ticks that wait the oldest are dropped.
        Queue = "queue",
        /// The running task is cancelled, and the next one starts.
        CancelRunning = "cancel_running",
        /// Both run.
        Allow = "allow",
    }
}

words! {
    /// What becomes of ticks that nobody saw in time, because no process ran.
    #[derive(Default)]
    pub enum CatchUp {
        /// The last of them starts a task, late.
        #[default]
        Last = "last",
        /// None does: a tick that is seen more than a minute late starts nothing.
        None = "none",
        /// Each does, of more than 1,000 the last ones.
        All = "all",
    }
}

/// How the ticks of a schedule follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// By the clock on the wall: five fields (minute, hour, day of the month, month, day of the week), six with the
    /// second before them, or one of `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`.
    Cron(String),
    /// So long apart, 1 s to ten years, counted from [`start`](Schedule::start), or from 1970 where it says none: so
    /// `1h` is at each full hour.
    Every(Duration),
}

/// When tasks start by themselves, and with what.
///
/// ```
/// use tasker_template::{CatchUp, Schedule, Template, Step};
///
/// let mut nightly = Schedule::cron("30 2 * * *").timezone("Europe/Berlin");
/// nightly.catch_up = CatchUp::None;
/// let report = Template::builder("report").step(Step::new("write")).schedule(nightly).build()?;
/// assert_eq!(report.schedules().len(), 1);
///
/// let never = Schedule::cron("0 0 31 2 *");
/// let refused = Template::builder("report").step(Step::new("write")).schedule(never).build().unwrap_err();
/// assert_eq!(refused.mistakes[0].message, "`cron` never comes: no such day in the next 40 years");
/// # Ok::<(), tasker_template::Report>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its name, 1 to 200 of letters, digits, `_`, `.`, `-` and `/`; absent: that of its template, `namespace/name`.
    pub name: Option<String>,
    /// How its ticks follow one another.
    pub when: When,
    /// The zone of the IANA database by whose clock a [`When::Cron`] is read; absent: UTC.
    pub timezone: Option<String>,
    /// Each task starts up to so much after its tick, which spreads what would start at once.
    pub jitter: Option<Duration>,
    /// The first moment that may be a tick, as RFC 3339 text; absent: whenever it is made.
    pub start: Option<String>,
    /// No tick comes after it, as RFC 3339 text; absent: there is no end.
    pub end: Option<String>,
    /// What happens at a tick while the task of the last one is not over.
    pub overlap: Overlap,
    /// What becomes of ticks that nobody saw in time.
    pub catch_up: CatchUp,
    /// The context of its tasks. `{{scheduled_at}}` in a text stands for the time of the tick, as RFC 3339 text in the
    /// zone of the schedule, and `{{schedule}}` for its name.
    pub input: Value,
    /// It starts nothing until it is resumed.
    pub paused: bool,
}

impl Schedule {
    fn new(when: When) -> Self {
        Self {
            name: None,
            when,
            timezone: None,
            jitter: None,
            start: None,
            end: None,
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            input: Value::Object(Map::new()),
            paused: false,
        }
    }

    /// One by the clock on the wall, in UTC; see [`When::Cron`].
    #[must_use]
    pub fn cron(expression: impl Into<String>) -> Self {
        Self::new(When::Cron(expression.into()))
    }

    /// One whose ticks are so long apart; see [`When::Every`].
    #[must_use]
    pub fn every(period: Duration) -> Self {
        Self::new(When::Every(period))
    }

    /// Gives it a name of its own.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Reads its times by the clock of this zone: `Europe/Berlin`.
    #[must_use]
    pub fn timezone(self, name: impl Into<String>) -> Self {
        Self { timezone: Some(name.into()), ..self }
    }

    /// Gives its tasks this context.
    #[must_use]
    pub fn input(self, input: Value) -> Self {
        Self { input, ..self }
    }

    /// The context of the task of a tick, with what its texts stand for.
    ///
    /// ```
    /// use serde_json::json;
    /// use tasker_template::Schedule;
    ///
    /// let nightly = Schedule::cron("@daily").input(json!({"day": "{{scheduled_at}}", "of": ["{{schedule}}!"]}));
    /// assert_eq!(nightly.input_at("report", "2026-03-29T00:00:00Z"), json!({"day": "2026-03-29T00:00:00Z", "of": ["report!"]}));
    /// ```
    #[must_use]
    pub fn input_at(&self, name: &str, scheduled_at: &str) -> Value {
        let mut input = self.input.clone();
        let mut open = vec![&mut input];
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) if text.contains("{{") => {
                    *text = text.replace(SCHEDULED_AT, scheduled_at).replace(SCHEDULE, name);
                }
                Value::Array(items) => open.extend(items),
                Value::Object(map) => open.extend(map.values_mut()),
                _ => {}
            }
        }
        input
    }

    /// The first thing in the input that stands for nothing: `{{when}}`.
    pub(crate) fn unknown_placeholder(&self) -> Option<String> {
        let mut open = vec![&self.input];
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) => {
                    let rest = text.replace(SCHEDULED_AT, "").replace(SCHEDULE, "");
                    if let Some((_, rest)) = rest.split_once("{{")
                        && let Some((name, _)) = rest.split_once("}}")
                    {
                        return Some(name.to_owned());
                    }
                }
                Value::Array(items) => open.extend(items),
                Value::Object(map) => open.extend(map.values()),
                _ => {}
            }
        }
        None
    }
}

/// The time of the tick, in an input.
const SCHEDULED_AT: &str = "{{scheduled_at}}";

/// The name of the schedule, in an input.
const SCHEDULE: &str = "{{schedule}}";

/// What an input may hold, without the braces.
pub(crate) const PLACEHOLDERS: [&str; 2] = ["scheduled_at", "schedule"];

impl Serialize for Schedule {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'s> {
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<&'s str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            cron: Option<&'s str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            every: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            timezone: Option<&'s str>,
            #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration::as_text")]
            jitter: Option<Duration>,
            #[serde(skip_serializing_if = "Option::is_none")]
            start: Option<&'s str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            end: Option<&'s str>,
            #[serde(skip_serializing_if = "is_default")]
            overlap: Overlap,
            #[serde(skip_serializing_if = "is_default")]
            catch_up: CatchUp,
            #[serde(skip_serializing_if = "is_empty")]
            input: &'s Value,
            #[serde(skip_serializing_if = "is_default")]
            paused: bool,
        }
        fn is_default<T: Default + PartialEq>(value: &T) -> bool {
            *value == T::default()
        }
        fn is_empty(input: &&Value) -> bool {
            input.as_object().is_some_and(Map::is_empty)
        }
        let (cron, every) = match &self.when {
            When::Cron(text) => (Some(text.as_str()), None),
            When::Every(period) => (None, Some(duration::text(*period))),
        };
        Written {
            name: self.name.as_deref(),
            cron,
            every,
            timezone: self.timezone.as_deref(),
            jitter: self.jitter,
            start: self.start.as_deref(),
            end: self.end.as_deref(),
            overlap: self.overlap,
            catch_up: self.catch_up,
            input: &self.input,
            paused: self.paused,
        }
        .serialize(to)
    }
}
