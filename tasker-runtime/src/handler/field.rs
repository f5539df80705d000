//! One field of a document, by path, without reading the rest into memory.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::input_error;
use crate::model::{Json, StepError};

/// Reads the value at `path`: names and, for arrays, indices, with dots between. An `Option` is `None`
/// where there is nothing.
pub(super) fn read<T: DeserializeOwned>(json: &Json, path: &'static str) -> Result<T, StepError> {
    match find(json, path)? {
        Some(value) => Ok(value),
        // Only a type that stands for absence too reads as one.
        None => T::deserialize(Absent).map_err(|_| input_error::input(path, "there is no such field", true)),
    }
}

/// Reads the value at `path`; `None` where there is nothing.
pub(super) fn find<T: DeserializeOwned>(json: &Json, path: &'static str) -> Result<Option<T>, StepError> {
    let mut text = serde_json::Deserializer::from_str(json.as_str());
    let mut found = None;
    let walk = Walk { rest: path, found: &mut found };
    if let Err(error) = walk.deserialize(&mut text) {
        let mut reason = error.to_string();
        if let Some(end) = reason.rfind(" at line ") {
            reason.truncate(end);
        }
        return Err(input_error::input(path, &reason, false));
    }
    Ok(found)
}

/// Goes down one name of the path at a time.
struct Walk<'f, T> {
    rest: &'static str,
    found: &'f mut Option<T>,
}

impl<'f, T> Walk<'f, T> {
    fn split(self) -> (&'static str, Self) {
        let (first, rest) = self.rest.split_once('.').unwrap_or((self.rest, ""));
        (first, Walk { rest, found: self.found })
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Walk<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if self.rest.is_empty() {
            *self.found = Some(T::deserialize(from)?);
            return Ok(());
        }
        from.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Walk<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (name, below) = self.split();
        let mut below = Some(below);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match below.take_if(|_| key == name) {
                Some(below) => map.next_value_seed(below)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let (name, below) = self.split();
        let mut skip = name
            .parse::<usize>()
            .map_err(|_| A::Error::custom(format!("`{name}` is no index, and this is an array")))?;
        while skip > 0 {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
            skip -= 1;
        }
        seq.next_element_seed(below)?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    // A null above the field is the same as a field that is not there.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads as `None` and as nothing else.
struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("there is no such field"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"id": 7, "items": [{"sku": "a"}, {"sku": "b\"", "size": null}], "note": null}"#;

    fn field<T: DeserializeOwned>(path: &'static str) -> Result<T, StepError> {
        read(&Json::from_text(ORDER).unwrap(), path)
    }

    #[test]
    fn path_goes_through_objects_and_arrays() {
        assert_eq!(field::<u8>("id").unwrap(), 7);
        assert_eq!(field::<String>("items.1.sku").unwrap(), "b\"");
        assert_eq!(field::<serde_json::Value>("items.0").unwrap(), serde_json::json!({"sku": "a"}));
    }

    #[test]
    fn missing_field_is_permanent_and_named() {
        for path in ["name", "items.2.sku", "items.0.size", "note.text"] {
            let error = field::<String>(path).unwrap_err();
            assert_eq!(error.code(), "MISSING_CONTEXT_FIELD");
            assert!(!error.is_retryable());
            assert!(error.message().contains(&format!("at `{path}`: there is no such field")), "{error}");
            assert_eq!(field::<Option<String>>(path).unwrap(), None);
        }
    }

    #[test]
    fn field_of_another_shape_is_permanent_and_named() {
        let error = field::<u8>("items.0.sku").unwrap_err();
        assert!(
            error.message().contains("at `items.0.sku`: invalid type: string \"a\", expected u8"),
            "{error}"
        );
        let error = field::<u8>("items.first").unwrap_err();
        assert!(error.message().contains("`first` is no index"), "{error}");
        let error = field::<u8>("id.x").unwrap_err();
        assert!(error.message().contains("expected an object or an array"), "{error}");
        assert!(field::<Option<u8>>("items.0.sku").is_err());
    }
}
