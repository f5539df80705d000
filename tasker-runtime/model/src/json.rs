//! JSON as text: how contexts and results travel through the engine.

mod strict;
mod writer;

use std::{fmt::Write, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;
use writer::MAX_LEVELS;

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
    /// ```
    /// use tasker_model::Json;
    ///
    /// assert_eq!(Json::of(&u128::MAX)?.as_str(), "340282366920938463463374607431768211455");
    /// let error = Json::of(&[("rate", Some(f64::NAN))]).unwrap_err();
    /// assert_eq!(error.to_string(), "at `0.1`: NaN is not a number that JSON can express");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `value` does not serialize: a map whose keys are neither text nor numbers, a float that is not
    /// finite, or what is nested deeper than 127 levels, which no reader would take. The error names the path.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        Self::written(writer::write(value, false)?)
    }

    /// The same for the result of a step, which must not hide an error: the `Err` of a `Result` in it is
    /// refused.
    ///
    /// # Errors
    /// When `value` does not serialize, or has an `Err` in it.
    #[doc(hidden)]
    pub fn output<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        Self::written(writer::write(value, true)?)
    }

    fn written(written: writer::Written) -> serde_json::Result<Self> {
        if written.has_raw {
            return Self::from_text(&written.text);
        }
        Ok(Self(written.text.into()))
    }

    /// Takes text that must be one JSON document.
    ///
    /// ```
    /// use tasker_model::Json;
    ///
    /// let error = Json::from_text(r#"{"amount": 1, "amount": 2}"#).unwrap_err();
    /// assert!(error.to_string().starts_with("the key \"amount\" is there twice at line 1 column"));
    /// assert!(Json::from_text("[1e400]").is_err());
    /// ```
    ///
    /// # Errors
    /// When `text` is not JSON, where the error names line and column, when an object has two members of one
    /// name, a number is beyond the range of floats or half a surrogate pair stands for a character, or when
    /// it is nested deeper than 127 levels.
    pub fn from_text(text: &str) -> serde_json::Result<Self> {
        let _: &RawValue = serde_json::from_str(text)?;
        if depth(text) > MAX_LEVELS {
            let problem = format!("nested deeper than {MAX_LEVELS} levels");
            return Err(serde::ser::Error::custom(problem));
        }
        strict::check(text)?;
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

/// As the document that it is, digit for digit, where `serde_json` writes it.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(raw) => raw.serialize(to),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

/// Any document, as it is written, where `serde_json` reads it.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        if depth(raw.get()) > MAX_LEVELS {
            return Err(serde::de::Error::custom(format!("nested deeper than {MAX_LEVELS} levels")));
        }
        Ok(Self(raw.get().into()))
    }
}

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
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_taken_can_be_read_again_and_what_cannot_is_refused() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let deepest = Json::from_text(&nested(MAX_LEVELS)).unwrap();
        let value: serde_json::Value = deepest.parse().unwrap();
        assert_eq!(Json::of(&value).unwrap(), deepest);
        assert!(serde_json::from_str::<serde_json::Value>(&nested(MAX_LEVELS + 1)).is_err());
        for refused in [Json::from_text(&nested(MAX_LEVELS + 1)), Json::of(&vec![value])] {
            assert_eq!(refused.unwrap_err().to_string(), "nested deeper than 127 levels");
        }
    }

    #[test]
    fn what_is_written_is_what_serde_json_writes() {
        #[derive(Serialize)]
        enum Kind {
            Unit,
            Newtype(u8),
            Tuple(i8, char),
            Struct { a: Option<()>, b: &'static [u8] },
        }
        #[derive(Serialize)]
        struct All {
            kinds: [Kind; 4],
            floats: (f32, f64, f64, f64),
            whole: (u64, i64, u128, i128),
            maps: BTreeMap<i32, BTreeMap<bool, BTreeMap<char, ()>>>,
            text: &'static str,
        }
        let all = All {
            kinds: [Kind::Unit, Kind::Newtype(1), Kind::Tuple(-1, '"'), Kind::Struct { a: None, b: b"x" }],
            floats: (0.1, 0.1, 1e300, -0.0),
            whole: (u64::MAX, i64::MIN, u128::MAX, i128::MIN),
            maps: BTreeMap::from([(-7, BTreeMap::from([(true, BTreeMap::from([('\\', ())]))]))]),
            text: "a\u{1}b\n\u{1f600}",
        };
        assert_eq!(Json::of(&all).unwrap().as_str(), serde_json::to_string(&all).unwrap());
    }

    #[test]
    fn what_json_cannot_say_is_refused_with_its_path() {
        #[derive(Serialize)]
        struct Rates {
            all: BTreeMap<&'static str, Vec<Option<f32>>>,
        }
        let rates = |last| Rates { all: BTreeMap::from([("eur", vec![Some(1.0), Some(last)])]) };
        for (bad, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
            let error = Json::of(&rates(bad)).unwrap_err().to_string();
            assert_eq!(error, format!("at `all.eur.1`: {name} is not a number that JSON can express"));
        }
        let map = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(Json::of(&map).unwrap_err().to_string(), "key must be a string");
    }

    #[test]
    fn text_of_others_goes_through_as_it_is_and_is_checked() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let digits = "1.10000000000000000000000000000000000001";
        assert_eq!(Json::of(&[raw(digits)]).unwrap().as_str(), format!("[{digits}]"));
        assert_eq!(Json::of(&Json::of(&u128::MAX).unwrap()).unwrap(), Json::of(&u128::MAX).unwrap());
        for bad in [r#"{"a":1,"b":{"c":1,"c":2}}"#, "1e400", r#"["\ud800"]"#, r#"{"\udc00":1}"#] {
            assert!(Json::of(&raw(bad)).is_err(), "{bad}");
            assert!(Json::from_text(bad).is_err(), "{bad}");
        }
        assert!(Json::from_text(r#"{"a":{"a":1},"A":2,"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    #[test]
    fn result_of_a_step_hides_no_error() {
        type Hidden = Vec<(u8, std::result::Result<u8, String>)>;
        let hidden: Hidden = vec![(1, Ok(2)), (3, Err("four".to_owned()))];
        assert!(Json::of(&hidden).is_ok());
        let error = Json::output(&hidden).unwrap_err().to_string();
        assert!(error.starts_with("at `1.1`: a `Result` inside the result is an error"), "{error}");
    }

    #[test]
    fn brackets_in_texts_are_no_levels() {
        assert_eq!(depth(r#"["[[", "\"[", {"}": 1, "\\": []}]"#), 3);
    }
}
