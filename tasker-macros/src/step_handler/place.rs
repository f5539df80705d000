//! Where in its file a handler stands, which an attribute is not told.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use proc_macro2::Span;

/// Whether what starts at `span` stands directly inside of an `impl` or a `trait`, as far as the text around it
/// tells by the way it is indented.
pub(super) fn is_in_impl(span: Span) -> bool {
    // There are no files in tests of the macros, and most handlers begin their line.
    if !proc_macro::is_available() || span.unwrap().column() == 1 {
        return false;
    }
    let place = span.unwrap();
    let Some(file) = place.local_file() else { return false };
    with_text(file, |text| is_below_impl(text, place.line())).unwrap_or(false)
}

/// Reads a file, which is nearly always the one that was read before.
fn with_text<T>(file: PathBuf, read: impl FnOnce(&str) -> T) -> Option<T> {
    thread_local! {
        static LAST: RefCell<Option<(PathBuf, String)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(known, _)| *known != file) {
            let text = fs::read_to_string(&file).ok()?;
            *last = Some((file, text));
        }
        last.as_ref().map(|(_, text)| read(text))
    })
}

/// Whether the line before which the block of line `number` (from 1) was opened begins an `impl` or a `trait`.
fn is_below_impl(text: &str, number: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(number).collect();
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let Some((own, before)) = lines.split_last() else { return false };
    let mut own = indentation(own);
    for line in before.iter().rev().filter(|line| !line.trim().is_empty()) {
        if indentation(line) >= own {
            continue;
        }
        if line.trim_start().starts_with('}') {
            // A block that ends before it is not around it.
            own = indentation(line);
            continue;
        }
        let mut words = line
            .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
            .filter(|word| !word.is_empty());
        let first = words
            .find(|word| !matches!(*word, "pub" | "crate" | "super" | "in" | "unsafe" | "const" | "default"));
        match first {
            Some("impl" | "trait") => return true,
            Some(
                "mod" | "fn" | "async" | "extern" | "macro_rules" | "struct" | "enum" | "let" | "static"
                | "use",
            ) => {
                return false;
            }
            // What goes on from the line before.
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_below_impl;

    /// Whether the line with `HERE` stands inside of an `impl`.
    fn found(text: &str) -> bool {
        let number = text.lines().position(|line| line.contains("HERE")).unwrap_or_default() + 1;
        is_below_impl(text, number)
    }

    #[test]
    fn block_around_is_told_from_how_it_is_indented() {
        for inside in [
            "struct Shop;\nimpl Shop {\n    async fn HERE() {}\n}",
            "impl Shop {\n    fn other() {\n        let x = 7;\n    }\n\n    /// Doc.\n    async fn HERE() {}\n}",
            "mod shop {\n    pub(crate) unsafe trait Shop {\n        async fn HERE();\n    }\n}",
            "impl<T> Shop<T>\nwhere\n    T: Send,\n{\n    async fn HERE() {}\n}",
        ] {
            assert!(found(inside), "{inside}");
        }
        for outside in [
            "async fn HERE() {}",
            "impl Shop {}\n\nmod steps {\n    async fn HERE() {}\n}",
            "impl Shop {\n    fn other() {}\n}\n\n  async fn HERE() {}",
            "impl Shop {\n    fn other() {\n        async fn HERE() {}\n    }\n}",
            "macro_rules! handler {\n    ($name:ident) => {\n        async fn HERE() {}\n    };\n}",
        ] {
            assert!(!found(outside), "{outside}");
        }
    }
}
