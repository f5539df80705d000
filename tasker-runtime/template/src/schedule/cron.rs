//! Crontab expressions by the clock on a wall. The library finds the times; here stand the seconds that it does not
//! know, and what clock changes do to a time.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions, jiff};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// The longest that the next time is looked for, which covers every leap year and every day of the week.
const YEARS: i64 = 40;

/// An expression that passed.
#[derive(Clone, Debug)]
pub(super) struct Cron {
    /// Ascending; of five fields only 0.
    seconds: Vec<i64>,
    /// Read in UTC, whose clock never changes: its times stand for those of any wall.
    minutes: Crontab,
    /// It names no hours, so it counts what passes and not what the clock shows.
    hourly: bool,
}

/// What the nicknames stand for.
const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl Cron {
    /// Reads an expression; an error says what is wrong with it and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let text = text.trim();
        let text = match NICKNAMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
            Some((_, fields)) => fields,
            None if text.starts_with('@') => {
                let names = NICKNAMES.map(|(name, _)| name);
                let help = match crate::nearest(text, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of {}", names.join(", ")),
                };
                return Err((format!("cannot be `{text}`"), Some(help)));
            }
            None => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        if let Some(zone) =
            fields.last().filter(|last| fields.len() > 5 && last.contains('/') && TimeZone::get(last).is_ok())
        {
            return Err((
                "names a time zone".to_owned(),
                Some(format!("write `timezone: {zone}` beside it")),
            ));
        }
        let first = match fields.len() {
            5 => 1,
            6 => 0,
            count => {
                let message = format!("has {count} field{}", if count == 1 { "" } else { "s" });
                let help = "write five: minute, hour, day of the month, month, day of the week; a sixth before them is the second";
                return Err((message, Some(help.to_owned())));
            }
        };
        for (field, kind) in fields.iter().zip(&FIELDS[first..]) {
            kind.read(field)?;
        }
        let seconds = match first {
            0 => FIELDS[0].read(fields[0]).map(|every| {
                let at =
                    |second: &i64| Timestamp::from_second(second * 60).is_ok_and(|at| matches(&every, at));
                (0..60).filter(at).collect()
            })?,
            _ => vec![0],
        };
        let rest = &fields[1 - first..];
        let minutes = read(&rest.join(" ")).map_err(|_| ("is malformed".to_owned(), None))?;
        let cron = Self { seconds, minutes, hourly: rest[1].starts_with('*') };
        match cron.next(DateTime::constant(2000, 1, 1, 0, 0, 0, 0)) {
            Some(_) => Ok(cron),
            None => Err((format!("never comes: no such day in the next {YEARS} years"), None)),
        }
    }

    /// The first time on the wall after another.
    fn next(&self, after: DateTime) -> Option<DateTime> {
        let after = TimeZone::UTC.to_timestamp(after).ok()?;
        let minute = Timestamp::from_second(after.as_second().div_euclid(60) * 60).ok()?;
        let second =
            |minute: Timestamp, second: i64| minute.checked_add(SignedDuration::from_secs(second)).ok();
        let found = match matches(&self.minutes, minute) {
            true => self.seconds.iter().filter_map(|&of| second(minute, of)).find(|at| *at > after),
            false => None,
        };
        let found = found.or_else(|| second(self.next_minute(minute)?, *self.seconds.first()?))?;
        Some(TimeZone::UTC.to_datetime(found))
    }

    /// The first minute after another, which the library looks for in the next four years.
    fn next_minute(&self, after: Timestamp) -> Option<Timestamp> {
        const FOUR_YEARS: i64 = 4 * 365 * 86_400;
        let mut from = after;
        for _ in 0..YEARS / 4 {
            if let Ok(found) = self.minutes.find_next(from) {
                return Some(found.timestamp());
            }
            from = from.checked_add(SignedDuration::from_secs(FOUR_YEARS)).ok()?;
        }
        None
    }

    /// The first moment after another that is such a time in `zone`.
    pub(super) fn after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.hourly { self.passing(after, zone) } else { self.shown(after, zone) }
    }

    /// Where hours are named, what the clock shows counts: a time that it leaves out is when it goes on, and of a time
    /// that it shows twice the first one counts.
    fn shown(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut wall = zone.to_datetime(after);
        loop {
            wall = self.next(wall)?;
            let at = match zone.to_ambiguous_timestamp(wall).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).ok()?,
                AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall).ok()?,
                AmbiguousOffset::Gap { before, .. } => {
                    let past = before.to_timestamp(wall).ok()?;
                    let next = past.checked_add(SignedDuration::from_secs(1)).ok()?;
                    zone.preceding(next).next().map_or(past, |change| change.timestamp())
                }
            };
            if at > after {
                return Some(at);
            }
        }
    }

    /// Where they are not, each hour that passes counts, whatever it is called.
    fn passing(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut offset = zone.to_offset(after);
        let mut wall = offset.to_datetime(after);
        let mut looked_at = after;
        loop {
            let at = offset.to_timestamp(self.next(wall)?).ok()?;
            let change = zone.following(looked_at).next().filter(|change| change.timestamp() <= at);
            let Some(change) = change else { return Some(at) };
            // From the change on the clock goes by another offset; its own moment may be such a time.
            offset = change.offset();
            looked_at = change.timestamp();
            wall = offset.to_datetime(looked_at.checked_sub(SignedDuration::from_secs(1)).ok()?);
        }
    }
}

/// One of the fields.
struct Field {
    name: &'static str,
    /// Where the library has it, among five. Seconds are written like minutes, which it knows.
    place: usize,
    /// What it may be.
    range: &'static str,
}

const FIELDS: [Field; 6] = [
    Field { name: "second", place: 0, range: "0 to 59" },
    Field { name: "minute", place: 0, range: "0 to 59" },
    Field { name: "hour", place: 1, range: "0 to 23" },
    Field { name: "day of the month", place: 2, range: "1 to 31, or `L` for the last" },
    Field { name: "month", place: 3, range: "1 to 12, or `jan` to `dec`" },
    Field { name: "day of the week", place: 4, range: "0 to 7, where both are Sunday, or `sun` to `sat`" },
];

impl Field {
    /// The expression that has any value in the others.
    fn read(&self, written: &str) -> Result<Crontab, (String, Option<String>)> {
        let mut fields = ["*"; 5];
        fields[self.place] = written;
        read(&fields.join(" ")).map_err(|_| {
            let help =
                format!("write {}; `a-b` for a range, `a,b` for some, `*/n` for each n-th", self.range);
            (format!("has no {} `{written}`", self.name), Some(help))
        })
    }
}

/// The library's reading of five fields.
fn read(fields: &str) -> Result<Crontab, cronexpr::Error> {
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    cronexpr::parse_crontab_with(fields, options)
}

fn matches(crontab: &Crontab, at: Timestamp) -> bool {
    crontab.matches(at).unwrap_or(false)
}
