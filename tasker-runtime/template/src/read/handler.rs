//! The handler of a step.

use serde_json::{Map, Value};

use crate::report::Code;
use crate::step::HandlerRef;
use crate::tree::{Content, NodeId};

use super::Reader;
use super::fields::{Field, Key, idle, key};

const KEYS: &[Key] = &[
    key("callable"),
    key("initialization"),
    idle("method", "a handler has one entry, `call`: name another handler instead"),
    idle("resolver", "handlers are found by the text of `callable`"),
];

/// What a step, or an environment, says about a handler.
#[derive(Debug, Clone, Default)]
pub(crate) struct HandlerPatch {
    /// The callable and its place.
    pub(crate) callable: Option<(String, NodeId)>,
    pub(crate) method: Option<String>,
    pub(crate) resolver: Option<String>,
    pub(crate) initialization: Option<Map<String, Value>>,
}

impl HandlerPatch {
    /// This patch laid over `base`: initializations merge deeply, everything else replaces.
    pub(crate) fn over(self, base: Self) -> Self {
        Self {
            callable: self.callable.or(base.callable),
            method: self.method.or(base.method),
            resolver: self.resolver.or(base.resolver),
            initialization: match (self.initialization, base.initialization) {
                (Some(upper), Some(lower)) => Some(merge(lower, upper)),
                (upper, lower) => upper.or(lower),
            },
        }
    }

    /// The handler of a step called `step`.
    pub(crate) fn finish(self, step: &str) -> HandlerRef {
        HandlerRef {
            callable: self.callable.map_or_else(|| step.to_owned(), |(callable, _)| callable),
            method: self.method,
            resolver: self.resolver,
            initialization: Value::Object(self.initialization.unwrap_or_default()),
        }
    }
}

impl Reader<'_> {
    /// `handler: name` or `handler: {callable, …}`.
    pub(crate) fn handler(&mut self, field: Field) -> HandlerPatch {
        if !matches!(self.tree.node(field.value).content, Content::Map(_)) {
            return HandlerPatch { callable: self.callable(field), ..HandlerPatch::default() };
        }
        let Some(fields) = self.fields(field.value, "a handler", KEYS) else {
            return HandlerPatch::default();
        };
        HandlerPatch {
            callable: fields.get("callable").and_then(|field| self.callable(field)),
            method: fields.get("method").and_then(|field| self.text(field)),
            resolver: fields.get("resolver").and_then(|field| self.text(field)),
            initialization: fields.get("initialization").and_then(|field| self.map(field)),
        }
    }

    /// A callable in any spelling, kept as written.
    pub(crate) fn callable(&mut self, field: Field) -> Option<(String, NodeId)> {
        let callable = self.text(field)?;
        if callable.trim().is_empty() {
            let help = Some("name a handler, or leave the key out to use the step's own name".to_owned());
            self.mistake(field.value, Code::EmptyName, format!("`{}` is empty", field.written), help);
            return None;
        }
        Some((callable, field.value))
    }
}

/// `upper` laid over `lower`, mapping by mapping; keys in order, so that equal values have equal text.
fn merge(lower: Map<String, Value>, upper: Map<String, Value>) -> Map<String, Value> {
    let mut merged = Value::Object(lower);
    let mut work = vec![(Vec::<String>::new(), upper)];
    while let Some((path, upper)) = work.pop() {
        let mut target = &mut merged;
        for key in &path {
            target = &mut target[key.as_str()];
        }
        let Value::Object(target) = target else { continue };
        for (key, value) in upper {
            match (target.get(&key), value) {
                (Some(Value::Object(_)), Value::Object(deeper)) => {
                    let mut path = path.clone();
                    path.push(key);
                    work.push((path, deeper));
                }
                (_, value) => {
                    target.insert(key, value);
                }
            }
        }
        target.sort_keys();
    }
    match merged {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
