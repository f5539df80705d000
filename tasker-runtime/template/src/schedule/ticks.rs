//! The moments of a schedule.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::cron::Cron;
use super::{Schedule, When};
use crate::wait::LONGEST_WAIT_MS;

/// Why a schedule has no ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSchedule {
    /// What of it is wrong: `cron`, `every`, `timezone`, `jitter`, `start` or `end`.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// The way out, where one is known.
    pub help: Option<String>,
}

impl std::fmt::Display for BadSchedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.key, self.problem)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

impl std::error::Error for BadSchedule {}

/// The ticks of a schedule, in microseconds since 1970-01-01 UTC.
///
/// ```
/// use std::time::Duration;
/// use tasker_template::{Schedule, Ticks};
///
/// let ticks = Ticks::of(&Schedule::every(Duration::from_secs(90)))?;
/// assert_eq!(ticks.after(0), Some(90_000_000));
/// assert_eq!(ticks.latest(0, 300_000_000, 2), [180_000_000, 270_000_000]);
///
/// // Clocks in Berlin go from 2:00 to 3:00 in that night.
/// let ticks = Ticks::of(&Schedule::cron("30 2 * * *").timezone("Europe/Berlin"))?;
/// let day = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
/// let tick = ticks.after(day("2026-03-28T12:00:00Z")).unwrap();
/// assert_eq!(ticks.show(tick), "2026-03-29T03:00:00+02:00");
/// # Ok::<(), tasker_template::BadSchedule>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ticks {
    rule: Rule,
    zone: TimeZone,
    jitter: Duration,
    /// The first moment that may be one.
    start: Option<Timestamp>,
    /// The last moment that may be one.
    end: Option<Timestamp>,
}

#[derive(Clone, Debug)]
enum Rule {
    Cron(Box<Cron>),
    /// So many microseconds apart.
    Every(i64),
}

impl Ticks {
    /// The ticks that a schedule means.
    ///
    /// # Errors
    /// What is wrong with it, such as a day that never comes or a zone that does not exist.
    pub fn of(schedule: &Schedule) -> Result<Self, BadSchedule> {
        let bad = |key| move |(problem, help)| BadSchedule { key, problem, help };
        let zone = schedule.timezone.as_deref().map_or(Ok(TimeZone::UTC), zone).map_err(bad("timezone"))?;
        let rule = match &schedule.when {
            When::Cron(text) => Rule::Cron(Box::new(Cron::parse(text).map_err(bad("cron"))?)),
            When::Every(period) => Rule::Every(micros(*period, 1_000, "1s").map_err(bad("every"))?),
        };
        if let (Rule::Every(_), Some(_)) = (&rule, &schedule.timezone) {
            let problem = "has no effect with `every`, which counts what passes".to_owned();
            return Err(bad("timezone")((problem, Some("remove it, or write `cron`".to_owned()))));
        }
        let jitter = schedule.jitter.unwrap_or_default();
        if schedule.jitter.is_some() {
            micros(jitter, 1, "1ms").map_err(bad("jitter"))?;
        }
        let moment = |text: &Option<String>, key| text.as_deref().map(moment).transpose().map_err(bad(key));
        let (start, end) = (moment(&schedule.start, "start")?, moment(&schedule.end, "end")?);
        if start.zip(end).is_some_and(|(start, end)| end < start) {
            return Err(bad("end")(("comes before `start`".to_owned(), None)));
        }
        Ok(Self { rule, zone, jitter, start, end })
    }

    /// The first tick after a moment; `None` after the last.
    #[must_use]
    pub fn after(&self, micros: i64) -> Option<i64> {
        let after = Timestamp::from_microsecond(micros).ok()?;
        // The start itself may be a tick.
        let before_start =
            self.start.and_then(|start| Timestamp::from_microsecond(start.as_microsecond() - 1).ok());
        let after = before_start.map_or(after, |start| after.max(start));
        let tick = match &self.rule {
            Rule::Cron(cron) => cron.after(after, &self.zone)?,
            Rule::Every(period) => {
                let base = self.start.map_or(0, Timestamp::as_microsecond);
                let passed = after.as_microsecond().checked_sub(base)?.div_euclid(*period);
                Timestamp::from_microsecond(passed.checked_add(1)?.checked_mul(*period)?.checked_add(base)?)
                    .ok()?
            }
        };
        (self.end.is_none_or(|end| tick <= end)).then(|| tick.as_microsecond())
    }

