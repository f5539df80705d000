//! What handlers wait for, as far as it has been seen, for the docs of workflows.
//!
//! Which step waits for which stands at the handlers, and the macro of a workflow sees no more than their names. What
//! was expanded before it in the same crate is remembered here; where anything is missing, nothing is drawn. Docs alone
//! depend on it: what is true is found out by the compiler.

use std::collections::HashMap;
use std::env;
use std::sync::{Mutex, PoisonError};

use syn::Path;
use syn::ext::IdentExt as _;

use crate::step_handler::param::{Param, Source};

/// What is known of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Known {
    /// The steps that it reads.
    pub(crate) reads: Vec<String>,
    /// The steps that wait for it: its routes, its worker.
    pub(crate) releases: Vec<String>,
    /// Types that may be more than they look like: structs of parameters, enums of routes.
    pub(crate) types: Vec<String>,
}

impl Known {
    /// What these parameters read.
    pub(crate) fn of<'p>(params: impl IntoIterator<Item = &'p Param>) -> Self {
        let mut known = Self::default();
        for Param { source, ty } in params {
            match source {
                Source::Output(path) => known.reads.extend(last(path)),
                Source::Named(name) => known.reads.push(name.value()),
                Source::Type => known.types.extend(name_of(ty)),
                Source::Step | Source::Field { .. } | Source::Mistaken => {}
            }
        }
        known
    }
}

/// The last name of a path.
pub(crate) fn last(path: &Path) -> Option<String> {
    path.segments.last().map(|last| last.ident.unraw().to_string())
}

/// The last name of a type.
pub(crate) fn name_of(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => last(&path.path),
        _ => None,
    }
}

/// What was seen in one crate. Of a name that means two things `None`.
#[derive(Default)]
struct Names {
    /// Of handlers and types.
    known: HashMap<String, Option<Known>>,
    /// The steps of workflows.
    workflows: HashMap<String, Option<Vec<Node>>>,
}

/// The names of the crate that is compiled; a process that compiles several keeps those of the last one.
static SEEN: Mutex<Option<(String, Names)>> = Mutex::new(None);

fn with_names<T>(ask: impl FnOnce(&mut Names) -> T) -> T {
    let of_cargo = |name| env::var(name).unwrap_or_default();
    let name = format!("{} {}", of_cargo("CARGO_MANIFEST_DIR"), of_cargo("CARGO_CRATE_NAME"));
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *seen {
        Some((known, names)) if *known == name => ask(names),
        other => ask(&mut other.insert((name, Names::default())).1),
    }
}

/// Remembers what is known of a handler or a type.
pub(crate) fn remember(name: String, known: Known) {
    with_names(|names| {
        let one = Some(known.clone());
        names
            .known
            .entry(name)
            .and_modify(|other| *other = other.take().filter(|other| *other == known))
            .or_insert(one);
    });
}

/// Remembers the steps of a workflow.
pub(crate) fn remember_workflow(name: String, nodes: Vec<Node>) {
    with_names(|names| {
        let again = names.workflows.get(&name).is_some_and(|known| known.as_ref() != Some(&nodes));
        names.workflows.insert(name, (!again).then_some(nodes));
    });
}

/// The steps of a workflow, where they are known.
pub(crate) fn workflow(name: &str) -> Option<Vec<Node>> {
    with_names(|names| names.workflows.get(name).cloned().flatten())
}

/// A step of a workflow, for its graph.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    /// The name of its handler in code.
    pub(crate) handler: String,
    /// The steps that it waits for without reading them.
    pub(crate) after: Vec<String>,
}

/// What each step waits for, in the order of the list, as a picture; `None` where that is not known of all of them.
pub(crate) fn picture(nodes: &[Node]) -> Option<String> {
    let known =
        with_names(|names| nodes.iter().map(|node| whole(names, &node.handler)).collect::<Option<Vec<_>>>())?;
    let step = |name: &String| {
        let named = nodes.iter().find(|node| node.name == *name);
        named.or_else(|| nodes.iter().find(|node| node.handler == *name)).map(|node| node.name.clone())
    };
    let rows = nodes.iter().zip(&known).map(|(node, own)| {
        let releasing = nodes.iter().zip(&known).filter(|(_, other)| {
            other.releases.iter().filter_map(&step).any(|released| released == node.name)
        });
        let mut above: Vec<String> = own
            .reads
            .iter()
            .chain(&node.after)
            .map(|name| step(name).unwrap_or_else(|| name.clone()))
            .collect();
        above.extend(releasing.map(|(other, _)| other.name.clone()));
        let mut seen = Vec::new();
        above.retain(|name| {
            !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
        (node.name.clone(), above)
    });
    Some(drawn(&rows.collect::<Vec<_>>()))
}

/// What is known of a handler together with the types it names.
fn whole(names: &Names, handler: &str) -> Option<Known> {
    let mut all = names.known.get(handler)?.clone()?;
    let mut open = std::mem::take(&mut all.types);
    let mut seen: Vec<String> = Vec::new();
    while let Some(name) = open.pop() {
        if seen.contains(&name) {
            continue;
        }
        if let Some(known) = names.known.get(&name) {
            let known = known.clone()?;
            all.reads.extend(known.reads);
            all.releases.extend(known.releases);
            open.extend(known.types);
        }
        seen.push(name);
    }
    Some(all)
}

/// A line for each step: its name, and behind an arrow what it waits for.
pub(crate) fn drawn(rows: &[(String, Vec<String>)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let line = |(name, above): &(String, Vec<String>)| match above.as_slice() {
        [] => name.clone(),
        _ => format!("{name:width$} <- {}", above.join(", ")),
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(reads: &[&str], releases: &[&str], types: &[&str]) -> Known {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Known { reads: all(reads), releases: all(releases), types: all(types) }
    }

    fn node(name: &str, handler: &str, after: &[&str]) -> Node {
        let after = after.iter().map(|name| (*name).to_owned()).collect();
        Node { name: name.to_owned(), handler: handler.to_owned(), after }
    }

    #[test]
    fn picture_has_every_edge_or_is_none() {
        let nodes =
            [node("validate", "validate", &[]), node("pay", "charge", &[]), node("tell", "tell", &["pay"])];
        remember("validate".to_owned(), known(&[], &[], &["Order"]));
        remember("charge".to_owned(), known(&["validate"], &[], &["Context"]));
        assert_eq!(picture(&nodes), None, "`tell` is not known");
        remember("tell".to_owned(), known(&["charge"], &[], &[]));
        remember("Context".to_owned(), known(&["validate", "stock"], &[], &[]));
        let drawn = "validate\npay      <- validate, stock\ntell     <- pay";
        assert_eq!(picture(&nodes).as_deref(), Some(drawn));
        remember("choose".to_owned(), known(&["tell"], &["thank"], &[]));
        remember("thank".to_owned(), known(&[], &[], &[]));
        let nodes = [node("tell", "tell", &[]), node("choose", "choose", &[]), node("thank", "thank", &[])];
        assert_eq!(picture(&nodes).as_deref(), Some("tell   <- charge\nchoose <- tell\nthank  <- choose"));
        // Two of one name.
        remember("thank".to_owned(), known(&["tell"], &[], &[]));
        assert_eq!(picture(&nodes), None);
    }
}
