//! JSON as text: how contexts and results travel through the engine.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

/// A JSON document as text, cheap to clone.
///
/// Contexts and results are written once and read as the type a handler asks for, so they are never
/// turned into a tree on the way: the text of a result is what the store keeps.
///
/// ```
/// use tasker_runtime::model::Json;
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
    /// When `value` does not serialize, for example a map whose keys are no strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        Ok(Self(serde_json::to_string(value)?.into()))
    }

    /// Takes text that must be one JSON document.
    ///
    /// # Errors
    /// When `text` is not JSON; the error names line and column.
    pub fn from_text(text: &str) -> serde_json::Result<Self> {
        let _: &serde_json::value::RawValue = serde_json::from_str(text)?;
        Ok(Self(text.into()))
    }

    /// Takes text that the store holds, which was JSON when it was written.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
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
