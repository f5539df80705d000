//! Tasks that started by themselves.

use std::collections::BTreeMap;

use super::{super::verdict::Rule, Checker};

const SECOND: i64 = 1_000_000;

impl Checker<'_> {
    /// Each second since a schedule was made, up to its last tick, is one task, and nothing else is.
    pub(super) fn ticks(&mut self) {
        let state = self.state;
        let mut of_schedule: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for tick in state.tasks.values().filter_map(|task| task.tick.as_ref()) {
            of_schedule.entry(&tick.schedule).or_default().push(tick.second);
        }
        for (name, schedule) in &state.schedules {
            let mut seconds = of_schedule.remove(&**name).unwrap_or_default();
            seconds.sort_unstable();
            self.verdict.ticks += seconds.len();
            let first = schedule.created_at / SECOND + 1;
            let last = schedule.last_at.unwrap_or_default() / SECOND;
            if !seconds.iter().copied().eq(first..=last) {
                let missing: Vec<i64> = (first..=last).filter(|second| !seconds.contains(second)).collect();
                let what = format!(
                    "schedule {name} ticked {} times from {first} to {last}, without {missing:?}: {seconds:?}",
                    seconds.len()
                );
                self.broken(Rule::Tick, what);
            }
            if schedule.next_at != Some((last + 1) * SECOND) {
                let what =
                    format!("schedule {name} ticked at {last} last, and goes on at {:?}", schedule.next_at);
                self.broken(Rule::Tick, what);
            }
        }
        for name in of_schedule.keys() {
            self.broken(Rule::Tick, format!("tasks were started by the schedule {name}, which there is not"));
        }
    }
}
