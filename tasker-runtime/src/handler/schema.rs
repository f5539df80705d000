//! What types say about their JSON. It is found where a type implements `schemars::JsonSchema`, without an attribute.

use serde_json::Value;

/// Describes a type. A function, so that nothing is worked out while a program is compiled.
pub type Describe = fn() -> Value;

/// What is known of the JSON that a handler reads as the context and of what it returns.
#[derive(Clone, Copy, Debug)]
pub struct Schemas {
    pub(crate) context: Option<Describe>,
    pub(crate) output: Option<Describe>,
}

impl Schemas {
    /// Nothing is known.
    pub const NONE: Self = Self { context: None, output: None };

    /// This is known.
    #[must_use]
    pub const fn of(context: Option<Describe>, output: Option<Describe>) -> Self {
        Self { context, output }
    }
}

#[cfg(feature = "schema")]
pub use described::{Described, NotDescribed};

#[cfg(feature = "schema")]
mod described {
    use std::marker::PhantomData;

    use schemars::{JsonSchema, generate::SchemaSettings};
    use serde_json::Value;

    use super::Describe;

    /// Whether a type describes its JSON; [`NotDescribed`] answers for all that do not.
    #[derive(Debug)]
    pub struct Described<T>(PhantomData<T>);

    impl<T: JsonSchema> Described<T> {
        /// What it is read from.
        pub const READ: Option<Describe> =
            Some(|| schema::<T>(SchemaSettings::draft2020_12().for_deserialize()));
        /// What it is written as.
        pub const WRITTEN: Option<Describe> =
            Some(|| schema::<T>(SchemaSettings::draft2020_12().for_serialize()));
    }

    /// The answer that nothing is known.
    pub trait NotDescribed {
        /// It is not.
        const READ: Option<Describe> = None;
        /// It is not.
        const WRITTEN: Option<Describe> = None;
    }

    impl<T> NotDescribed for Described<T> {}

    fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
        // Without references, so that it can stand within others.
        let settings = settings.with(|settings| settings.inline_subschemas = true);
        settings.into_generator().into_root_schema_for::<T>().to_value()
    }
}
