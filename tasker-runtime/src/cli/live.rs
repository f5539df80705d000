//! Shows a task while it runs: a tree that is drawn again on a terminal, lines elsewhere.

use std::{
    io::{IsTerminal, Write, stderr},
    sync::Arc,
    time::Duration,
};

use super::output;
use crate::{
    api::{TaskReport, Update},
    model::{StepNo, StepState},
    template::Template,
};

/// A tree of more lines is not drawn again and again: drawing starts over from its first line, which must
/// still be on the screen.
const MOST_LINES: usize = 20;

/// Lets a terminal cut lines that are longer than it is wide. Wrapped, they would be more than were counted.
const CUT: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

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

/// The picture of a running task.
pub(crate) struct Live {
    template: Arc<Template>,
    lines: Vec<Line>,
    /// What is undone, in the order it is.
    undos: Vec<(StepNo, Line)>,
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
        let mut live = Self { template, lines, undos: Vec::new(), drawn: 0, tree, silent };
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
        if !self.tree && !self.silent {
            eprintln!("{}", self.line(no, &line));
        }
        if no.undoes().is_some() {
            match self.undos.iter_mut().find(|(known, _)| *known == no) {
                Some((_, known)) => *known = line,
                None => self.undos.push((no, line)),
            }
        } else if let Some(known) = self.lines.get_mut(no.step() as usize) {
            match no.index() {
                None => *known = line,
                Some(_) => known.count(line.state),
            }
        }
        self.draw();
    }

    /// Shows the end.
    pub(crate) fn finish(&mut self, report: &TaskReport) {
        for (line, step) in
            self.lines.iter_mut().zip(report.steps.iter().filter(|step| step.batch_of.is_none()))
        {
            line.state = step.state;
            if let Some(batches) = step.batches {
                line.note = batches.to_string();
            }
        }
        self.draw();
        if self.silent {
            return;
        }
        let took =
            report.finished_at.map(|at| format!(" after {}", output::duration(at.since(report.created_at))));
        eprintln!("{} {}{}", report.task_id, output::task_state(report.state), took.unwrap_or_default());
    }

    fn line(&self, no: StepNo, line: &Line) -> String {
        let undo = if no.undoes().is_some() { "undo " } else { "" };
        let name = self.template.step(no.step()).map_or("", |step| &step.name);
        let instance = no.index().map(|index| format!("_{:03}", index + 1)).unwrap_or_default();
        format!("{undo}{name}{instance}{}", describe(line))
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
        for (no, line) in &self.undos {
            tree.push_str(&self.line(*no, line));
            tree.push('\n');
        }
        self.drawn = tree.lines().count();
        text.push_str(&tree);
        text.push_str(WRAP);
        // A terminal that went away takes the picture with it.
        let _ = stderr().lock().write_all(text.as_bytes());
    }
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
