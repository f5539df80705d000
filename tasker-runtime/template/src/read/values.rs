//! Values of one type, with their ranges.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::report::Code;
use crate::tree::{Content, NodeId, shown};
use crate::words::Word;

use super::Reader;
use super::fields::Field;

/// The longest name of anything.
const LONGEST_NAME: usize = 255;

impl Reader<'_> {
    /// Reports a value of another type than expected; a broken one was reported before.
    pub(crate) fn wrong_type(&mut self, at: NodeId, expected: &str, help: Option<String>) {
        let found = match &self.tree.node(at).content {
            Content::Broken => return,
            Content::Null => "nothing".to_owned(),
            Content::Bool(value) => format!("`{value}`"),
            Content::Number(number) => format!("the number {number}"),
            Content::Text(text) => format!("the text `{}`", shown(text)),
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a mapping".to_owned(),
        };
        self.mistake(at, Code::WrongType, format!("{expected}, found {found}"), help);
    }

    /// Text.
    pub(crate) fn text(&mut self, field: Field) -> Option<String> {
        match &self.tree.node(field.value).content {
            Content::Text(text) => Some(text.clone().into_owned()),
            Content::Number(_) | Content::Bool(_) => {
                let help = Some("put it in quotes".to_owned());
                self.wrong_type(field.value, &format!("`{}` must be text", field.written), help);
                None
            }
            _ => {
                self.wrong_type(field.value, &format!("`{}` must be text", field.written), None);
                None
            }
        }
    }

    /// Text that is a name: 1 to 255 of the characters that `allowed` takes and `described` says.
    pub(crate) fn name(
        &mut self,
        field: Field,
        allowed: fn(char) -> bool,
        described: &str,
    ) -> Option<String> {
        let name = self.text(field)?;
        let (at, key) = (field.value, field.written);
        if name.trim().is_empty() {
            let help = Some(format!("write 1 to {LONGEST_NAME} characters of {described}"));
            self.mistake(at, Code::EmptyName, format!("`{key}` is empty"), help);
            return None;
        }
        if name.chars().count() > LONGEST_NAME {
            let message = format!("`{key}` has more than {LONGEST_NAME} characters");
            self.mistake(at, Code::BadName, message, None);
            return None;
        }
        if let Some(bad) = name.chars().find(|&c| !allowed(c)) {
            let message = format!("`{key}` may only hold {described}, found {bad:?}");
            let better: String =
                name.to_lowercase().chars().map(|c| if allowed(c) { c } else { '_' }).collect();
            let useful = better.chars().any(char::is_alphanumeric);
            self.mistake(at, Code::BadName, message, useful.then(|| format!("write `{better}`")));
            return None;
        }
        Some(name)
    }

    /// `true` or `false`.
    pub(crate) fn bool(&mut self, field: Field) -> Option<bool> {
        if let Content::Bool(value) = self.tree.node(field.value).content {
            return Some(value);
        }
        let help = match &self.tree.node(field.value).content {
            Content::Text(text) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" => Some("write `true`, without quotes".to_owned()),
                "no" | "off" | "false" => Some("write `false`, without quotes".to_owned()),
                _ => None,
            },
            _ => None,
        };
        self.wrong_type(field.value, &format!("`{}` must be true or false", field.written), help);
        None
    }

    /// One word out of a few.
    pub(crate) fn word<W: Word>(&mut self, field: Field) -> Option<W> {
        let text = self.text(field)?;
        if let Some(word) = W::all().iter().copied().find(|word| word.word() == text) {
            return Some(word);
        }
        let words: Vec<_> = W::all().iter().map(|word| format!("`{}`", word.word())).collect();
        let message =
            format!("`{}` must be one of {}, found `{}`", field.written, words.join(", "), shown(&text));
        let help = self.did_you_mean(&text, W::all().iter().map(|word| word.word()));
        self.mistake(field.value, Code::UnknownWord, message, help);
        None
    }

    /// A whole number in a range.
    pub(crate) fn whole(&mut self, field: Field, range: RangeInclusive<i64>) -> Option<i64> {
        let Content::Number(number) = &self.tree.node(field.value).content else {
            self.not_a_number(field, "a whole number");
            return None;
        };
        if number.is_f64() {
            self.wrong_type(field.value, &format!("`{}` must be a whole number", field.written), None);
            return None;
        }
        let fitting = number.as_i64().filter(|value| range.contains(value));
        if fitting.is_none() {
            let number = number.to_string();
            self.out_of_range(field, &range.start().to_string(), &range.end().to_string(), &number);
        }
        fitting
    }

    /// A number of units of `unit_ms` milliseconds, as a duration in a range of milliseconds.
    pub(crate) fn duration(
        &mut self,
        field: Field,
        unit_ms: u32,
        range_ms: RangeInclusive<u64>,
    ) -> Option<Duration> {
        let Content::Number(number) = &self.tree.node(field.value).content else {
            self.not_a_number(field, "a number");
            return None;
        };
        let units = number.as_f64().unwrap_or(f64::NAN);
        let millis = (units * f64::from(unit_ms)).round();
        // Far below 2^53, so comparing and converting are exact.
        if millis >= *range_ms.start() as f64 && millis <= *range_ms.end() as f64 {
            return Some(Duration::from_millis(millis as u64));
        }
        let shown = number.to_string();
        let in_units = |millis: u64| (millis as f64 / f64::from(unit_ms)).to_string();
        self.out_of_range(field, &in_units(*range_ms.start()), &in_units(*range_ms.end()), &shown);
        None
    }

    fn not_a_number(&mut self, field: Field, what: &str) {
        let help = match &self.tree.node(field.value).content {
            Content::Text(text) if text.trim().parse::<f64>().is_ok() => {
                Some(format!("write `{}`, without quotes", text.trim()))
            }
            _ => Some("write it in digits".to_owned()),
        };
        self.wrong_type(field.value, &format!("`{}` must be {what}", field.written), help);
    }

    fn out_of_range(&mut self, field: Field, from: &str, to: &str, found: &str) {
        let message = format!("`{}` must be from {from} to {to}, found {found}", field.written);
        self.mistake(field.value, Code::OutOfRange, message, None);
    }

    /// The items of a list.
    pub(crate) fn list(&mut self, field: Field) -> Option<Vec<NodeId>> {
        let help = match &self.tree.node(field.value).content {
            Content::List(items) => return Some(items.clone()),
            Content::Text(text) => Some(format!("write `[{}]`", shown(text))),
            Content::Map(_) => Some("begin each of its items with `- `".to_owned()),
            _ => None,
        };
        self.wrong_type(field.value, &format!("`{}` must be a list", field.written), help);
        None
    }

    /// A mapping of anything.
    pub(crate) fn map(&mut self, field: Field) -> Option<Map<String, Value>> {
        if let Content::Map(_) = self.tree.node(field.value).content
            && let Value::Object(map) = self.tree.to_json(field.value)
        {
            return Some(map);
        }
        self.wrong_type(field.value, &format!("`{}` must be a mapping", field.written), None);
        None
    }

    /// A JSON Schema, checked by whoever asked for the template.
    pub(crate) fn schema(&mut self, field: Field) -> Option<Value> {
        let schema = Value::Object(self.map(field)?);
        if let Some(Err(message)) = self.options.schema_check.map(|check| check(&schema)) {
            let message = format!("`{}` is no JSON Schema: {message}", field.written);
            self.mistake(field.key, Code::InvalidSchema, message, None);
        }
        Some(schema)
    }
}
