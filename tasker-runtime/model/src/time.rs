//! Points in time, as data.

use std::{borrow::Cow, fmt, ops::Add, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time: microseconds since 1970-01-01 UTC.
///
/// The engine never asks for the time in the middle of a rule: the caller says what time it is. On
/// PostgreSQL that is the database's clock, so that all workers agree.
///
/// ```
/// use std::time::Duration;
/// use tasker_model::Timestamp;
///
/// let start = Timestamp::from_micros(1_700_000_000_000_000);
/// assert_eq!((start + Duration::from_secs(2)).since(start), Duration::from_secs(2));
/// assert_eq!(start.since(start + Duration::from_secs(2)), Duration::ZERO); // never negative
/// assert_eq!(start.to_string(), "2023-11-14T22:13:20Z");
/// assert_eq!(serde_json::from_str::<Timestamp>("\"2023-11-14T23:13:20+01:00\"")?, start);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than every other: what is due then is never due by itself.
    pub const NEVER: Self = Self(i64::MAX);

    /// `micros` microseconds after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Timestamp {
    /// So many microseconds later, or earlier. [`NEVER`](Self::NEVER) stays what it is.
    #[must_use]
    pub fn shifted(self, micros: i64) -> Self {
        if self == Self::NEVER { self } else { Self(self.0.saturating_add(micros)) }
    }
}

impl Timestamp {
    /// The time that is written as RFC 3339, with any offset.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Some(Self(text.parse::<jiff::Timestamp>().ok()?.as_microsecond()))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, or `never`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => f.write_str("never"),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    /// From RFC 3339 with any offset.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a time like \"2026-12-24T18:00:00+01:00\""))
        })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
