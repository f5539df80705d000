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
    parse_duration(text).ok()
}

/// What to write for a duration.
#[doc(hidden)]
pub const DURATION_FORM: &str = "write a number and a unit: `200ms`, `30s`, `5m`, `1h30m` or `2d`";

/// Why a text stands for no number of milliseconds.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDuration {
    /// It has another form.
    Form,
    /// No number holds it.
    TooLong,
}

/// As [`duration_ms`], with what is wrong.
///
/// # Errors
/// When it has another form, or is longer than any number of milliseconds.
#[doc(hidden)]
pub fn parse_duration(text: &str) -> Result<u64, NoDuration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(NoDuration::Form);
    }
    let mut total = Some(0_u64);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, after) = after.split_at(after.bytes().take_while(u8::is_ascii_alphabetic).count());
        let factor = UNITS.iter().find(|(name, _)| *name == unit && !number.is_empty());
        let (_, factor) = factor.ok_or(NoDuration::Form)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
        total = part.zip(total).and_then(|(part, total)| part.checked_add(total));
        rest = after.trim_start();
    }
    total.ok_or(NoDuration::TooLong)
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
