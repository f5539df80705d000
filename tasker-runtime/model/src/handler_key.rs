use std::{borrow::Borrow, fmt, sync::Arc};

/// The one name of a handler: its own name, after its namespace if it has one, `shop.charge`.
///
/// The registry of a process makes it of whatever a template writes (an alias, a Rust path, a short name). It
/// is what offers, workers and permits go by.
///
/// ```
/// use tasker_model::HandlerKey;
///
/// assert_eq!(HandlerKey::new(Some("shop"), "charge").as_str(), "shop.charge");
/// assert_eq!(HandlerKey::new(None, "charge"), HandlerKey::from("charge"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerKey(Arc<str>);

impl HandlerKey {
    /// The key of the handler `name` of `namespace`.
    #[must_use]
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        match namespace {
            Some(namespace) => Self(format!("{namespace}.{name}").into()),
            None => Self(name.into()),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for HandlerKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

impl PartialEq<str> for HandlerKey {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for HandlerKey {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl Borrow<str> for HandlerKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HandlerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
