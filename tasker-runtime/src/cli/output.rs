//! How data looks on a terminal and in a pipe.

use std::{
    io::{IsTerminal, Write, stdout},
    time::Duration,
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::{
    Done, Failure, Form,
    printable::{printable, printable_json, printable_lines, with_colours},
};
use crate::model::{StepState, TaskState};

/// Writes a line to standard error, as `eprintln!` does, whether or not anybody reads it. Texts that are not ours
/// go through [`printable`] first.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::screen::line(&format!($($text)*)) };
}
pub(crate) use say;

/// Whether standard output shows colours.
pub(crate) fn has_colours() -> bool {
    AutoStream::choice(&stdout()) != ColorChoice::Never
}

/// A text in a style, which the stream takes out again where it shows no colours.
fn paint(style: Style, text: &str) -> String {
    format!("{style}{}{style:#}", printable_lines(text))
}

const fn coloured(colour: AnsiColor) -> Style {
    colour.on_default()
}

pub(crate) fn red(text: &str) -> String {
    paint(coloured(AnsiColor::Red), text)
}

pub(crate) fn green(text: &str) -> String {
    paint(coloured(AnsiColor::Green), text)
}

pub(crate) fn yellow(text: &str) -> String {
    paint(coloured(AnsiColor::Yellow), text)
}

pub(crate) fn dim(text: &str) -> String {
    paint(Style::new().dimmed(), text)
}

/// Says that something may not be meant.
pub(crate) fn warn(warning: &str) {
    say!("{} {}", yellow("warning:"), printable_lines(warning));
}

/// A sign and a colour for the state of a step.
pub(crate) fn step_state(state: StepState) -> String {
    match state {
        StepState::Complete | StepState::ResolvedManually => green(&format!("✓ {state}")),
        StepState::Error => red(&format!("✗ {state}")),
        StepState::InProgress => yellow(&format!("● {state}")),
        StepState::WaitingForRetry => yellow(&format!("↻ {state}")),
        StepState::Waiting => yellow(&format!("◷ {state}")),
        StepState::Ready => format!("○ {state}"),
        StepState::Pending | StepState::Skipped | StepState::Cancelled => dim(&format!("· {state}")),
    }
}

/// A colour for the state of a task.
pub(crate) fn task_state(state: TaskState) -> String {
    match state {
        TaskState::Complete => green(state.as_str()),
        TaskState::Error | TaskState::BlockedByFailures => red(state.as_str()),
        TaskState::Cancelled | TaskState::Compensated => dim(state.as_str()),
        _ => yellow(state.as_str()),
    }
}

/// A duration as people read it: `870 µs`, `1.4 ms`, `2.31 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}

/// Writes data to standard output: as it is, and on a terminal as far as it can be shown.
pub(crate) fn print(text: &str) -> Done {
    if stdout().is_terminal() { write(&printable_lines(text)) } else { write(text) }
}

/// Writes lines with colours to standard output. Texts that are not ours go through [`printable`] first.
pub(crate) fn print_coloured(text: &str) -> Done {
    let text = with_colours(text);
    if has_colours() { write(&text) } else { write(&strip_str(&text).to_string()) }
}

/// Writes a line to standard output. A reader that went away is no error.
fn write(text: &str) -> Done {
    let mut stream = stdout().lock();
    match writeln!(stream, "{text}").and_then(|()| stream.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// A value as JSON, on several lines or on one.
pub(crate) fn json_text<T: Serialize + ?Sized>(value: &T, form: Form) -> Result<String, Failure> {
    let text =
        if form == Form::Jsonl { serde_json::to_string(value) } else { serde_json::to_string_pretty(value) };
    text.map(printable_json).map_err(Failure::run)
}

/// Writes one value as JSON, on several lines or on one.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T, form: Form) -> Done {
    write(&json_text(value, form)?)
}

/// Writes a list as a table, one JSON array or one JSON document a line.
pub(crate) fn list<T: Serialize>(
    items: &[T],
    form: Form,
    head: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> Done {
    match form {
        Form::Json => json(items, form),
        Form::Jsonl => items.iter().try_for_each(|item| json(item, form)),
        Form::Table if items.is_empty() => {
            say!("{}", dim("nothing"));
            Ok(())
        }
        Form::Table => {
            let mut table = comfy_table::Table::new();
            table.load_style(comfy_table::presets::NOTHING).set_header(head.iter().map(|h| h.to_uppercase()));
            let shown = |item| row(item).iter().map(|cell| printable(cell).into_owned()).collect::<Vec<_>>();
            table.add_rows(items.iter().map(shown));
            let text = table.to_string();
            print(&text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
        }
    }
}
