//! Which ticks of a schedule start tasks, as a rule that asks nobody.

use crate::template::{CatchUp, Overlap, Schedule, Ticks};

/// How far a schedule is. Moments are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Course {
    /// The next tick; `None`: there is none.
    pub next_at: Option<i64>,
    /// Ticks that wait for the task of the last one, ascending.
    pub waiting: Vec<i64>,
}

/// What comes of a look at a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advance {
    /// The ticks that start a task, ascending.
    pub start: Vec<i64>,
    /// How many ticks start none.
    pub skipped: usize,
    pub course: Course,
    /// When it is to be looked at next; `None`: never by itself.
    pub look_at: Option<i64>,
}

/// A tick that is seen later than this was missed.
const LATE: i64 = 60_000_000;

/// How many missed ticks are made up for, and how many wait, at most.
const MOST: usize = 1_000;

/// How many ticks one look starts at most; the next one goes on at once.
const AT_ONCE: usize = 100;

/// How often it is looked whether a task that ticks wait for is over.
const WAIT: i64 = 1_000_000;

/// What happens to a schedule that is looked at; `running`: the task of its last tick is not over.
pub(super) fn advance(
    schedule: &Schedule,
    ticks: &Ticks,
    course: Course,
    running: bool,
    now: i64,
) -> Advance {
    let Course { next_at, mut waiting } = course;
    let (mut due, next_at) = match next_at {
        Some(next) if next <= now => due(schedule.catch_up, ticks, next, now),
        next => (Vec::new(), next),
    };
    let mut skipped = 0;
    let start = match schedule.overlap {
        Overlap::Allow => due,
        Overlap::CancelRunning => {
            let last = due.pop();
            skipped = due.len();
            last.into_iter().collect()
        }
        Overlap::Skip => {
            let started = due.len().min(usize::from(!running));
            skipped = due.len() - started;
            due.truncate(started);
            due
        }
        Overlap::Queue => {
            waiting.extend(due);
            skipped = waiting.len().saturating_sub(MOST);
            waiting.drain(..skipped);
            let first = !running && !waiting.is_empty();
            waiting.drain(..usize::from(first)).collect()
        }
    };
    let look_at = if waiting.is_empty() { next_at } else { Some(now + WAIT) };
    let look_at = look_at.into_iter().chain(next_at).min();
    Advance { start, skipped, course: Course { next_at, waiting }, look_at }
}