    /// The last `most` ticks after one moment and up to another, ascending. Ticks that lie further back are not looked
    /// for, however many there are.
    #[must_use]
    pub fn latest(&self, after: i64, until: i64, most: usize) -> Vec<i64> {
        let mut window = 60_000_000_i64;
        loop {
            let from = until.saturating_sub(window).max(after);
            let mut found = VecDeque::with_capacity(most.min(64));
            let mut at = from;
            while let Some(tick) = self.after(at).filter(|tick| *tick <= until) {
                if found.len() == most {
                    found.pop_front();
                }
                found.push_back(tick);
                at = tick;
            }
            if found.len() == most || from == after {
                return found.into();
            }
            window = window.saturating_mul(4);
        }
    }

    /// How long after a tick of the schedule called `name` its task starts: the same wherever it is asked.
    #[must_use]
    pub fn delay(&self, name: &str, tick: i64) -> Duration {
        let most = u64::try_from(self.jitter.as_micros()).unwrap_or(u64::MAX);
        let mut hasher = DefaultHasher::new();
        (name, tick).hash(&mut hasher);
        hasher.finish().checked_rem(most).map_or(Duration::ZERO, Duration::from_micros)
    }

    /// A moment as RFC 3339 text, by the clock of the schedule's zone.
    #[must_use]
    pub fn show(&self, micros: i64) -> String {
        let Ok(at) = Timestamp::from_microsecond(micros) else { return micros.to_string() };
        if self.zone == TimeZone::UTC {
            return at.to_string();
        }
        at.display_with_offset(self.zone.to_offset(at)).to_string()
    }
}

type Problem = (String, Option<String>);

/// The zone of a name.
fn zone(name: &str) -> Result<TimeZone, Problem> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let city =
            |known: &&String| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name));
        let near = known.iter().find(city).map(String::as_str);
        let near = near.or_else(|| crate::nearest(name, known.iter().map(String::as_str)));
        let help = near.map_or("write a name of the IANA database: `Europe/Berlin`".to_owned(), |near| {
            format!("did you mean `{near}`?")
        });
        (format!("names no time zone: `{name}`"), Some(help))
    })
}

/// A moment as it is written.
fn moment(text: &str) -> Result<Timestamp, Problem> {
    let help = || Some("write a time with its offset: `2026-12-24T18:00:00+01:00`".to_owned());
    text.trim().parse().map_err(|_| (format!("is no point in time: `{text}`"), help()))
}

