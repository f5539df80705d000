//! Shows a task while it runs: a tree that is drawn again on a terminal, lines elsewhere.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    fit::{cut, fitted},
    graph::{Branch, branches, title},
    output,
    printable::printable,
    screen,
};
use crate::{
    api::{StepReport, TaskReport, Update},
    model::{StepIndex, StepState},
    template::Template,
};

/// What the names of compensations begin with.
const COMPENSATION: &str = "undo ";

/// How many columns of a result or an error are shown.
const NOTE: usize = 60;

/// What is known of a step on the screen.
pub(super) struct Line {
    state: StepState,
    attempt: u32,
    took: Option<Duration>,
    note: String,
    /// Of a batch worker: how many of its batches are.
    complete: u32,
    failed: u32,
}

impl Line {
    fn new(state: StepState, attempt: u32, note: &str) -> Self {
        Self { state, attempt, took: None, note: cut(&printable(note), NOTE), complete: 0, failed: 0 }
    }

    /// What a report says of a step.
    fn reported(step: &StepReport) -> Self {
        let note = match (&step.error, &step.result) {
            (Some(error), _) => format!("{}: {}", error.code(), error.message()),
            (None, Value::Null) => String::new(),
            (None, result) => result.to_string(),
        };
        let ran = step.started_at.zip(step.finished_at).filter(|_| step.state == StepState::Complete);
        let took = ran.map(|(start, end)| end.since(start));
        Self { took, ..Self::new(step.state, step.attempts, &note) }
    }

    /// One of its batches came to this state.
    fn count(&mut self, state: StepState) {
        self.state = StepState::InProgress;
        match state {
            StepState::Complete => self.complete += 1,
            StepState::Error => self.failed += 1,
            _ => return,
        }
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        self.note = format!("{} batches complete{failed}", self.complete);
    }

    /// Its state, and what else there is to say, most important first.
    fn parts(&self) -> (String, [String; 3]) {
        let attempt = if self.attempt > 1 { format!(" attempt {}", self.attempt) } else { String::new() };
        let took = self.took.map(|took| output::dim(&format!(" {}", output::duration(took))));
        let note = if self.note.is_empty() { String::new() } else { format!(" {}", self.note) };
        (format!("  {}", output::step_state(self.state)), [attempt, took.unwrap_or_default(), note])
    }
}

/// How far a step has come. What is told and what is read may come in any order; only what leads on is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    /// Two for each attempt that ended, and one for an attempt that runs.
    place: u32,
    state: StepState,
}

/// The picture of a running task.
pub(crate) struct Live {
    template: Arc<Template>,
    branches: Vec<Branch>,
    lines: Vec<Line>,
    /// What is undone, in the order it is.
    compensations: Vec<(String, Line)>,
    /// How far each step has come, by name.
    known: HashMap<String, Known>,
    tree: bool,
    silent: bool,
}

/// However it ends, what was drawn stays, and what comes is written below it.
impl Drop for Live {
    fn drop(&mut self) {
        screen::leave();
    }
}

impl Live {
    /// A picture of a task of `template`; with `silent` nothing is shown.
    pub(crate) fn new(template: Arc<Template>, silent: bool) -> Self {
        let line = |_| Line::new(StepState::Pending, 0, "");
        let mut live = Self {
            lines: template.steps().iter().map(line).collect(),
            branches: branches(&template),
            template,
            compensations: Vec::new(),
            known: HashMap::new(),
            tree: !silent && screen::can_draw(),
            silent,
        };
        live.draw();
        live
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, update: &Update) {
        let (no, line) = match update {
            Update::Started { step, attempt } => (*step, Line::new(StepState::InProgress, *attempt, "")),
            Update::Completed { step, attempt, took, result } => (
                *step,
                Line { took: Some(*took), ..Line::new(StepState::Complete, *attempt, result.as_str()) },
            ),
            Update::Failed { step, attempt, retry_at, error } => {
                let state = if retry_at.is_some() { StepState::WaitingForRetry } else { StepState::Error };
                (*step, Line::new(state, *attempt, &format!("{}: {}", error.code(), error.message())))
            }
            Update::Round { step, attempt, round, next_at } => {
                let note = format!("round {round} is over, the next one starts at {next_at}");
                (*step, Line::new(StepState::Waiting, *attempt, &note))
            }
            Update::Left { .. } | Update::Lost => return,
        };
        let name = self.name(no);
        let place = (line.attempt * 2).saturating_sub(u32::from(line.state == StepState::InProgress));
        if !self.advance(&name, Known { place, state: line.state }) {
            return;
        }
        self.say(&name, &line);
        if no.compensates().is_some() {
            self.put_compensation(&name, line);
        } else if let Some(known) = self.lines.get_mut(no.step() as usize) {
            match no.index() {
                None => *known = line,
                Some(_) => known.count(line.state),
            }
        }
        self.draw();
    }

