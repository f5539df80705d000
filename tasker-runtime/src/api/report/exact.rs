//! What a task was given and what it came to, as text: digit for digit, which numbers of a tree are not.

use super::{StepReport, TaskReport};
use crate::model::Json;

impl TaskReport {
    /// Its context as it was given.
    #[must_use]
    pub fn context_json(&self) -> &Json {
        &self.context_text
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
