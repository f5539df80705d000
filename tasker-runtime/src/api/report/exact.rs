//! What a task was given and what it came to, as text: digit for digit, which numbers of a tree are not.

use serde::{Serialize, Serializer};

use super::{StepReport, TaskReport};
use crate::model::Json;

impl TaskReport {
    /// Its context as it was given.
    #[must_use]
    pub fn context_json(&self) -> &Json {
        &self.context_text
    }

    /// Its result, to be shown alone: digit for digit, over several lines where it is printed so and that says the same.
    #[must_use]
    pub fn shown_result(&self) -> impl Serialize {
        Exact(&self.result_text)
    }

    /// Its result as it was recorded; `null` until the task is complete.
    #[must_use]
    pub fn result_json(&self) -> &Json {
        &self.result_text
    }
}

impl StepReport {
    /// Its result as it was recorded, or `null`.
    #[must_use]
    pub fn result_json(&self) -> &Json {
        &self.result_text
    }
}

/// A result as it is shown: digit for digit.
struct Exact<'a>(&'a Json);

impl Serialize for Exact<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        written(self.0, to)
    }
}

/// Writes a result: as a tree, which may stand on several lines, where that says the same, else as it is.
pub(super) fn written<S: Serializer>(json: &Json, to: S) -> Result<S::Ok, S::Error> {
    let tree = json.to_value();
    let text = tree.to_string();
    if text == json.as_str() { tree.serialize(to) } else { json.serialize(to) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn results_are_shown_digit_for_digit() {
        let most = u128::MAX.to_string();
        for (stored, shown) in [
            (most.clone(), most.clone()),
            (format!("{{\"n\":{most}}}"), format!("{{\"n\":{most}}}")),
            ("1.0000000000000000001".to_owned(), "1.0000000000000000001".to_owned()),
            ("{\"n\":7}".to_owned(), "{\n  \"n\": 7\n}".to_owned()),
        ] {
            let json = Json::stored(&stored);
            assert_eq!(serde_json::to_string_pretty(&Exact(&json)).unwrap(), shown);
        }
    }
}
