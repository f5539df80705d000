//! What went wrong around a call, in words for the person who reads it.

use std::fmt::Write as _;

use super::TaskSequenceStep;
use crate::model::{Json, StepError};

/// The code where the context lacks a field.
pub(super) const MISSING_FIELD: &str = StepError::MISSING_CONTEXT_FIELD;

/// The code where the context has another shape.
const INVALID_CONTEXT: &str = StepError::INVALID_CONTEXT;

/// The context does not have the shape that was asked for.
pub(super) fn context(context: &Json, error: &serde_json::Error) -> StepError {
    let (path, reason) = found(context, error);
    let code = if reason.starts_with("missing field") { MISSING_FIELD } else { INVALID_CONTEXT };
    StepError::permanent(code, format!("the context of the task does not fit: {}", at(&path, &reason)))
}

/// A field of the context does not have the shape that was asked for, or is missing.
pub(super) fn input(path: &str, reason: &str, missing: bool) -> StepError {
    let code = if missing { MISSING_FIELD } else { INVALID_CONTEXT };
    StepError::permanent(code, format!("the context of the task does not fit: at `{path}`: {reason}"))
}

/// The result of a step does not have the shape that was asked for.
pub(super) fn result(name: &str, result: &Json, error: &serde_json::Error) -> StepError {
    let (path, reason) = found(result, error);
    let message = format!("the result of step `{name}` does not fit: {}", at(&path, &reason));
    StepError::permanent("INVALID_DEPENDENCY", message)
}

/// What the last round of a step left does not have the shape that was asked for.
pub(super) fn round_state(state: &Json, error: &serde_json::Error) -> StepError {
    let (path, reason) = found(state, error);
    let message = format!("what the last round left does not fit: {}", at(&path, &reason));
    StepError::permanent("INVALID_STATE", message)
}

/// The configuration of the step does not have the shape that was asked for.
pub(super) fn config(error: &serde_json::Error) -> StepError {
    StepError::permanent("INVALID_CONFIG", format!("`handler.initialization` does not fit: {error}"))
}

/// What the handler returned is no JSON.
pub(super) fn output(error: &serde_json::Error) -> StepError {
    StepError::permanent(
        "INVALID_OUTPUT",
        format!("what the handler returned cannot be written as JSON: {error}"),
    )
}

/// A compensation was called as a step.
pub(super) fn nothing_to_compensate(step: &TaskSequenceStep) -> StepError {
    let message = format!("step `{}` is no compensation: there is nothing for it to undo", step.name());
    StepError::permanent("NOTHING_TO_UNDO", message)
}

/// A step whose result is asked for was not taken.
pub(super) fn not_taken(step: &TaskSequenceStep, name: &str) -> StepError {
    let message = format!("step `{}` reads `{name}`, which was not taken: take an `Option`", step.name());
    StepError::permanent("DEPENDENCY_NOT_TAKEN", message)
}

/// A decision whose data is asked for took a route that carries other data.
pub(super) fn not_carried(step: &TaskSequenceStep, name: &str) -> StepError {
    let message = format!(
        "step `{}` reads what a route of `{name}` carries, and `{name}` decided otherwise: take an `Option`, or the \
         enum itself",
        step.name()
    );
    StepError::permanent("OTHER_ROUTE", message)
}

/// A step whose result is asked for has none, which the engine should have waited for.
pub(super) fn pending(step: &TaskSequenceStep, name: &str) -> StepError {
    let message = format!("step `{}` reads `{name}`, which is not complete", step.name());
    StepError::retryable("DEPENDENCY_PENDING", message)
}

/// A step whose result is asked for is none that this one waits for.
pub(super) fn no_ancestor(step: &TaskSequenceStep, name: &str) -> StepError {
    let mut message = format!("step `{}` does not depend on a step `{name}`", step.name());
    let known: Vec<&str> = step.ancestors().collect();
    match known.as_slice() {
        [] => message.push_str(", nor on any other"),
        _ => {
            // Writing to a string does not fail.
            let _ = write!(message, "; it depends on {}", known.join(", "));
        }
    }
    StepError::permanent("NO_SUCH_DEPENDENCY", message)
}

