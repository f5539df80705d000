//! From the tree of a file to a template: every key known, every value of its type, every mistake
//! gathered.

mod child;
mod environment;
mod fields;
mod handler;
mod limits;
mod older;
mod policy;
mod schedule;
mod step;
mod suggest;
mod template;
mod values;
mod wait;

use crate::parse::Options;
use crate::report::{Code, Findings, Found};
use crate::schedule::Schedule;
use crate::template::Template;
use crate::tree::{NodeId, Tree};

/// A template with the place of its name.
pub(crate) struct Read {
    pub(crate) template: Template,
    pub(crate) name: NodeId,
}

/// Reads the template of `tree`; `None` where a mistake was found, now or before.
pub(crate) fn template(tree: &Tree<'_>, options: &Options<'_>, found: Findings) -> (Option<Read>, Findings) {
    let mut reader = Reader { tree, options, found, suggest: suggest::Budget::default() };
    let read = reader.template();
    let good = reader.found.mistakes.is_empty();
    (read.filter(|_| good), reader.found)
}

/// Reads a schedule that stands alone in `tree`, with the template that it starts tasks of; `None` where a mistake was
/// found.
pub(crate) fn schedule(tree: &Tree<'_>, found: Findings) -> (Option<(Option<String>, Schedule)>, Findings) {
    let options = Options::default();
    let mut reader = Reader { tree, options: &options, found, suggest: suggest::Budget::default() };
    let read = reader.lone_schedule();
    let good = reader.found.mistakes.is_empty();
    (read.filter(|_| good), reader.found)
}

/// What every part of the reading shares.
pub(crate) struct Reader<'t> {
    pub(crate) tree: &'t Tree<'t>,
    pub(crate) options: &'t Options<'t>,
    pub(crate) found: Findings,
    suggest: suggest::Budget,
}

impl Reader<'_> {
    /// Reports a mistake at a node.
    pub(crate) fn mistake(&mut self, at: NodeId, code: Code, message: String, help: Option<String>) {
        let span = self.tree.span(at);
        self.found.mistake(Found { span, code, message, help });
    }

    /// Reports something without effect at a node.
    pub(crate) fn warning(&mut self, at: NodeId, message: String, help: &str) {
        let span = self.tree.span(at);
        self.found.warning(Found { span, code: Code::NoEffect, message, help: Some(help.to_owned()) });
    }

    /// The nearest of `known` to what was written, as the way out.
    pub(crate) fn did_you_mean<'k>(
        &mut self,
        written: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Option<String> {
        self.nearest(written, known).map(|name| format!("did you mean `{name}`?"))
    }

    /// The nearest of `known` to what was written, where one is near.
    pub(crate) fn nearest<'k>(
        &mut self,
        written: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Option<&'k str> {
        self.suggest.nearest(written, known)
    }
}
