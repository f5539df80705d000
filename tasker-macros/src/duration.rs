//! Durations as text: `200ms`, `30s`, `5m`, `1h30m`, `2d`.

/// The longest one, 30 days, in milliseconds.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1_000;

/// The milliseconds that `text` stands for.
///
/// # Errors
/// What is wrong with it, and what to write.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    const FORM: &str = "write a number and a unit: `200ms`, `30s`, `5m`, `1h30m` or `2d`";
    let bad = || format!("`{text}` is not a duration: {FORM}");
    let too_long = || format!("`{text}` is too long: at most 30 days");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{text}` has no unit: {FORM}"));
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let factor: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        if number.is_empty() {
            return Err(bad());
        }
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        total = part.and_then(|part| part.checked_add(total)).ok_or_else(too_long)?;
        rest = after.trim_start();
    }
    if total > LONGEST { Err(too_long()) } else { Ok(total) }
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
