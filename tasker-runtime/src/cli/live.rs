//! Shows a task while it runs: a tree that is drawn again on a terminal, lines elsewhere.

use std::{
    collections::HashMap,
    io::{IsTerminal, Write, stderr},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;

use super::output;
use crate::{
    api::{StepReport, TaskReport, Update},
    model::{StepNo, StepState},
    template::Template,
};

/// A tree of more lines is not drawn again and again: drawing starts over from its first line, which must
/// still be on the screen.
const MOST_LINES: usize = 20;

/// Lets a terminal cut lines that are longer than it is wide. Wrapped, they would be more than were counted.
const CUT: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// What the names of compensations begin with.
const UNDO: &str = "undo ";

/// What is known of a step on the screen.
struct Line {
    state: StepState,
    attempt: u32,
    took: Option<Duration>,
    note: String,
    /// Of a batch worker: how many of its batches are.
    complete: u32,
    failed: u32,
}

impl Line {
    fn new(state: StepState, attempt: u32, note: String) -> Self {
        Self { state, attempt, took: None, note, complete: 0, failed: 0 }
    }

    /// What a report says of a step.
    fn reported(step: &StepReport) -> Self {
        let note = match (&step.error, &step.result) {
            (Some(error), _) => shorten(&format!("{}: {}", error.code(), error.message())),
            (None, Value::Null) => String::new(),
            (None, result) => shorten(&result.to_string()),
        };
        let ran = step.started_at.zip(step.finished_at).filter(|_| step.state == StepState::Complete);
        let took = ran.map(|(start, end)| end.since(start));
        Self { took, ..Self::new(step.state, step.attempts, note) }
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
    lines: Vec<Line>,
    /// What is undone, in the order it is.
    undos: Vec<(String, Line)>,
    /// How far each step has come, by name.
    known: HashMap<String, Known>,
    drawn: usize,
    tree: bool,
    silent: bool,
}

impl Live {
    /// A picture of a task of `template`; with `silent` nothing is shown.
    pub(crate) fn new(template: Arc<Template>, silent: bool) -> Self {
        let line = |_| Line::new(StepState::Pending, 0, String::new());
        let lines: Vec<Line> = template.steps().iter().map(line).collect();
        let tree = stderr().is_terminal() && lines.len() <= MOST_LINES;
        let mut live =
            Self { template, lines, undos: Vec::new(), known: HashMap::new(), drawn: 0, tree, silent };
        live.draw();
        live
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, update: &Update) {
        let (no, line) = match update {
            Update::Started { step, attempt } => {
                (*step, Line::new(StepState::InProgress, *attempt, String::new()))
            }
            Update::Completed { step, attempt, took, result } => (
                *step,
                Line {
                    took: Some(*took),
                    ..Line::new(StepState::Complete, *attempt, shorten(result.as_str()))
                },
            ),
            Update::Failed { step, attempt, retry_at, error } => {
                let state = if retry_at.is_some() { StepState::WaitingForRetry } else { StepState::Error };
                let note = shorten(&format!("{}: {}", error.code(), error.message()));
                (*step, Line::new(state, *attempt, note))
            }
            Update::Left { .. } => return,
        };
        let name = self.name(no);
        let place = (line.attempt * 2).saturating_sub(u32::from(line.state == StepState::InProgress));
        if !self.advance(&name, Known { place, state: line.state }) {
            return;
        }
        self.say(&name, &line);
        if no.undoes().is_some() {
            self.put_undo(&name, line);
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
            if step.name.starts_with(UNDO) {
                self.put_undo(&step.name, line);
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
        let took =
            report.finished_at.map(|at| format!(" after {}", output::duration(at.since(report.created_at))));
        output::say!("{} {}{}", report.task_id, output::task_state(report.state), took.unwrap_or_default());
    }

    fn name(&self, no: StepNo) -> String {
        let undo = if no.undoes().is_some() { UNDO } else { "" };
        let name = self.template.step(no.step()).map_or("", |step| &step.name);
        let instance = no.index().map(|index| format!("_{:03}", index + 1)).unwrap_or_default();
        format!("{undo}{name}{instance}")
    }

    /// One line of what happened, where there is no tree.
    fn say(&self, name: &str, line: &Line) {
        if !self.tree && !self.silent {
            output::say!("{name}{}", describe(line));
        }
    }

    fn put_undo(&mut self, name: &str, line: Line) {
        match self.undos.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = line,
            None => self.undos.push((name.to_owned(), line)),
        }
    }

    fn draw(&mut self) {
        if !self.tree || self.silent {
            return;
        }
        let mut text = CUT.to_owned();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A\x1b[J", self.drawn));
        }
        let mut tree = super::graph::tree(&self.template, |step| describe(&self.lines[step as usize]));
        for (name, line) in &self.undos {
            tree.push_str(&format!("{name}{}\n", describe(line)));
        }
        self.drawn = tree.lines().count();
        text.push_str(&tree);
        text.push_str(WRAP);
        // A terminal that went away takes the picture with it.
        let _ = stderr().lock().write_all(text.as_bytes());
    }
}

/// Whether a report of this step is worth a line: something became of it, and not of its batches only.
fn is_told(step: &StepReport) -> bool {
    use StepState::{Complete, Error, ResolvedManually, WaitingForRetry};
    step.batches.is_none() && matches!(step.state, Complete | Error | ResolvedManually | WaitingForRetry)
}

fn describe(line: &Line) -> String {
    let attempt = if line.attempt > 1 { format!(" attempt {}", line.attempt) } else { String::new() };
    let took = line.took.map(|took| output::dim(&format!(" {}", output::duration(took)))).unwrap_or_default();
    let note = if line.note.is_empty() { String::new() } else { format!(" {}", line.note) };
    format!("  {}{attempt}{took}{note}", output::step_state(line.state))
}

/// At most 60 characters of one line.
fn shorten(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
