//! One text for every way of writing the same JSON.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Json;

impl Json {
    /// The document without white space, with the keys of objects in order and texts escaped in one way only.
    /// Numbers stay as they are written: `1` and `1.0` are two.
    ///
    /// ```
    /// use tasker_model::Json;
    ///
    /// let json = Json::from_text(r#"{ "b": [1.50, "\u0041"], "a": {} }"#)?;
    /// assert_eq!(json.canonical(), r#"{"a":{},"b":[1.50,"A"]}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::with_capacity(self.as_str().len());
        write(self.as_str(), &mut text);
        text
    }
}

/// Appends one document. It is nested no deeper than a [`Json`] may be.
fn write(json: &str, text: &mut String) {
    let json = json.trim();
    match json.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<BTreeMap<String, &RawValue>>(json) {
            Ok(fields) => write_all(&fields, text, ['{', '}'], |(key, value), text| {
                text.push_str(&quoted(key));
                text.push(':');
                write(value.get(), text);
            }),
            Err(_) => text.push_str(json),
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(json) {
            Ok(items) => write_all(&items, text, ['[', ']'], |value, text| write(value.get(), text)),
            Err(_) => text.push_str(json),
        },
        Some(b'"') => match serde_json::from_str::<String>(json) {
            Ok(plain) => text.push_str(&quoted(&plain)),
            // Half a surrogate pair is no text; what holds one stays as it is written.
            Err(_) => text.push_str(json),
        },
        _ => text.push_str(json),
    }
}

fn write_all<T>(
    items: impl IntoIterator<Item = T>,
    text: &mut String,
    [open, close]: [char; 2],
    write_one: impl Fn(T, &mut String),
) {
    text.push(open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_one(item, text);
    }
    text.push(close);
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Json::from_text(text).unwrap().canonical()
    }

    #[test]
    fn ways_of_writing_the_same_have_one_text() {
        for text in [r#"{"a":{"x":1,"y":[true,null]},"b":"é"}"#, "7", "[]"] {
            assert_eq!(canonical(text), text);
        }
        let other = "\n{ \"b\" :\"\\u00e9\", \"a\":{\"y\":[ true,null ],\t\"x\":1} }";
        assert_eq!(canonical(other), r#"{"a":{"x":1,"y":[true,null]},"b":"é"}"#);
    }

    #[test]
    fn numbers_that_a_float_could_not_tell_apart_stay_apart() {
        assert_ne!(canonical("[12345678901234567890123]"), canonical("[12345678901234567890124]"));
        assert_ne!(canonical("1.0"), canonical("1"));
    }

    #[test]
    fn what_is_nested_as_deep_as_possible_is_written() {
        let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert_eq!(canonical(&deep), deep);
    }
}
