//! The directions between the layers of the runtime, held over its source text.

use std::{fmt, path::Path, str::FromStr};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// Each layer may use what stands in a later row, and itself.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["server"],
    &["api"],
    &["dispatch"],
    &["orchestration"],
    &["store", "registry"],
    &["handler"],
    &["model"],
];

/// Modules of one file which every layer above `model` may use.
const LEAVES: &[&str] = &["error", "clock", "config"];

/// The crate of templates, under its name in this crate: everybody may use it.
const TEMPLATE: &str = "template";

/// Modules that gather or drive the others and may use them all; nobody below may use these.
const ABOVE: &[&str] = &["lib", "prelude", "__private", "testing"];

/// A use that goes against the directions, or whose direction cannot be told.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The file, relative to `src`, and the line.
    pub place: String,
    /// The rule and the way out.
    pub why: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

/// Every wrong use in a Rust file at `path`, relative to `src`.
///
/// Looks at each path that starts at the root of the crate, by `crate::` or by enough `super::`, wherever it
/// stands: in a `use`, in code, in the arguments of a macro.
///
/// # Panics
///
/// When `text` is not Rust.
pub fn wrong_uses(path: &Path, text: &str) -> Vec<Wrong> {
    let module: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .filter(|part| part != "mod" && part != "lib")
        .collect();
    let layer = module.first().map_or("lib", String::as_str).to_owned();
    let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut used = Vec::new();
    scan(&tokens.into_iter().collect::<Vec<_>>(), module.len(), &mut used);
    used.iter()
        .filter_map(|name| {
            let why = refusal(&layer, &name.to_string())?;
            Some(Wrong { place: format!("{}:{}", path.display(), name.span().start().line), why })
        })
        .collect()
}

/// Why `layer` may not use what is called `name` at the root of the crate, if so.
fn refusal(layer: &str, name: &str) -> Option<String> {
    if ABOVE.contains(&layer) || layer == name || name == TEMPLATE {
        return None;
    }
    let row = |name: &str| LAYERS.iter().position(|row| row.contains(&name));
    let known = |name: &str| row(name).is_some() || LEAVES.contains(&name);
    if !known(layer) {
        return Some(format!("`{layer}` is in no layer: give it a row in tests/src/layers.rs"));
    }
    if ABOVE.contains(&name) {
        return Some(format!(
            "`{layer}` uses `{name}`, which stands above it: name the module that holds the item"
        ));
    }
    if !known(name) {
        return Some(format!("`crate::{name}` hides its layer: name the module that holds it"));
    }
    let allowed = match (row(layer), row(name)) {
        (Some(layer), Some(name)) => layer < name,
        (Some(_), None) => layer != "model",
        (None, Some(_)) => name == "model",
        (None, None) => true,
    };
    (!allowed).then(|| format!("`{layer}` must not use `{name}`: it does not stand to its right"))
}

/// Collects the names at the root of the crate that `tokens`, inside a module `depth` below it, use.
fn scan(tokens: &[TokenTree], depth: usize, used: &mut Vec<Ident>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            // What `$crate` names is decided where the macro is used.
            TokenTree::Punct(punct) if punct.as_char() == '$' => at += 1,
            TokenTree::Ident(word) if word == "mod" => {
                if let Some(TokenTree::Group(body)) = tokens.get(at + 2) {
                    scan(&inner(body), depth + 1, used);
                    at += 2;
                }
            }
            TokenTree::Ident(word) if (word == "crate" || word == "super") && !follows_path(tokens, at) => {
                let climbs = if word == "crate" { depth } else { 1 };
                at = path(tokens, at + 1, depth.saturating_sub(climbs), used);
                continue;
            }
            TokenTree::Group(group) => scan(&inner(group), depth, used),
            _ => {}
        }
        at += 1;
    }
}

