//! Tasks that started by themselves.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{
    super::{verdict::Rule, workflows::AT_ONCE},
    Checker, EARLY,
};

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

    /// Of one schedule no more tasks have begun and are not over than may.
    pub(super) fn turns(&mut self) {
        let mut spans: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
        let mut began: HashMap<Uuid, i64> = HashMap::new();
        for execution in self.executions.values().flatten() {
            let first = began.entry(execution.task).or_insert(i64::MAX);
            *first = execution.start.min(*first);
        }
        for task in self.state.tasks.values() {
            if let (Some(tick), Some(began)) = (&task.tick, began.get(&task.uuid)) {
                let span = (began + EARLY, task.finished_at.unwrap_or(i64::MAX));
                spans.entry(&tick.schedule).or_default().push(span);
            }
        }
        for (name, spans) in spans {
            for (start, _) in &spans {
                let at_once = spans.iter().filter(|(from, until)| from <= start && start < until).count();
                if at_once > AT_ONCE as usize {
                    let what = format!(
                        "{at_once} tasks of schedule {name} ran at once, and {AT_ONCE} may: {spans:?}"
                    );
                    self.broken(Rule::Turn, what);
                    break;
                }
            }
        }
    }
}
