//! What the command line may use: the public library alone, as every other program does.

use std::{collections::BTreeSet, path::Path, str::FromStr};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The names that `text` declares with a visibility inside of the crate, and those it declares for everybody or
/// for its own module.
#[derive(Debug, Default)]
pub struct Declared {
    /// `pub(crate)`, `pub(super)` and the like.
    pub inside: BTreeSet<String>,
    /// Everything else.
    pub others: BTreeSet<String>,
}

/// The kinds of items that have fields or variants.
const WITH_PARTS: [&str; 2] = ["struct", "enum"];

/// The others.
const KINDS: [&str; 7] = ["fn", "trait", "type", "const", "static", "mod", "union"];

impl Declared {
    /// Adds what a Rust file declares.
    ///
    /// # Panics
    ///
    /// When `text` is not Rust.
    pub fn add(&mut self, path: &Path, text: &str) {
        let tokens =
            TokenStream::from_str(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.scan(&tokens.into_iter().collect::<Vec<_>>());
    }

    fn scan(&mut self, tokens: &[TokenTree]) {
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.scan(&group.stream().into_iter().collect::<Vec<_>>()),
                TokenTree::Ident(kind) if WITH_PARTS.contains(&&*kind.to_string()) => {
                    self.declare(tokens, at);
                    self.add_parts(&tokens[at..]);
                }
                TokenTree::Ident(kind) if KINDS.contains(&&*kind.to_string()) => self.declare(tokens, at),
                _ => {}
            }
        }
    }

    /// Adds the item whose kind stands at `at`; a `const fn` comes again as a `fn`.
    fn declare(&mut self, tokens: &[TokenTree], at: usize) {
        if let Some(TokenTree::Ident(name)) = tokens.get(at + 1)
            && name != "fn"
        {
            let names = if is_inside(&tokens[..at]) { &mut self.inside } else { &mut self.others };
            names.insert(name.to_string());
        }
    }

    /// Adds fields and variants: they are as public as their type, or of no use elsewhere.
    fn add_parts(&mut self, item: &[TokenTree]) {
        let body = item.iter().take_while(|token| !is(token, ';')).find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
            _ => None,
        });
        let names = body.into_iter().flatten().filter_map(|token| match token {
            TokenTree::Ident(name) => Some(name.to_string()),
            _ => None,
        });
        self.others.extend(names);
    }
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// Whether what stands before the kind of an item is `pub(…)`, and maybe `async` or `const`.
fn is_inside(before: &[TokenTree]) -> bool {
    let mut before = before.iter().rev().skip_while(|token| {
        matches!(token, TokenTree::Ident(word) if ["async", "const", "unsafe"].contains(&&*word.to_string()))
    });
    matches!(before.next(), Some(TokenTree::Group(_)))
        && matches!(before.next(), Some(TokenTree::Ident(word)) if word == "pub")
}

/// The names in `doors` that a Rust file uses behind `.` or `::`, each with its line.
///
/// # Panics
///
/// When `text` is not Rust.
pub fn used(path: &Path, text: &str, doors: &BTreeSet<String>) -> Vec<String> {
    let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut found = Vec::new();
    look(&tokens.into_iter().collect::<Vec<_>>(), doors, &mut found);
    found.into_iter().map(|(line, name)| format!("{}:{line}: `{name}`", path.display())).collect()
}

fn look(tokens: &[TokenTree], doors: &BTreeSet<String>, found: &mut Vec<(usize, String)>) {
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                look(&group.stream().into_iter().collect::<Vec<_>>(), doors, found);
            }
            TokenTree::Ident(word) if doors.contains(&word.to_string()) => {
                let before = |back: usize, sign: char| {
                    let before = at.checked_sub(back).and_then(|before| tokens.get(before));
                    before.is_some_and(|token| is(token, sign))
                };
                if before(1, '.') || (before(1, ':') && before(2, ':')) {
                    found.push((word.span().start().line, word.to_string()));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn doors_inside_of_the_crate_are_told_from_public_ones() {
        let mut declared = Declared::default();
        let text = "pub(crate) async fn hidden() {} pub fn open() {} fn own() {} \
                    impl X { pub(super) const fn near(&self) {} pub(crate) struct Deep; }";
        declared.add(Path::new("a.rs"), text);
        let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(names(&declared.inside), "Deep hidden near");
        assert_eq!(names(&declared.others), "open own");
        let text =
            "fn f() {\n    a.hidden();\n    let near = X::open();\n    g(b.near(), crate::x::Deep);\n}";
        let found = used(Path::new("b.rs"), text, &declared.inside);
        assert_eq!(found, ["b.rs:2: `hidden`", "b.rs:4: `near`", "b.rs:4: `Deep`"]);
    }
}
