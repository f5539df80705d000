//! How many tasks of a template may run at once.

use crate::limits::{Concurrency, context_path};
use crate::report::Code;
use crate::tree::{Content, NodeId, shown};

use super::Reader;
use super::fields::{Field, Key, key};

const CONCURRENCY_KEYS: &[Key] = &[key("key"), key("limit"), key("on_conflict")];

/// How many limits a template may have.
const MOST_LIMITS: usize = 8;

impl Reader<'_> {
    /// `concurrency` of a template: one limit, or a list of some.
    pub(super) fn concurrency(&mut self, field: Field) -> Vec<Concurrency> {
        let tree = self.tree;
        let items = match &tree.node(field.value).content {
            Content::List(items) => items.clone(),
            _ => vec![field.value],
        };
        if items.len() > MOST_LIMITS {
            let message = format!("a template has at most {MOST_LIMITS} limits, found {}", items.len());
            self.mistake(field.key, Code::OutOfRange, message, None);
        }
        let mut limits: Vec<Concurrency> = Vec::new();
        for item in items {
            let before = self.found.mistakes.len();
            let Some(limit) = self.limit(item) else { continue };
            // What is wrong with it was told.
            if self.found.mistakes.len() == before && limits.iter().any(|other| other.key == limit.key) {
                let what =
                    limit.key.as_ref().map_or("the whole template".to_owned(), |key| format!("`{key}`"));
                let message = format!("a limit above is for {what} as well");
                self.mistake(item, Code::ConflictingKeys, message, Some("keep one of the two".to_owned()));
            }
            limits.push(limit);
        }
        limits
    }

    fn limit(&mut self, at: NodeId) -> Option<Concurrency> {
        if let Content::Number(number) = &self.tree.node(at).content {
            let help = Some(format!("write `{{limit: {number}}}`"));
            self.wrong_type(at, "`concurrency` must be a mapping of keys to values", help);
            return None;
        }
        let before = self.found.mistakes.len();
        let fields = self.fields(at, "`concurrency`", CONCURRENCY_KEYS)?;
        let Some(limit) = fields.get("limit") else {
            // A key that is not known was told, and may be the one.
            if self.found.mistakes.len() == before {
                self.missing(at, "`concurrency`", "limit");
            }
            return None;
        };
        let limit = self.whole(limit, 1..=1_000_000).and_then(|limit| u32::try_from(limit).ok())?;
        let key = fields.get("key").and_then(|field| self.context_field(field));
        let on_conflict = fields.get("on_conflict").and_then(|field| self.word(field)).unwrap_or_default();
        Some(Concurrency { key, limit, on_conflict })
    }

    /// The way to a field of the context.
    fn context_field(&mut self, field: Field) -> Option<String> {
        let text = self.text(field)?;
        if context_path(&text).is_some() {
            return Some(text);
        }
        let message =
            format!("`{}` must name a field of the context, found `{}`", field.written, shown(&text));
        let bare = text.trim_start_matches(['$', '.']).trim_end_matches('.');
        let help = match bare.is_empty() || bare.contains("..") {
            true => "write `$.customer` for the field `customer`".to_owned(),
            false => format!("write `$.{bare}`"),
        };
        self.mistake(field.value, Code::WrongType, message, Some(help));
        None
    }
}
