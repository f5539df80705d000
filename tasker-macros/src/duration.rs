//! Durations as text: `200ms`, `30s`, `5m`, `1h30m`, `2d`.

use tasker_template::{DURATION_FORM, NoDuration, parse_duration};

/// The longest one, 30 days, in milliseconds.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1_000;

/// The milliseconds that `text` stands for.
///
/// # Errors
/// What is wrong with it, and what to write.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    if !text.trim().is_empty() && text.trim().bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{text}` has no unit: {DURATION_FORM}"));
    }
    match parse_duration(text) {
        Ok(millis) if millis <= LONGEST => Ok(millis),
        Ok(_) | Err(NoDuration::TooLong) => Err(format!("`{text}` is too long: at most 30 days")),
        Err(NoDuration::Form) => Err(format!("`{text}` is not a duration: {DURATION_FORM}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_unit_are_milliseconds() {
        for (text, millis) in [
            ("200ms", 200),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1m 30s", 90_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
        assert_eq!(parse("30d"), Ok(LONGEST));
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for text in ["", "s", "30x", "1.5s", "-1s", "30 s", "s30", "١s"] {
            assert!(parse(text).is_err_and(|error| error.contains("is not a duration")), "{text}");
        }
        assert!(parse("30").is_err_and(|error| error.contains("has no unit")));
        for text in ["31d", "99999999999999999999s", "18446744073709551615d"] {
            assert!(parse(text).is_err_and(|error| error.contains("too long")), "{text}");
        }
    }
}
