//! From what a template writes to a handler.

use crate::handler::{Registration, callable};
use crate::template::nearest;

use super::Registry;

/// Why a callable leads to no handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFound {
    /// No handler is called so.
    #[error("no handler is called `{callable}`{}", near.as_ref().map_or(String::new(), |near| format!("; did you mean `{near}`?")))]
    Unknown {
        /// What the template writes.
        callable: String,
        /// The handler whose name is nearest, where one is near.
        near: Option<String>,
    },
    /// A handler of this name undoes another one, so no step can call it.
    #[error(
        "`{callable}` compensates `{compensated}` and is called when that is undone: a step cannot call it"
    )]
    Compensates {
        /// What the template writes.
        callable: String,
        /// The handler that it undoes.
        compensated: String,
    },
    /// A Rust path that leads to several handlers.
    #[error("`{callable}` may mean {}: write one of these names instead", several(matches))]
    Several {
        /// What the template writes.
        callable: String,
        /// The keys of the handlers it may mean, at least two.
        matches: Vec<String>,
    },
}

fn several(matches: &[String]) -> String {
    let quoted: Vec<String> = matches.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}

impl Registry {
    /// The index of the handler that `callable` means in a template of `namespace`.
    pub(super) fn locate(&self, namespace: &str, callable: &str) -> Result<usize, NotFound> {
        let written = self.aliases.get(callable).map_or(callable, String::as_str);
        let own = self.by_key.get(&*format!("{namespace}.{written}")).or_else(|| self.by_key.get(written));
        if let Some(&index) = own {
            return Ok(index);
        }
        let matches: Vec<usize> = (0..self.handlers.len())
            .filter(|&index| {
                let handler = &self.handlers[index];
                self.by_key.get(handler.key()) == Some(&index) && short_match(handler, written)
            })
            .collect();
        match matches.as_slice() {
            [only] => Ok(*only),
            [] => Err(self.unknown(namespace, callable, written)),
            several => Err(NotFound::Several {
                callable: callable.to_owned(),
                matches: several.iter().map(|&index| self.handlers[index].key().to_string()).collect(),
            }),
        }
    }

    fn unknown(&self, namespace: &str, callable: &str, written: &str) -> NotFound {
        let own = format!("{namespace}.{written}");
        let is_meant = |other: &&Registration| *other.key() == *own || *other.key() == *written;
        let compensates = |other: &Registration| other.spec().compensates.clone();
        match self.compensations().iter().find(is_meant).and_then(compensates) {
            Some(compensated) => NotFound::Compensates {
                callable: callable.to_owned(),
                compensated: compensated.key.to_string(),
            },
            None => NotFound::Unknown { callable: callable.to_owned(), near: self.near(written) },
        }
    }

    /// The key that is nearest to what was written, where one is near.
    pub(super) fn near(&self, written: &str) -> Option<String> {
        let wanted = callable::short(written).unwrap_or_else(|| written.to_owned());
        let names = self.handlers.iter().map(|handler| handler.handler().name());
        let near = nearest(&wanted, names)?;
        let named = self.handlers.iter().find(|handler| handler.handler().name() == near);
        named.map(|handler| handler.key().to_string())
    }
}

/// Whether a Rust path means this handler, which may be registered under a Rust path itself.
fn short_match(handler: &Registration, written: &str) -> bool {
    let name = handler.handler().name();
    callable::means(written, name)
        || callable::short(name).is_some_and(|name| name == written || callable::short(written) == Some(name))
}
