//! JSON schemas of templates: what an input and the results of steps must look like.

use serde_json::Value;

#[cfg(feature = "json-schema")]
use jsonschema::Validator;

/// A schema that can be asked. Without the feature `json-schema` there are none.
#[derive(Clone, Debug)]
pub(crate) struct Schema(
    #[cfg(feature = "json-schema")] Validator,
    #[cfg(not(feature = "json-schema"))] std::convert::Infallible,
);

#[cfg(feature = "json-schema")]
impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// When it is none, with what is wrong.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::validator_for(schema).map(Self).map_err(|error| error.to_string())
    }

    /// What breaks it in `value`, each with its place as `what.field.0`.
    pub(crate) fn problems(&self, what: &str, value: &Value) -> Vec<String> {
        let problem = |error: jsonschema::ValidationError<'_>| {
            format!("{what}{}: {error}", error.instance_path().to_string().replace('/', "."))
        };
        self.0.iter_errors(value).map(problem).collect()
    }
}

#[cfg(not(feature = "json-schema"))]
impl Schema {
    /// Refuses every schema: one that nobody checks is worse than none.
    pub(crate) fn new(_: &Value) -> Result<Self, String> {
        Err("this program was built without JSON schemas: enable the feature `json-schema` of tasker-runtime"
            .to_owned())
    }

    pub(crate) fn problems(&self, _: &str, _: &Value) -> Vec<String> {
        match self.0 {}
    }
}