/// The ticks from `next` on that are due and not to be passed over, and the one that comes after them.
fn due(catch_up: CatchUp, ticks: &Ticks, next: i64, now: i64) -> (Vec<i64>, Option<i64>) {
    let most = if catch_up == CatchUp::All { MOST } else { 1 };
    let mut due = ticks.latest(next - 1, now, most);
    if catch_up == CatchUp::None {
        due.retain(|tick| now - tick <= LATE);
    }
    let rest = (due.len() > AT_ONCE).then(|| due.split_off(AT_ONCE));
    let next = rest.and_then(|rest| rest.first().copied());
    (due, next.or_else(|| ticks.after(now)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: i64 = 1_000_000;

    fn each_second(overlap: Overlap, catch_up: CatchUp) -> (Schedule, Ticks) {
        let mut schedule = Schedule::every(Duration::from_secs(1));
        (schedule.overlap, schedule.catch_up) = (overlap, catch_up);
        let ticks = Ticks::of(&schedule).unwrap();
        (schedule, ticks)
    }

    fn look(overlap: Overlap, catch_up: CatchUp, waiting: Vec<i64>, running: bool, now: i64) -> Advance {
        let (schedule, ticks) = each_second(overlap, catch_up);
        advance(&schedule, &ticks, Course { next_at: Some(10 * SECOND), waiting }, running, now)
    }

    #[test]
    fn tick_that_is_not_due_starts_nothing() {
        let early = look(Overlap::Skip, CatchUp::Last, Vec::new(), false, 10 * SECOND - 1);
        let course = Course { next_at: Some(10 * SECOND), waiting: Vec::new() };
        assert_eq!(early, Advance { start: Vec::new(), skipped: 0, course, look_at: Some(10 * SECOND) });
    }

    #[test]
    fn missed_ticks_are_made_up_for_as_the_schedule_says() {
        let started = |catch_up, now| look(Overlap::Allow, catch_up, Vec::new(), false, now).start;
        let now = 14 * SECOND + 5;
        assert_eq!(started(CatchUp::Last, now), [14 * SECOND]);
        assert_eq!(started(CatchUp::None, now), [14 * SECOND]);
        assert_eq!(started(CatchUp::All, now), [10, 11, 12, 13, 14].map(|second| second * SECOND));
        let late = |overlap: Overlap, catch_up| {
            let mut hourly = Schedule::every(Duration::from_secs(3_600));
            (hourly.overlap, hourly.catch_up) = (overlap, catch_up);
            let ticks = Ticks::of(&hourly).unwrap();
            let course = Course { next_at: Some(3_600 * SECOND), waiting: Vec::new() };
            advance(&hourly, &ticks, course, false, 3_661 * SECOND)
        };
        assert_eq!(late(Overlap::Skip, CatchUp::None).start, [0; 0]);
        assert_eq!(late(Overlap::Skip, CatchUp::Last).start, [3_600 * SECOND]);
        assert_eq!(late(Overlap::Skip, CatchUp::None).look_at, Some(7_200 * SECOND));
    }

    #[test]
    fn of_very_many_missed_ticks_the_last_thousand_start_a_hundred_at_a_time() {
        let (schedule, ticks) = each_second(Overlap::Allow, CatchUp::All);
        let now = 5_000 * SECOND;
        let mut course = Course { next_at: Some(10 * SECOND), waiting: Vec::new() };
        let mut started = Vec::new();
        while course.next_at.is_some_and(|next| next <= now) {
            let advance = advance(&schedule, &ticks, course, true, now);
            assert!(advance.start.len() <= AT_ONCE);
            started.extend(advance.start);
            course = advance.course;
        }
        let expected: Vec<i64> = (4_001..=5_000).map(|second| second * SECOND).collect();
        assert_eq!(started, expected);
    }

    #[test]
    fn tick_meets_a_running_task_as_the_schedule_says() {
        let now = 11 * SECOND;
        let meets = |overlap, running| {
            let Advance { start, skipped, course, .. } =
                look(overlap, CatchUp::All, Vec::new(), running, now);
            (start, skipped, course.waiting)
        };
        let [ten, eleven] = [10 * SECOND, now];
        assert_eq!(meets(Overlap::Skip, true), (vec![], 2, vec![]));
        assert_eq!(meets(Overlap::Skip, false), (vec![ten], 1, vec![]));
        assert_eq!(meets(Overlap::Allow, true), (vec![ten, eleven], 0, vec![]));
        assert_eq!(meets(Overlap::CancelRunning, true), (vec![eleven], 1, vec![]));
        assert_eq!(meets(Overlap::Queue, true), (vec![], 0, vec![ten, eleven]));
        assert_eq!(meets(Overlap::Queue, false), (vec![ten], 0, vec![eleven]));
    }

    #[test]
    fn what_waits_is_looked_at_each_second_and_the_oldest_give_way() {
        let waiting: Vec<i64> = (0..1_000).collect();
        let full = look(Overlap::Queue, CatchUp::Last, waiting, true, 10 * SECOND);
        assert_eq!((full.skipped, full.course.waiting.len(), full.course.waiting[0]), (1, 1_000, 1));
        assert_eq!(full.look_at, Some(11 * SECOND));
        // After the last tick only what waits is looked at.
        let mut ended = Schedule::every(Duration::from_secs(1));
        ended.end = Some("1970-01-01T00:00:05Z".to_owned());
        ended.overlap = Overlap::Queue;
        let ticks = Ticks::of(&ended).unwrap();
        let course = Course { next_at: None, waiting: vec![5 * SECOND] };
        let waits = advance(&ended, &ticks, course.clone(), true, 7 * SECOND);
        assert_eq!(waits.look_at, Some(8 * SECOND));
        let over = advance(&ended, &ticks, course, false, 7 * SECOND);
        assert_eq!((over.start, over.look_at), (vec![5 * SECOND], None));
    }
}
