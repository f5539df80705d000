//! Mappings whose keys are known.

use crate::report::Code;
use crate::tree::{Content, NodeId, shown};

use super::Reader;

/// A key that a mapping may have.
pub(crate) struct Key {
    /// As a file writes it.
    written: &'static str,
    /// The key of the canonical form that it stands for.
    means: &'static str,
    /// Why it has no effect, where it has none.
    idle: Option<&'static str>,
}

/// A key of the canonical form.
pub(crate) const fn key(name: &'static str) -> Key {
    Key { written: name, means: name, idle: None }
}

/// Another way to write a key of the canonical form.
pub(crate) const fn alias(written: &'static str, means: &'static str) -> Key {
    Key { written, means, idle: None }
}

/// A key of other installations, without effect here.
pub(crate) const fn idle(name: &'static str, why: &'static str) -> Key {
    Key { written: name, means: name, idle: Some(why) }
}

/// One key of a mapping, with its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// The place of the key.
    pub(crate) key: NodeId,
    pub(crate) value: NodeId,
    /// As the file writes it, which decides the unit where several are known.
    pub(crate) written: &'static str,
    means: &'static str,
}

/// The known keys of a mapping, each at most once, none of them null.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<Field>);

impl Fields {
    /// The field with this canonical key.
    pub(crate) fn get(&self, means: &str) -> Option<Field> {
        self.0.iter().find(|field| field.means == means).copied()
    }

    /// The value with this canonical key.
    pub(crate) fn value(&self, means: &str) -> Option<NodeId> {
        self.get(means).map(|field| field.value)
    }
}

impl Reader<'_> {
    /// The fields of the mapping at `at`, which is `what` ("a step"). Reports every key that is unknown,
    /// without effect, or says again what another one says.
    pub(crate) fn fields(&mut self, at: NodeId, what: &str, keys: &'static [Key]) -> Option<Fields> {
        let tree = self.tree;
        let Content::Map(entries) = &tree.node(at).content else {
            let help = match &tree.node(at).content {
                Content::Text(_) if keys.iter().any(|key| key.written == "name") => Some("write `name: …`"),
                Content::Number(_) if keys.iter().any(|key| key.written == "max_attempts") => {
                    Some("write `max_attempts: …` below it")
                }
                _ => None,
            };
            let help = help.map(str::to_owned);
            self.wrong_type(at, &format!("{what} must be a mapping of keys to values"), help);
            return None;
        };
        let mut fields = Fields::default();
        for &(key, value) in entries {
            let Some(name) = tree.key(key) else { continue };
            let Some(known) = keys.iter().find(|known| known.written == name) else {
                self.unknown_key(key, &name, what, keys);
                continue;
            };
            if matches!(tree.node(value).content, Content::Null) {
                continue;
            }
            if let Some(why) = known.idle {
                self.warning(key, format!("`{name}` has no effect here"), why);
            }
            match fields.get(known.means) {
                Some(first) => {
                    let message = format!("`{name}` says again what `{}` says above", first.written);
                    self.mistake(key, Code::ConflictingKeys, message, Some("keep one of the two".to_owned()));
                }
                None => fields.0.push(Field { key, value, written: known.written, means: known.means }),
            }
        }
        Some(fields)
    }

    fn unknown_key(&mut self, at: NodeId, name: &str, what: &str, keys: &'static [Key]) {
        let canonical = || keys.iter().filter(|key| key.idle.is_none() && key.written == key.means);
        let near = self.nearest(name, keys.iter().map(|key| key.written));
        // One that is the whole of what was written and more is meant before one that is only near.
        let help = match longer(name, canonical().map(|key| key.written)).or(near) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let names: Vec<_> = canonical().map(|key| format!("`{}`", key.written)).collect();
                format!("{what} has {}", names.join(", "))
            }
        };
        self.mistake(at, Code::UnknownKey, format!("unknown key `{}` in {what}", shown(name)), Some(help));
    }

    /// Reports that a mapping lacks a key it must have.
    pub(crate) fn missing(&mut self, at: NodeId, what: &str, name: &str) {
        let help = Some(format!("add `{name}: …`"));
        self.mistake(at, Code::MissingKey, format!("{what} needs `{name}`"), help);
    }
}

/// The one key that begins or ends with the words of `written`: `timeout` is short for `timeout_seconds`.
fn longer(written: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let rest = |name: &str| {
        let begins = name.strip_prefix(written).is_some_and(|rest| rest.starts_with('_'));
        begins || name.strip_suffix(written).is_some_and(|rest| rest.ends_with('_'))
    };
    let mut found = known.filter(|name| rest(name));
    found.next().filter(|_| found.next().is_none())
}
