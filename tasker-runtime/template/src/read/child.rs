//! Steps of type `workflow`.

use crate::child::{ChildConfig, ChildInput};
use crate::report::Code;
use crate::step::StepKind;
use crate::tree::{NodeId, shown};
use crate::wait::Source;

use super::Reader;
use super::fields::{Field, Fields, Key, key};

const WORKFLOW_KEYS: &[Key] = &[
    key("run"),
    key("version"),
    key("input"),
    key("for_each"),
    key("parallelism"),
    key("on_failure"),
    key("cascade"),
];

impl Reader<'_> {
    /// `workflow` of a step of that type.
    pub(super) fn workflow(
        &mut self,
        at: NodeId,
        fields: &Fields,
        kind: StepKind,
        dependencies: &[(String, NodeId)],
    ) -> Option<ChildConfig> {
        if kind != StepKind::Workflow {
            return None;
        }
        let Some(workflow) = fields.value("workflow") else {
            self.missing(at, "a step of type `workflow`", "workflow");
            return None;
        };
        let fields = self.fields(workflow, "`workflow`", WORKFLOW_KEYS)?;
        let run = fields.get("run").map(|field| self.run(field));
        if run.is_none() {
            self.missing(workflow, "`workflow`", "run");
        }
        let input = self.child_input(&fields, dependencies);
        if let Some(field) = fields.get("parallelism").filter(|_| fields.get("for_each").is_none()) {
            let message = "`parallelism` has no place without `for_each`: there is one task alone".to_owned();
            self.mistake(field.key, Code::MisplacedKey, message, Some("remove it".to_owned()));
        }
        let parallelism = fields.get("parallelism").and_then(|field| self.whole(field, 1..=10_000));
        Some(ChildConfig {
            run: run??,
            version: fields.get("version").and_then(|field| self.text(field)),
            input: input?,
            parallelism: parallelism.and_then(|count| u32::try_from(count).ok()),
            on_failure: fields.get("on_failure").and_then(|field| self.word(field)).unwrap_or_default(),
            cascade: fields.get("cascade").and_then(|field| self.bool(field)).unwrap_or(true),
        })
    }

    /// The name of a workflow, with or without its namespace.
    fn run(&mut self, field: Field) -> Option<String> {
        let text = self.text(field)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() <= 2 && parts.iter().all(|part| !part.is_empty() && part.chars().all(allowed)) {
            return Some(text);
        }
        let message =
            format!("`run` must be the name of a workflow, as `namespace/name`, found `{}`", shown(&text));
        self.mistake(field.value, Code::BadName, message, None);
        None
    }

    /// What each task is started with: the context of this one where nothing is said.
    fn child_input(&mut self, fields: &Fields, dependencies: &[(String, NodeId)]) -> Option<ChildInput> {
        match (fields.get("input"), fields.get("for_each")) {
            (None, None) => Some(ChildInput::One(Source { step: None, path: Vec::new() })),
            (Some(input), None) => self.source(input, dependencies).map(ChildInput::One),
            (None, Some(each)) => self.source(each, dependencies).map(ChildInput::Each),
            (Some(_), Some(each)) => {
                let message = "a child workflow has an `input` or a list of them, not both".to_owned();
                let help = Some("keep one of the two".to_owned());
                self.mistake(each.key, Code::ConflictingKeys, message, help);
                None
            }
        }
    }
}
