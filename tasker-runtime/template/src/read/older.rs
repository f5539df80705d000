//! The older layout: `step_templates`, and optionally `workflow_steps` that puts them together.

use std::collections::{HashMap, HashSet};

use crate::report::Code;
use crate::tree::{NodeId, shown};

use super::Reader;
use super::fields::{Field, Key, alias, idle, key};
use super::step::Draft;

const KEYS: &[Key] = &[
    key("step_template"),
    alias("name", "step_template"),
    key("depends_on"),
    alias("dependencies", "depends_on"),
    alias("depends_on_step", "depends_on"),
    alias("depends_on_steps", "depends_on"),
    idle("context_key", "results are found by the name of their step"),
];

/// A step template, put to use.
struct Use {
    name: String,
    at: NodeId,
    depends_on: Vec<(String, NodeId)>,
}

impl Reader<'_> {
    /// The steps in the order of `workflow_steps`; a dependency holds whichever of the two lists it.
    pub(crate) fn workflow_steps(&mut self, field: Field, steps: Vec<Draft>) -> Vec<Draft> {
        let Some(items) = self.list(field) else { return steps };
        let mut by_name: HashMap<String, Draft> = HashMap::new();
        let mut names = Vec::new();
        let mut ordered = Vec::with_capacity(items.len());
        for draft in steps {
            match &draft.name {
                Some((name, _)) if !by_name.contains_key(name) => {
                    names.push(name.clone());
                    by_name.insert(name.clone(), draft);
                }
                // A second step of that name, or one without: what is wrong with it is said elsewhere.
                _ => ordered.push(draft),
            }
        }
        let known: HashSet<String> = names.iter().cloned().collect();
        for item in items {
            let Some(Use { name, at, depends_on }) = self.workflow_step(item) else { continue };
            if let Some(mut draft) = by_name.remove(&name) {
                let listed: HashSet<String> = draft.depends_on.iter().map(|(name, _)| name.clone()).collect();
                draft.depends_on.extend(depends_on.into_iter().filter(|(name, _)| !listed.contains(name)));
                ordered.push(draft);
            } else if known.contains(&name) {
                let message = format!("the step template `{name}` is used twice");
                let help = Some("give the second step a template of its own".to_owned());
                self.mistake(at, Code::DuplicateStep, message, help);
            } else {
                let help = self.did_you_mean(&name, names.iter().map(String::as_str));
                let message = format!("there is no step template `{}`", shown(&name));
                self.mistake(at, Code::UnknownStep, message, help);
            }
        }
        for draft in by_name.into_values() {
            let name = draft.name.as_ref().map_or("", |(name, _)| name);
            let message = format!("the step template `{name}` has no effect here");
            self.warning(draft.at, message, "`workflow_steps` does not list it");
        }
        ordered
    }

    fn workflow_step(&mut self, at: NodeId) -> Option<Use> {
        let fields = self.fields(at, "a workflow step", KEYS)?;
        let depends_on = fields.get("depends_on").map_or_else(Vec::new, |field| self.depends_on(field));
        let Some(field) = fields.get("step_template") else {
            self.missing(at, "a workflow step", "step_template");
            return None;
        };
        let name = self.text(field)?;
        Some(Use { name, at: field.value, depends_on })
    }
}