/// Follows a path whose next tokens are `::`, when it has come to a module `depth` below the root. The
/// place after it.
fn path(tokens: &[TokenTree], at: usize, depth: usize, used: &mut Vec<Ident>) -> usize {
    if !is_path_separator(tokens, at) {
        return at;
    }
    match tokens.get(at + 2) {
        Some(TokenTree::Ident(word)) if word == "super" => {
            return path(tokens, at + 3, depth.saturating_sub(1), used);
        }
        // A macro is a name at the root wherever it is defined.
        Some(TokenTree::Ident(word)) if depth == 0 && word != "self" && !is_bang(tokens, at + 3) => {
            used.push(word.clone());
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            for item in
                inner(group).split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','))
            {
                match item.first() {
                    Some(TokenTree::Ident(word)) if word == "super" => {
                        path(item, 1, depth.saturating_sub(1), used);
                    }
                    Some(TokenTree::Ident(word)) if depth == 0 && word != "self" => used.push(word.clone()),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    at + 3
}

fn inner(group: &proc_macro2::Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn is_bang(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == '!')
}

/// Whether the word at `at` continues a path, as `super` does in `self::super`.
fn follows_path(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && is_path_separator(tokens, at - 2)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn wrong(path: &str, text: &str) -> Vec<String> {
        wrong_uses(Path::new(path), text).iter().map(Wrong::to_string).collect()
    }

    #[test]
    fn use_against_the_direction_is_found_with_its_line() {
        let text = "//! Reads.\nuse std::fmt;\nuse crate::{model::State, orchestration::claim};\n";
        assert_eq!(
            wrong("store/journal.rs", text),
            ["store/journal.rs:3: `store` must not use `orchestration`: it does not stand to its right"],
        );
    }

    #[test]
    fn every_way_to_write_the_path_is_found() {
        for text in [
            "use crate::api;",
            "use crate::{model, api::v1::{A, B}};",
            "pub(crate) use crate::api::Server as S;",
            "fn f() { let a = crate::api::serve(); }",
            "fn f() { format!(\"{}\", crate::api::NAME) }",
            "use super::super::api::Server;",
            "use super::super::{model, api::Server};",
            "use super::{super::api::Server, journal};",
            "fn f() -> super::super::api::Server { }",
            "mod tests { use super::super::super::api; }",
            "#[cfg(test)] mod tests { use crate::api; }",
        ] {
            assert_eq!(
                wrong("store/db.rs", text),
                ["store/db.rs:1: `store` must not use `api`: it does not stand to its right"],
                "{text}"
            );
        }
    }

    #[test]
    fn right_directions_pass() {
        for (path, text) in [
            ("cli.rs", "use crate::{api, dispatch, orchestration, store, registry, handler, model};"),
            (
                "orchestration/claim.rs",
                "use crate::store::Store; use crate::model::Step; use crate::config::X;",
            ),
            ("store/db.rs", "use super::journal; mod tests { use super::super::journal; }"),
            ("store/mod.rs", "use super::model; pub use self::db::Store; pub mod api { }"),
            (
                "store/db.rs",
                "// use crate::api;\n/// [`crate::api`]\nconst S: &str = \"crate::api\"; // crate::cli",
            ),
            ("store/db.rs", "macro_rules! m { () => { $crate::api::x() } } crate::shared!(\"a\");"),
            ("model/retry.rs", "use crate::template::Step; use super::states; pub(crate) fn f() {}"),
            ("testing/run.rs", "use crate::cli; use crate::prelude::*;"),
            ("lib.rs", "pub use crate::cli::main;"),
            ("error.rs", "use crate::model::StepError; use crate::clock;"),
        ] {
            assert_eq!(wrong(path, text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn neighbours_leaves_and_names_above_are_refused() {
        for (path, text, why) in [
            ("store/db.rs", "use crate::registry::Registry;", "`store` must not use `registry`"),
            ("model/retry.rs", "use crate::clock::now;", "`model` must not use `clock`"),
            ("clock.rs", "use crate::store::Store;", "`clock` must not use `store`"),
            ("handler/mod.rs", "use crate::prelude::*;", "`handler` uses `prelude`, which stands above it"),
            ("handler/mod.rs", "use crate::StepError;", "`crate::StepError` hides its layer"),
            ("helpers/mod.rs", "use crate::model::State;", "`helpers` is in no layer"),
        ] {
            let found = wrong(path, text);
            assert!(found.len() == 1 && found[0].contains(why), "{path}: {text}: {found:?}");
        }
    }
}
