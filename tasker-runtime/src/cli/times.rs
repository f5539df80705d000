//! Lengths and points of time, as people write them.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::model::Timestamp;

/// A length of time as people write it; a day has 24 hours.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time such as 30d, 12h or 90m");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours());
    Duration::try_from(length.map_err(|_| wrong())?).map_err(|_| wrong())
}

/// A point in time, or how long ago it was.
pub(crate) fn point(text: &str) -> Result<Timestamp, String> {
    point_at(text, jiff::Timestamp::now().as_microsecond())
}

/// The same where it is so many microseconds after 1970-01-01 UTC.
fn point_at(text: &str, now: i64) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_micros(time.as_microsecond()));
    }
    let wrong = |_| {
        format!(
            "`{text}` is neither a time like 2026-12-24T18:00:00+01:00 nor how long ago, as 30d, 12h or 90m"
        )
    };
    let ago = i64::try_from(age(text).map_err(wrong)?.as_micros()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_micros(now.saturating_sub(ago)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_as_people_write_them() {
        let day = 86_400;
        for (text, seconds) in
            [("30d", 30 * day), ("12h", 43_200), ("90m", 5_400), ("1d 2h", day + 7_200), ("0s", 0)]
        {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "d", "-1d", "1y", "1mo", "many days", "1e9d", "99999999999999999999d"] {
            let problem = age(text).unwrap_err();
            assert_eq!(problem, format!("`{text}` is not a length of time such as 30d, 12h or 90m"));
        }
    }

    #[test]
    fn points_are_read_as_a_time_or_as_how_long_ago() {
        let now = 1_700_000_000_000_000;
        for (text, micros) in [
            ("2023-11-14T22:13:20Z", now),
            ("2023-11-14T23:13:20.5+01:00", now + 500_000),
            ("2h", now - 7_200_000_000),
            ("0s", now),
        ] {
            assert_eq!(point_at(text, now), Ok(Timestamp::from_micros(micros)), "{text}");
        }
        for text in ["", "yesterday", "2023-11-14", "2023-11-14T22:13:20", "-2h"] {
            let problem = point_at(text, now).unwrap_err();
            assert!(problem.starts_with(&format!("`{text}` is neither a time like")), "{problem}");
        }
    }
}
