//! Durations as templates write them: whole milliseconds inside, a number of a unit outside.
//!
//! A number with decimals comes back as the same number of milliseconds, because milliseconds are
//! rounded to the nearest on the way in.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// The number of `unit_ms` in `duration`: a whole number where it is one.
fn write<S: Serializer>(duration: Option<&Duration>, unit_ms: u64, to: S) -> Result<S::Ok, S::Error> {
    let Some(duration) = duration else { return to.serialize_none() };
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis.is_multiple_of(unit_ms) {
        (millis / unit_ms).serialize(to)
    } else {
        // Both are far below 2^53, so the quotient is exact enough to find the milliseconds again.
        (millis as f64 / unit_ms as f64).serialize(to)
    }
}

/// Written in milliseconds.
pub(crate) mod millis {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        write(value.as_ref(), 1, to)
    }
}

/// Written in seconds.
pub(crate) mod seconds {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        write(value.as_ref(), 1_000, to)
    }
}

/// Written in minutes.
pub(crate) mod minutes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        write(value.as_ref(), 60_000, to)
    }
}
