//! JSON as text: how contexts and results travel through the engine.

use std::{fmt::Write, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned},
    ser,
};
use serde_json::value::RawValue;

/// A JSON document as text, cheap to clone.
///
/// Contexts and results are written once and read as the type a handler asks for, so they are never
/// turned into a tree on the way: the text of a result is what the store keeps.
///
/// ```
/// use tasker_model::Json;
///
/// let json = Json::of(&[1, 2])?;
/// assert_eq!(json.as_str(), "[1,2]");
/// assert_eq!(json.parse::<Vec<u8>>()?, [1, 2]);
/// assert!(Json::from_text("{oops").is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// The JSON text of `value`.
    ///
    /// # Errors
    /// When `value` does not serialize, for example a map whose keys are no strings, or is nested deeper
    /// than 127 levels, which no reader would take.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        Self::flat_enough(serde_json::to_string(value)?)
    }

    /// Takes text that must be one JSON document.
    ///
    /// # Errors
    /// When `text` is not JSON, where the error names line and column, or is nested deeper than 127 levels.
    pub fn from_text(text: &str) -> serde_json::Result<Self> {
        let _: &RawValue = serde_json::from_str(text)?;
        Self::flat_enough(text.to_owned())
    }

    fn flat_enough(text: String) -> serde_json::Result<Self> {
        if depth(&text) > MOST_LEVELS {
            let problem = format!("nested deeper than {MOST_LEVELS} levels");
            return Err(serde::ser::Error::custom(problem));
        }
        Ok(Self(text.into()))
    }

    /// Takes text that the store holds, which was JSON when it was written.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    /// The same document in ASCII: every other character is written as an escape. It reads as the same value.
    ///
    /// ```
    /// use tasker_model::Json;
    ///
    /// let json = Json::from_text(r#"{"city":"東京 🗼"}"#)?;
    /// assert_eq!(json.escaped().as_str(), r#"{"city":"\u6771\u4eac \ud83d\uddfc"}"#);
    /// assert_eq!(json.escaped().to_value(), json.to_value());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn escaped(&self) -> Self {
        if self.0.is_ascii() {
            return self.clone();
        }
        let mut text = String::with_capacity(self.0.len() * 2);
        for character in self.0.chars() {
            if character.is_ascii() {
                text.push(character);
                continue;
            }
            // Only strings have such characters. Writing to a String cannot fail.
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the document as `T`.
    ///
    /// # Errors
    /// When the document does not have the shape of `T`; the error names line and column.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.0)
    }

    /// The document as a tree. Text that is no JSON reads as `null`.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        self.parse().unwrap_or_default()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::flat_enough(raw.get().to_owned()).map_err(de::Error::custom)
    }
}

/// As deep as `serde_json` reads.
const MOST_LEVELS: usize = 127;

/// How deep the arrays and objects of a JSON text are nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_can_be_read_again_and_what_cannot_is_refused() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let deepest = Json::from_text(&nested(MOST_LEVELS)).unwrap();
        let value: serde_json::Value = deepest.parse().unwrap();
        assert_eq!(Json::of(&value).unwrap(), deepest);
        assert!(serde_json::from_str::<serde_json::Value>(&nested(MOST_LEVELS + 1)).is_err());
        for refused in [Json::from_text(&nested(MOST_LEVELS + 1)), Json::of(&vec![value])] {
            assert_eq!(refused.unwrap_err().to_string(), "nested deeper than 127 levels");
        }
    }

    #[test]
    fn brackets_in_texts_are_no_levels() {
        assert_eq!(depth(r#"["[[", "\"[", {"}": 1, "\\": []}]"#), 3);
    }
}
