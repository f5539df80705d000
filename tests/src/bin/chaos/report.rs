//! The table of a run.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::{
    Plan,
    database::COMPENSATING,
    faults::Counts,
    fleet::CONCURRENCY,
    verdict::{Rule, Verdict},
    workflows::{WIDEST, submitted},
};

/// What came of a run.
pub(crate) struct Report {
    pub(crate) plan: Plan,
    pub(crate) counts: Counts,
    pub(crate) verdict: Verdict,
    /// Tasks that an operator had to free, since their holders died again and again.
    pub(crate) freed: u32,
    /// Processes that ended in a way they should not.
    pub(crate) ended: Vec<String>,
    /// Processes that said too much.
    pub(crate) talkative: Vec<String>,
    pub(crate) took: Duration,
}

/// At least this share of the faults must hit work in flight.
const LANDED: f64 = 0.8;
/// At least one in so many faults must hit each kind of work, of as many as can be expected to.
const ONE_IN: u32 = 10;
const ENOUGH: u32 = 20;
/// At most this many broken promises of one rule are told in full.
const TOLD: usize = 5;

impl Report {
    /// What is wrong, a line each; empty when everything is as promised.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = [self.ended.clone(), self.talkative.clone()].concat();
        wrong.extend(self.unexplained());
        let share = self.counts.share();
        if share < LANDED {
            wrong.push(format!("only {:.0} % of the faults hit work in flight", share * 100.0));
        }
        let injected = self.counts.meant();
        for kind in kinds().filter(|_| injected >= ENOUGH) {
            let hit = self.counts.hit.get(kind).copied().unwrap_or_default();
            if hit * ONE_IN < injected {
                wrong.push(format!("only {hit} of {injected} faults hit tasks of {kind}"));
            }
        }
        if self.verdict.tasks == 0 {
            wrong.push("no task was ever there".to_owned());
        }
        let mut of_rule: BTreeMap<Rule, Vec<String>> = BTreeMap::new();
        for violation in &self.verdict.violations {
            of_rule.entry(violation.rule).or_default().push(violation.to_string());
        }
        for (rule, broken) in of_rule {
            wrong.extend(broken.iter().take(TOLD).cloned());
            if broken.len() > TOLD {
                wrong.push(format!("{rule:?}: and {} more", broken.len() - TOLD));
            }
        }
        wrong
    }

    /// More repeats and set-aside tasks than the faults explain. Each cuts off what runs at most, and loses about as
    /// much again that had come back and waited to be written; where the database is away at the same time, whatever
    /// ran since of the tasks in the hands of those it hits. A task is set aside after five that hit its holder.
    fn unexplained(&self) -> Vec<String> {
        let injected = self.counts.injected() as usize;
        let at_once = usize::from(self.plan.workers) * CONCURRENCY;
        let mut unexplained = Vec::new();
        let in_hand = self.counts.in_hand;
        let waited = usize::try_from(in_hand).unwrap_or(usize::MAX).saturating_mul(WIDEST);
        let (repeated, most) = (self.verdict.repeated, waited.max(injected * at_once * 2));
        if repeated > most {
            unexplained.push(format!(
                "{repeated} executions were repeated, and {injected} faults with {in_hand} tasks in the hands of the \
                 troubled explain {most}"
            ));
        }
        let (freed, most) = (u64::from(self.freed), in_hand / 5);
        if freed > most {
            unexplained.push(format!(
                "{freed} tasks were set aside, and {in_hand} that were in the hands of the troubled explain {most}"
            ));
        }
        unexplained
    }

    /// The tables: the run; its faults, as `in flight/injected`; and what they hit.
    pub(crate) fn table(&self) -> String {
        let Self { plan, counts, verdict, .. } = self;
        let cells = [
            ("store", plan.store.to_string()),
            ("seed", plan.seed.to_string()),
            ("workers", plan.workers.to_string()),
            ("tasks", verdict.tasks.to_string()),
            ("in doubt", verdict.doubtful.to_string()),
            ("started by others", verdict.children.to_string()),
            ("ticks", verdict.ticks.to_string()),
            ("steps", verdict.steps.to_string()),
            ("executions", verdict.executions.to_string()),
            ("events", verdict.events.to_string()),
            ("heard", verdict.heard.to_string()),
            ("in hand", counts.in_hand.to_string()),
            ("repeated", verdict.repeated.to_string()),
            ("lent", verdict.lent.to_string()),
            ("cut off", verdict.cut.to_string()),
            ("set aside", self.freed.to_string()),
            ("violations", verdict.violations.len().to_string()),
            ("seconds", format!("{:.0}", self.took.as_secs_f64())),
        ];
        let of_kinds: Vec<_> =
            counts.of.iter().map(|(fault, count)| (fault.name(), count.to_string())).collect();
        let hit = |kind: &'static str| (kind, counts.hit.get(kind).copied().unwrap_or_default().to_string());
        let hits: Vec<_> = kinds().map(hit).collect();
        format!(
            "{}\n\nfaults, those that hit work in flight first:\n{}\n\nfaults that hit tasks of each kind in flight:\n{}",
            table(&cells),
            table(&of_kinds),
            table(&hits)
        )
    }
}

/// The kinds of work that faults must hit: every workflow whose tasks are submitted, and rollbacks that are under way.
fn kinds() -> impl Iterator<Item = &'static str> {
    submitted().iter().map(|workflow| workflow.name).chain([COMPENSATING])
}

fn table(cells: &[(&str, String)]) -> String {
    let (mut head, mut line) = (String::from("|"), String::from("|"));
    for (name, value) in cells {
        let width = name.len().max(value.len());
        // Writing to a string cannot fail.
        let _ = write!(head, " {name:>width$} |");
        let _ = write!(line, " {value:>width$} |");
    }
    format!("{head}\n{line}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::faults::{Count, Fault};
    use super::*;

    #[test]
    fn repeats_and_deaths_that_no_fault_explains_are_told() {
        let mut counts = Counts::default();
        counts.of.insert(Fault::Kill, Count { injected: 2, landed: 2 });
        let verdict = Verdict { repeated: 2 * 3 * CONCURRENCY * 2, ..Verdict::default() };
        let mut report = Report {
            plan: Plan::parse_from(["chaos", "--workers", "3"]),
            counts,
            verdict,
            freed: 0,
            ended: Vec::new(),
            talkative: Vec::new(),
            took: Duration::ZERO,
        };
        assert_eq!(report.unexplained(), Vec::<String>::new());
        (report.verdict.repeated, report.freed) = (report.verdict.repeated + 1, 1);
        assert_eq!(report.unexplained().len(), 2, "two deaths set no task aside");
        (report.verdict.repeated, report.counts.in_hand) = (0, 5);
        assert_eq!(report.unexplained(), Vec::<String>::new(), "one was in five dead hands");
        (report.verdict.repeated, report.counts.in_hand) = (100 * WIDEST, 100);
        assert_eq!(report.unexplained(), Vec::<String>::new(), "all that ran waited to be written");
        report.verdict.repeated += 1;
        assert_eq!(report.unexplained().len(), 1, "no more runs of a hundred tasks");
    }
}
