//! What templates say of signals, held against itself.

use tasker_template::{OnTimeout, SignalConfig, Step, Template};

use super::{
    Schema,
    check::{Check, Problem, title},
};

impl Check<'_> {
    /// What stands for a signal that does not come is what the signal may say.
    pub(super) fn default_of_signal(&mut self, template: &Template, step: &Step) {
        let Some(SignalConfig { schema: Some(schema), on_timeout: OnTimeout::Default(value), .. }) =
            &step.signal
        else {
            return;
        };
        // One that is none is refused where the template is read.
        let problems =
            Schema::new(schema).map(|schema| schema.problems("default", value)).unwrap_or_default();
        if !problems.is_empty() {
            self.found.problems.push(Problem::BadDefault {
                template: title(template),
                step: step.name.to_string(),
                reason: problems.join("; "),
            });
        }
    }
}