fn at(path: &str, reason: &str) -> String {
    if path.is_empty() { reason.to_owned() } else { format!("at `{path}`: {reason}") }
}

/// Where in a document an error was found, and the error without its place.
fn found(json: &Json, error: &serde_json::Error) -> (String, String) {
    let text = json.as_str();
    let line_start = match error.line().checked_sub(2) {
        Some(before) => text.match_indices('\n').nth(before).map_or(0, |(at, _)| at + 1),
        None => 0,
    };
    let mut reason = error.to_string();
    if let Some(end) = reason.rfind(" at line ") {
        reason.truncate(end);
    }
    (path_to(text.as_bytes(), line_start + error.column()), reason)
}

/// A collection that was opened and not yet closed.
enum Open {
    Object(Option<String>),
    Array(usize),
}

/// The path to the innermost value that the byte before `end` belongs to: `items.0.sku`.
fn path_to(text: &[u8], end: usize) -> String {
    let end = end.min(text.len());
    let mut open = Vec::new();
    let mut at = 0;
    while at < end {
        match text[at] {
            b'{' => open.push(Open::Object(None)),
            b'[' => open.push(Open::Array(0)),
            // The last byte still belongs to what it closes.
            b'}' | b']' if at + 1 == end => {
                if let Some(last) = open.last_mut() {
                    last.end();
                }
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => match open.last_mut() {
                Some(Open::Object(key)) => *key = None,
                Some(Open::Array(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let length = text_length(&text[at..]);
                if let Some(Open::Object(key @ None)) = open.last_mut() {
                    let inner = text.get(at + 1..at + length - 1).unwrap_or_default();
                    *key = Some(String::from_utf8_lossy(inner).into_owned());
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    let names = open.into_iter().filter_map(|open| match open {
        Open::Object(key) => key,
        Open::Array(usize::MAX) => None,
        Open::Array(index) => Some(index.to_string()),
    });
    names.collect::<Vec<_>>().join(".")
}

impl Open {
    /// Makes the collection stand for itself and not for its last member.
    fn end(&mut self) {
        match self {
            Self::Object(key) => *key = None,
            Self::Array(index) => *index = usize::MAX,
        }
    }
}

/// The length of the string literal that `text` starts with, quotes included.
fn text_length(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len().max(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Order {
        #[serde(rename = "items")]
        _items: Vec<Item>,
        #[serde(rename = "paid")]
        _paid: bool,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        #[serde(rename = "sku")]
        _sku: String,
        #[serde(rename = "count", default)]
        _count: u8,
    }

    fn error(text: &str) -> StepError {
        let json = Json::from_text(text).unwrap();
        context(&json, &json.parse::<Order>().unwrap_err())
    }

    #[test]
    fn every_mistake_names_the_path_to_its_field() {
        for (text, path) in [
            (r#"{"items": [{"sku": "a"}, {"sku": 7}], "paid": true}"#, "at `items.1.sku`: invalid type"),
            ("{\n \"items\": [\n {\"sku\": \"a\"},\n {\"sku\": [7]}]}", "at `items.1.sku`: invalid type"),
            (r#"{"items": [{"sku": "a,\"}", "count": 300}]}"#, "at `items.0.count`: invalid value"),
            (r#"{"items": [{}], "paid": true}"#, "at `items.0`: missing field `sku`"),
            (r#"{"items": []}"#, "does not fit: missing field `paid`"),
            (r#"{"paid": 1}"#, "at `paid`: invalid type"),
            (r#"7"#, "does not fit: invalid type"),
        ] {
            let error = error(text);
            assert!(error.message().contains(path), "{text}: {error}");
            assert!(!error.message().contains("line"), "{error}");
            assert!(!error.is_retryable());
        }
    }

    #[test]
    fn missing_field_has_a_code_of_its_own() {
        assert_eq!(error("{}").code(), "MISSING_CONTEXT_FIELD");
        assert_eq!(error("[1]").code(), "INVALID_CONTEXT");
    }
}
