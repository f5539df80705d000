//! How things look on a terminal and in a pipe.

use std::{
    io::{IsTerminal, Write, stderr, stdout},
    time::Duration,
};

use serde::Serialize;

use super::{Done, Failure, Form};
use crate::model::{StepState, TaskState};

/// Writes a line to standard error, as `eprintln!` does, whether or not anybody reads it.
macro_rules! say {
    ($($text:tt)*) => {{
        // Without a reader there is nobody to tell that there is none.
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*)));
    }};
}
pub(crate) use say;

/// Whether to colour what goes to standard error.
pub(crate) fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stderr().is_terminal()
}

fn paint(code: &str, text: &str) -> String {
    if colour() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

pub(crate) fn red(text: &str) -> String {
    paint("31", text)
}

pub(crate) fn green(text: &str) -> String {
    paint("32", text)
}

pub(crate) fn yellow(text: &str) -> String {
    paint("33", text)
}

pub(crate) fn dim(text: &str) -> String {
    paint("2", text)
}

/// A sign and a colour for the state of a step.
pub(crate) fn step_state(state: StepState) -> String {
    match state {
        StepState::Complete | StepState::ResolvedManually => green(&format!("✓ {state}")),
        StepState::Error => red(&format!("✗ {state}")),
        StepState::InProgress => yellow(&format!("● {state}")),
        StepState::WaitingForRetry => yellow(&format!("↻ {state}")),
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

/// Writes data to standard output. A reader that went away is no error.
pub(crate) fn print(text: &str) -> Done {
    match writeln!(stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes one value as JSON, on several lines or on one.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T, form: Form) -> Done {
    let text =
        if form == Form::Json { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    print(&text.map_err(Failure::run)?)
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
            table.add_rows(items.iter().map(row));
            let text = table.to_string();
            print(&text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
        }
    }
}
