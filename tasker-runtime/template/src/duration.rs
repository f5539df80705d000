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

/// The milliseconds that `text` stands for: numbers with the units `ms`, `s`, `m`, `h` and `d`, as in `1h30m`.
///
/// ```
/// use tasker_template::duration_ms;
///
/// assert_eq!(duration_ms("1h30m"), Some(5_400_000));
/// assert_eq!(duration_ms("90"), None);
/// ```
#[must_use]
pub fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = (!rest.is_empty()).then_some(0_u64)?;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, after) = after.split_at(after.bytes().take_while(u8::is_ascii_alphabetic).count());
        let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = number.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(total)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// The units by name, in milliseconds, the largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration of whole milliseconds as [`duration_ms`] reads it.
pub(crate) fn text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS.iter().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor));
    let (name, factor) = unit.copied().unwrap_or(("ms", 1));
    format!("{}{name}", millis / factor)
}

/// Written as text.
pub(crate) fn as_text<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    duration.map(text).serialize(to)
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
