//! What the compiler says, from its JSON to a text that stays the same from machine to machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// What the compiler said about one case.
#[derive(Debug, Default)]
pub struct Said {
    /// Every error and warning, in order.
    pub messages: Vec<Message>,
}

/// One error or warning.
#[derive(Debug)]
pub struct Message {
    /// `error`, `warning` or another word of the compiler.
    pub level: String,
    /// All of it.
    pub text: String,
}

impl Said {
    /// All errors, one after the other. Warnings about a program that does not compile are left out.
    #[must_use]
    pub fn errors(&self) -> String {
        let errors = self.messages.iter().filter(|message| message.level.starts_with("error"));
        errors.map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Everything, one after the other.
    #[must_use]
    pub fn text(&self) -> String {
        self.messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// Reads one line of cargo's output. What is said about anything but a case goes to `broken`.
pub(crate) fn read(line: &str, said: &mut BTreeMap<String, Said>, broken: &mut String) {
    let Ok(line) = serde_json::from_str::<Value>(line) else { return };
    if line["reason"] != "compiler-message" {
        return;
    }
    let message = &line["message"];
    let level = text(&message["level"]);
    let summary = text(&message["message"]);
    if summary.starts_with("aborting due to")
        || level == "failure-note"
        || summary.contains("warning emitted")
    {
        return;
    }
    let target = text(&line["target"]["name"]);
    match said.get_mut(&target) {
        Some(said) => {
            let text = rendered(message);
            said.messages.push(Message { level, text });
        }
        None if level == "error" => broken.push_str(&text(&message["rendered"])),
        None => {}
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn rendered(message: &Value) -> String {
    let mut out = String::new();
    let code = message["code"]["code"].as_str().map(|code| format!("[{code}]")).unwrap_or_default();
    let level = text(&message["level"]);
    line(&mut out, 0, &format!("{level}{code}"), &text(&message["message"]));
    spans(&mut out, 2, message);
    // Where the compiler keeps long types is another place each time.
    let about_files = |child: &&Value| {
        let said = text(&child["message"]);
        said.starts_with("the full name for the type has been written")
            || said.starts_with("consider using `--verbose`")
            // How much is shown of a type with a closure depends on how long the path to its file is.
            || said.contains("{closure@")
    };
    let children = message["children"].as_array().into_iter().flatten();
    for child in children.filter(|child| !about_files(child)) {
        line(&mut out, 2, &text(&child["level"]), &text(&child["message"]));
        spans(&mut out, 4, child);
    }
    out
}

fn line(out: &mut String, indent: usize, level: &str, message: &str) {
    // The list of other types that happen to implement a trait is nobody's promise.
    let list = message.contains("other types implement");
    let message = if list { message.split("\n  ").next().unwrap_or_default() } else { message };
    // Linkers and paths differ from machine to machine.
    let message = if message.starts_with("linking with") { "linking failed" } else { message };
    let message = message.replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "");
    let _ = writeln!(out, "{:indent$}{level}: {message}", "");
}

/// The places in the case itself, with what is underlined there.
fn spans(out: &mut String, indent: usize, message: &Value) {
    for span in message["spans"].as_array().into_iter().flatten() {
        let Some(span) = outermost(span) else { continue };
        let place = format!("{}:{}", span["line_start"], span["column_start"]);
        let label = text(&span["label"]);
        let label = if label.is_empty() { label } else { format!(": {label}") };
        let mark = if span["is_primary"] == true { "-->" } else { "..." };
        let _ = writeln!(out, "{:indent$}{mark} {place} `{}`{label}", "", underlined(span));
    }
}

/// The place in the case; of code that a macro wrote, where the macro is called. Places elsewhere are
/// passed over.
fn outermost(span: &Value) -> Option<&Value> {
    if span["file_name"].as_str()?.contains("ui-tests") {
        return Some(span);
    }
    outermost(&span["expansion"]["span"])
}

fn underlined(span: &Value) -> String {
    let Some(first) = span["text"].as_array().and_then(|lines| lines.first()) else { return String::new() };
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(1);
    let (from, to) = (number(&first["highlight_start"]), number(&first["highlight_end"]));
    let text = text(&first["text"]);
    let underlined: String = text.chars().skip(from - 1).take(to.saturating_sub(from)).collect();
    if span["line_start"] == span["line_end"] { underlined } else { format!("{underlined} …") }
}