    /// Whether nothing is shown.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Notes how far a step has come; `false` when that is known.
    fn advance(&mut self, name: &str, now: Known) -> bool {
        let before = self.known.get(name).copied();
        let news = before.is_none_or(|before| now.place >= before.place && now != before);
        if news {
            self.known.insert(name.to_owned(), now);
        }
        news
    }

    /// Shows what the report says beyond what is known.
    pub(crate) fn look(&mut self, report: &TaskReport) {
        let mut number = 0;
        for step in report.all() {
            let place = number;
            number += usize::from(step.batch_of.is_none());
            if !self.advance(&step.name, Known { place: step.attempts * 2, state: step.state }) {
                continue;
            }
            let line = Line::reported(step);
            if is_told(step) {
                self.say(&step.name, &line);
            }
            if step.name.starts_with(COMPENSATION) {
                self.put_compensation(&step.name, line);
            } else if let Some(known) = self.lines.get_mut(place).filter(|_| step.batch_of.is_none()) {
                *known = line;
            }
        }
        let workers = report.steps.iter().filter(|step| step.batch_of.is_none());
        for (line, step) in self.lines.iter_mut().zip(workers) {
            if let Some(batches) = step.batches {
                (line.complete, line.failed) = (batches.complete, batches.failed);
                line.note = batches.to_string();
            }
        }
        self.draw();
    }

    /// Shows the end.
    pub(crate) fn finish(&mut self, report: &TaskReport) {
        self.look(report);
        if self.silent {
            return;
        }
        screen::leave();
        let took =
            report.finished_at.map(|at| format!(" after {}", output::duration(at.since(report.created_at))));
        output::say!("{} {}{}", report.task_id, output::task_state(report.state), took.unwrap_or_default());
    }

    fn name(&self, no: StepIndex) -> String {
        let compensation = if no.compensates().is_some() { COMPENSATION } else { "" };
        let name = self.template.step(no.step()).map_or("", |step| &step.name);
        let instance = no.index().map(|index| format!("_{:03}", index + 1)).unwrap_or_default();
        format!("{compensation}{name}{instance}")
    }

    /// One line of what happened, where there is no tree.
    fn say(&self, name: &str, line: &Line) {
        if !self.tree && !self.silent {
            let (state, rest) = line.parts();
            output::say!("{}{state}{}", printable(name), rest.concat());
        }
    }

    fn put_compensation(&mut self, name: &str, line: Line) {
        match self.compensations.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = line,
            None => self.compensations.push((name.to_owned(), line)),
        }
    }

    fn draw(&mut self) {
        if self.tree && !screen::draw(self.rows(screen::width())) {
            // The screen is too low for it: from here on there are lines.
            self.tree = false;
            self.say_everything();
        }
    }

    /// The rows of the tree on a terminal of this width.
    fn rows(&self, width: usize) -> Vec<String> {
        let mut rows = vec![cut(&title(&self.template), width)];
        for Branch { step, left, name, also } in &self.branches {
            if let Some(line) = self.lines.get(*step as usize) {
                let (state, rest) = line.parts();
                rows.push(fitted([left, name, also], &state, &rest, width));
            }
        }
        for (name, line) in &self.compensations {
            let (state, rest) = line.parts();
            rows.push(fitted(["", &printable(name), ""], &state, &rest, width));
        }
        rows
    }

    /// A line for each step that something has become of.
    fn say_everything(&self) {
        for Branch { step, name, .. } in &self.branches {
            let line = self.lines.get(*step as usize);
            if let Some(line) = line.filter(|line| line.state != StepState::Pending) {
                self.say(name, line);
            }
        }
        self.compensations.iter().for_each(|(name, line)| self.say(name, line));
    }
}

/// Whether a report of this step is worth a line: something became of it, and not of its batches only.
fn is_told(step: &StepReport) -> bool {
    use StepState::{Complete, Error, ResolvedManually, WaitingForRetry};
    step.batches.is_none() && matches!(step.state, Complete | Error | ResolvedManually | WaitingForRetry)
}
