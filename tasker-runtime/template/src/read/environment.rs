//! `environments`: what is different where.

use std::collections::{HashMap, HashSet};

use crate::report::Code;
use crate::tree::{Content, NodeId, shown};

use super::Reader;
use super::fields::{Key, alias, idle, key};
use super::step::{Draft, Patch, WHY_LIFECYCLE};

const ENVIRONMENT_KEYS: &[Key] = &[key("steps"), idle("task_handler", "a task has no handler of its own")];

const STEP_KEYS: &[Key] = &[
    key("name"),
    key("handler"),
    key("timeout_seconds"),
    key("retry"),
    alias("max_retries", "older_retries"),
    key("queue"),
    key("priority"),
    alias("default_retry_limit", "older_retries"),
    alias("default_retryable", "older_retryable"),
    alias("handler_class", "handler"),
    alias("handler_config", "older_config"),
    idle("lifecycle", WHY_LIFECYCLE),
];

/// How much text the configuration for all steps may grow to, written out for each of them.
const MOST_COPIED: usize = 16 << 20;

/// What the chosen environment lays over the steps.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// For every step.
    all: Option<Patch>,
    /// For one step.
    named: HashMap<String, Patch>,
}

impl Environment {
    /// What it says about one step; asked once for each.
    pub(crate) fn take(&mut self, step: &str) -> Patch {
        let all = self.all.clone().unwrap_or_default();
        match self.named.remove(step) {
            Some(own) => own.over(all),
            None => all,
        }
    }
}

impl Reader<'_> {
    /// Checks every environment and gives the chosen one.
    pub(crate) fn environments(&mut self, at: NodeId, steps: &[Draft]) -> Environment {
        let tree = self.tree;
        let Content::Map(entries) = &tree.node(at).content else {
            self.wrong_type(at, "`environments` must be a mapping of names to environments", None);
            return Environment::default();
        };
        let names: Vec<&str> =
            steps.iter().filter_map(|step| step.name.as_ref()).map(|(name, _)| name.as_str()).collect();
        let known: HashSet<&str> = names.iter().copied().collect();
        let mut chosen = Environment::default();
        for &(key, value) in entries {
            if matches!(tree.node(value).content, Content::Null) {
                continue;
            }
            let environment = self.environment(value, &names, &known);
            if tree.key(key).as_deref() == self.options.environment {
                chosen = environment;
            }
        }
        chosen
    }

    fn environment(&mut self, at: NodeId, names: &[&str], known: &HashSet<&str>) -> Environment {
        let mut environment = Environment::default();
        let Some(fields) = self.fields(at, "an environment", ENVIRONMENT_KEYS) else { return environment };
        let items = fields.get("steps").and_then(|field| self.list(field)).unwrap_or_default();
        for item in items {
            let Some(fields) = self.fields(item, "a step of an environment", STEP_KEYS) else { continue };
            let patch = self.patch(&fields);
            let Some(field) = fields.get("name") else {
                self.missing(item, "a step of an environment", "name");
                continue;
            };
            let Some(name) = self.text(field) else { continue };
            let twice = if name == "ALL" {
                self.fits(&patch, names.len(), item);
                environment.all.replace(patch).is_some()
            } else if known.contains(name.as_str()) {
                environment.named.insert(name.clone(), patch).is_some()
            } else {
                let help = self.did_you_mean(&name, names.iter().copied());
                let message = format!("the environment changes `{}`, which is no step", shown(&name));
                self.mistake(field.value, Code::UnknownStep, message, help);
                false
            };
            if twice {
                let message = format!("the environment changes `{}` twice", shown(&name));
                let help = Some("put both changes under one".to_owned());
                self.mistake(field.value, Code::DuplicateStep, message, help);
            }
        }
        environment
    }

    /// Refuses a configuration that is small once and huge for every step.
    fn fits(&mut self, patch: &Patch, steps: usize, at: NodeId) {
        let Some(map) = &patch.handler.initialization else { return };
        let once = serde_json::to_string(map).map_or(0, |text| text.len());
        if once.saturating_mul(steps) > MOST_COPIED {
            let message = format!("this configuration of {once} bytes is too large for {steps} steps");
            let help = Some("name the steps that need it".to_owned());
            self.mistake(at, Code::TooManyValues, message, help);
        }
    }
}