/// A duration in microseconds, at least so many milliseconds.
fn micros(duration: Duration, least_ms: u64, least: &str) -> Result<i64, Problem> {
    let fits = (u128::from(least_ms)..=u128::from(LONGEST_WAIT_MS)).contains(&duration.as_millis());
    let micros = i64::try_from(duration.as_micros()).ok().filter(|_| fits);
    micros.ok_or_else(|| (format!("must be from {least} to ten years"), None))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    /// The first ticks after a moment, by the clock of the zone.
    fn first(count: usize, cron: &str, zone: &str, after: &str) -> Vec<String> {
        let ticks = Ticks::of(&Schedule::cron(cron).timezone(zone)).unwrap();
        let next = |tick: &i64| ticks.after(*tick);
        let all = std::iter::successors(ticks.after(at(after)), next).take(count);
        all.map(|tick| ticks.show(tick)).collect()
    }

    #[test]
    fn a_time_that_the_clock_leaves_out_is_when_it_goes_on() {
        let nights = first(3, "30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z");
        assert_eq!(
            nights,
            ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
        );
        // Both are left out, and are one.
        let nights = first(3, "0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z");
        assert_eq!(
            nights,
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00", "2026-03-30T02:30:00+02:00"]
        );
        // The moment it goes on is a time of its own as well.
        let nights = first(3, "30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z");
        assert_eq!(
            nights,
            ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"]
        );
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_comes_once() {
        let nights = first(3, "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z");
        assert_eq!(
            nights,
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00", "2026-10-27T02:30:00+01:00"]
        );
        // Asked between the two.
        let nights = first(1, "30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z");
        assert_eq!(nights, ["2026-10-26T02:30:00+01:00"]);
        // Half an hour of Lord Howe Island, the other way round.
        let nights = first(2, "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z");
        assert_eq!(nights, ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]);
    }

    #[test]
    fn what_names_no_hours_counts_what_passes() {
        let hours = first(5, "0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z");
        let expected =
            ["02:00:00+02:00", "02:00:00+01:00", "03:00:00+01:00", "04:00:00+01:00", "05:00:00+01:00"];
        assert_eq!(hours, expected.map(|time| format!("2026-10-25T{time}")));
        let hours = first(3, "30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z");
        assert_eq!(
            hours,
            ["01:30:00+01:00", "03:30:00+02:00", "04:30:00+02:00"].map(|time| format!("2026-03-29T{time}"))
        );
        let thirds = first(7, "*/20 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z");
        let expected = [
            "02:40:00+02:00",
            "02:00:00+01:00",
            "02:20:00+01:00",
            "02:40:00+01:00",
            "03:00:00+01:00",
            "03:20:00+01:00",
            "03:40:00+01:00",
        ];
        assert_eq!(thirds, expected.map(|time| format!("2026-10-25T{time}")));
    }

    #[test]
    fn seconds_leap_days_and_ends_of_months() {
        let seconds = first(3, "*/25 59 23 31 12 *", "UTC", "2026-01-01T00:00:00Z");
        assert_eq!(seconds, ["2026-12-31T23:59:00Z", "2026-12-31T23:59:25Z", "2026-12-31T23:59:50Z"]);
        assert_eq!(first(1, "0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z"), ["2104-02-29T00:00:00Z"]);
        assert_eq!(
            first(2, "0 12 L * *", "UTC", "2027-02-01T00:00:00Z"),
            ["2027-02-28T12:00:00Z", "2027-03-31T12:00:00Z"]
        );
        assert_eq!(first(1, "0 6 * * mon", "UTC", "2026-11-27T00:00:00Z"), ["2026-11-30T06:00:00Z"]);
        assert_eq!(first(1, "@yearly", "UTC", "2026-11-27T00:00:00Z"), ["2027-01-01T00:00:00Z"]);
    }

    #[test]
    fn ticks_stay_between_start_and_end() {
        let mut schedule = Schedule::every(Duration::from_secs(3_600));
        schedule.start = Some("2026-01-01T00:10:00Z".to_owned());
        schedule.end = Some("2026-01-01T01:10:00Z".to_owned());
        let ticks = Ticks::of(&schedule).unwrap();
        let first = ticks.after(at("2025-06-01T00:00:00Z")).unwrap();
        assert_eq!(ticks.show(first), "2026-01-01T00:10:00Z");
        let second = ticks.after(first).unwrap();
        assert_eq!(ticks.show(second), "2026-01-01T01:10:00Z");
        assert_eq!(ticks.after(second), None);
        assert_eq!(ticks.latest(first - 1, second, 10), [first, second]);
    }

    #[test]
    fn the_latest_of_very_many_are_found_at_once() {
        let ticks = Ticks::of(&Schedule::cron("* * * * * *")).unwrap();
        let until = at("2026-01-01T00:00:00Z");
        let found = ticks.latest(0, until, 1_000);
        assert_eq!((found.len(), found[0], found[999]), (1_000, until - 999_000_000, until));
    }

    #[test]
    fn jitter_is_the_same_wherever_it_is_asked() {
        let mut schedule = Schedule::cron("@hourly");
        schedule.jitter = Some(Duration::from_secs(60));
        let ticks = Ticks::of(&schedule).unwrap();
        let delays: Vec<Duration> = (0..100).map(|tick| ticks.delay("a", tick)).collect();
        assert!(delays.iter().all(|delay| *delay < Duration::from_secs(60)));
        assert!(delays.iter().any(|delay| *delay > Duration::from_secs(30)));
        assert_eq!(delays[7], Ticks::of(&schedule).unwrap().delay("a", 7));
        assert_ne!(delays[7], ticks.delay("b", 7));
    }
}
