//! What is published, and who hears of it.

use std::collections::{BTreeMap, HashMap};

use super::{
    super::{
        ledger::{Heard, Micros},
        state::{Logged, State},
        verdict::Rule,
        workflows::{Workflow, publishes},
    },
    Checker,
};

/// An event as the log should have it: step, attempt, name and what it says.
type Told = (i64, u32, String, String);

impl Checker<'_> {
    /// The log has an event for each recorded result that is published, and no other, numbered without gaps; and the
    /// subscription heard each at least once, those of one task in their order.
    pub(super) fn events(&mut self, heard: &[Heard]) {
        let state = self.state;
        let mut first: HashMap<(uuid::Uuid, u32), Micros> = HashMap::new();
        for Heard { task, sequence, time } in heard {
            let seen = first.entry((*task, *sequence)).or_insert(*time);
            *seen = (*seen).min(*time);
        }
        self.verdict.events = state.events.values().map(Vec::len).sum();
        self.verdict.heard = heard.len();
        let mut known = 0;
        for (number, task) in &state.tasks {
            let logged = state.events.get(number).map(Vec::as_slice).unwrap_or_default();
            if !logged
                .iter()
                .map(|event| event.sequence)
                .eq(1..=u32::try_from(logged.len()).unwrap_or_default())
            {
                let numbers: Vec<u32> = logged.iter().map(|event| event.sequence).collect();
                self.broken(
                    Rule::Event,
                    format!("the events of task {} are numbered {numbers:?}", task.uuid),
                );
            }
            let mut told: Vec<Told> = logged.iter().map(Logged::told).collect();
            let mut meant = meant(state, *number, &task.workflow);
            told.sort_unstable();
            meant.sort_unstable();
            if told != meant {
                let what =
                    format!("task {} has the events {told:?}, and by its results {meant:?}", task.uuid);
                self.broken(Rule::Event, what);
            }
            let times: Vec<Option<&Micros>> =
                logged.iter().map(|event| first.get(&(task.uuid, event.sequence))).collect();
            known += times.iter().flatten().count();
            if times.iter().any(Option::is_none) {
                self.broken(
                    Rule::Heard,
                    format!("of the events of task {} not all were heard: {times:?}", task.uuid),
                );
            } else if !times.is_sorted() {
                self.broken(Rule::Heard, format!("the events of task {} were heard as {times:?}", task.uuid));
            }
        }
        if first.len() != known {
            let what = format!("{} events were heard, and {known} of them are in the log", first.len());
            self.broken(Rule::Heard, what);
        }
    }
}

/// What the results of a task have published.
pub(super) fn meant(state: &State, number: i64, workflow: &str) -> Vec<Told> {
    let steps = Workflow::named(workflow).into_iter().flat_map(|workflow| workflow.steps);
    let names: BTreeMap<i64, &str> = (0..).zip(steps).map(|(place, shape)| (place, shape.name)).collect();
    let of_task = state.results.iter().filter(|((task, _), _)| *task == number);
    let told = of_task.filter_map(|((_, code), recorded)| {
        // What undoes a step publishes nothing; a batch does as its step.
        let name = names.get(&(code & 0x3fff)).filter(|_| code & (1 << 30) == 0)?;
        publishes(workflow, name).then(|| {
            let says = recorded
                .result
                .parse()
                .map_or_else(|_| recorded.result.clone(), |value: serde_json::Value| value.to_string());
            (*code, recorded.attempt, format!("chaos.{name}"), says)
        })
    });
    told.collect()
}
