//! What stands in a file around a macro, which that is not told.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use proc_macro2::{Ident, Span};

use crate::items::Items;

/// Whether what starts at `span` stands directly inside of an `impl` or a `trait`, as far as the text around it
/// tells by the way it is indented.
pub(crate) fn is_in_impl(span: Span) -> bool {
    // There are no files in tests of the macros, and most handlers begin their line.
    if !proc_macro::is_available() || span.unwrap().column() == 1 {
        return false;
    }
    let place = span.unwrap();
    with_place(place, |text| is_below_impl(text, place.line())).unwrap_or(false)
}

/// Which of these traits are derived by the attribute that calls a derive of ours, or by one right beside it.
pub(crate) fn derived(names: &[&'static str]) -> Vec<&'static str> {
    if !proc_macro::is_available() {
        return Vec::new();
    }
    let place = Span::call_site().unwrap();
    let read = with_place(place, |text| {
        let derived = derives(text, place.line());
        names.iter().copied().filter(|name| derived.iter().any(|derived| derived == name)).collect()
    });
    read.unwrap_or_default()
}

/// Whether the `Result` at `span` can be nothing but that of the language, as far as the text of its file tells. Where
/// that is in doubt, it can be another one.
pub(crate) fn is_plain_result(span: Span) -> bool {
    if !proc_macro::is_available() {
        return false;
    }
    with_place(span.unwrap(), has_only_plain_results).unwrap_or(false)
}

/// A step of this name that was seen in the crate that is compiled.
struct Seen {
    file: PathBuf,
    line: usize,
    name: String,
    declared: bool,
}

/// Whether a step was declared in the module in which it is implemented here, or the other way round, as far as the
/// text of the file tells. An editor, which expands many versions of a file in one process, tells no file.
pub(crate) fn is_seen_as_other(name: &Ident, declared: bool) -> bool {
    static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());
    if !proc_macro::is_available() {
        return false;
    }
    let place = name.span().unwrap();
    let Some(file) = place.local_file() else { return false };
    let seen = Seen { file, line: place.line(), name: name.to_string(), declared };
    let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let others = all
        .iter()
        .filter(|other| other.declared != declared && other.name == seen.name && other.file == seen.file);
    let lines: Vec<usize> = others.map(|other| other.line).collect();
    let is_there = !lines.is_empty()
        && with_place(place, |text| lines.iter().any(|&line| are_in_one_module(text, line, seen.line)))
            .unwrap_or(false);
    all.push(seen);
    is_there
}

/// The first of these names that is that of a workflow in the module of the function in which they stand, as far as the
/// text of the file tells.
pub(crate) fn workflow_among<'n>(function: &Ident, names: &[&'n Ident]) -> Option<&'n Ident> {
    first_beside(function, names, |items| &items.workflows)
}

/// Whether a name is that of a function without an attribute in the module in which it is written, as far as the text of
/// the file tells.
pub(crate) fn is_unmarked(name: &Ident) -> bool {
    first_beside(name, &[name], |items| &items.functions).is_some()
}

/// The first of these names that is among these items of the file and stands in the module of `place`.
fn first_beside<'n>(
    place: &Ident,
    names: &[&'n Ident],
    items: fn(&Items) -> &[(String, usize)],
) -> Option<&'n Ident> {
    thread_local! {
        static LAST: RefCell<Option<(PathBuf, Items)>> = const { RefCell::new(None) };
    }
    if !proc_macro::is_available() || names.is_empty() {
        return None;
    }
    let place = place.span().unwrap();
    let file = place.local_file()?;
    let found = LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(known, _)| *known != file) {
            *last = Some((file.clone(), with_text(file, Items::of)?));
        }
        let items = items(&last.as_ref()?.1);
        names.iter().find_map(|name| {
            let (_, line) = items.iter().find(|(item, _)| **name == item.as_str())?;
            Some((*name, *line))
        })
    });
    let (name, line) = found?;
    let beside = with_place(place, |text| are_in_one_module(text, line, place.line()));
    beside.unwrap_or(false).then_some(name)
}

/// Whether a function is written as an async one at `span`, though an attribute before has made another of it; which one,
/// as far as the text of the file tells.
pub(crate) fn made_sync_by(span: Span) -> Option<String> {
    if !proc_macro::is_available() {
        return None;
    }
    let place = span.unwrap();
    let line = place.line();
    with_place(place, |text| {
        let lines: Vec<&str> = text.lines().take(line).map(str::trim).collect();
        let (own, before) = lines.split_last()?;
        if !own.contains("async fn ") {
            return None;
        }
        let attributes =
            before.iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        let mut others = attributes.filter(|line| line.starts_with("#[") && !line.contains("step_handler"));
        others.next().map(|line| (*line).to_owned())
    })?
}

/// Whether the macro that is expanded stands where a value is wanted, as far as the text of its line tells.
pub(crate) fn is_value() -> bool {
    if !proc_macro::is_available() {
        return false;
    }
    let place = Span::call_site().unwrap();
    let (line, column) = (place.line(), place.column());
    let before = with_place(place, |text| {
        let line = text.lines().nth(line.checked_sub(1)?)?;
        let end = line.char_indices().nth(column.checked_sub(1)?)?.0;
        Some(line[..end].trim_end().ends_with(['=', '(', ',', '&']))
    });
    before.flatten().unwrap_or(false)
}

/// Whether two lines (from 1) stand in the same block, as far as the way they are indented tells.
fn are_in_one_module(text: &str, one: usize, other: usize) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let line = |number: usize| number.checked_sub(1).and_then(|index| lines.get(index));
    let (Some(first), Some(second)) = (line(one), line(other)) else { return false };
    let has_modules = |line: &str| line.contains("mod ") || line.contains("fn ") && line.contains("{ #[");
    !has_modules(first) && !has_modules(second) && around(&lines, one) == around(&lines, other)
}

/// The lines that begin the blocks around a line, from the inside out: those that have names of their own.
fn around(lines: &[&str], number: usize) -> Vec<usize> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut own = lines.get(number - 1).map_or(0, |line| indentation(line));
    let mut blocks = Vec::new();
    for (index, line) in lines.iter().enumerate().take(number - 1).rev() {
        if line.trim().is_empty() || indentation(line) >= own {
            continue;
        }
        own = indentation(line);
        if ["mod ", "fn ", "impl", "trait "].iter().any(|word| line.contains(word)) {
            blocks.push(index);
        }
    }
    blocks
}

/// Reads the file of a place where it has there what the compiler says. It has not where lines are counted otherwise, as
/// in the examples of documentation: then the text around tells nothing.
fn with_place<T>(place: proc_macro::Span, read: impl FnOnce(&str) -> T) -> Option<T> {
    let (file, written) = (place.local_file()?, place.source_text()?);
    let (line, column) = (place.line(), place.column());
    with_text(file, |text| stands_at(text, (line, column), &written).then(|| read(text)))?
}

/// Whether a text has these words at a line and a column, both from 1.
fn stands_at(text: &str, (line, column): (usize, usize), written: &str) -> bool {
    let found = line.checked_sub(1).and_then(|index| text.lines().nth(index));
    let from = found.and_then(|line| Some((line, line.char_indices().nth(column.checked_sub(1)?)?.0)));
    let first = written.lines().next().unwrap_or_default();
    !first.is_empty() && from.is_some_and(|(line, from)| line[from..].starts_with(first))
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

/// The names of what is derived for the item whose attributes have line `number` (from 1).
fn derives(text: &str, number: usize) -> Vec<&str> {
    // Other formats call their traits the same.
    if text.contains("rkyv") || text.contains("borsh") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let is_attribute =
        |line: &&&str| line.trim_start().starts_with("#[") || line.trim_start().starts_with("//");
    let at = number.clamp(1, lines.len().max(1)) - 1;
    let before = lines[..at.min(lines.len())].iter().rev().take_while(is_attribute).count();
    let from: usize = lines[..at - before].iter().map(|line| line.len() + 1).sum();
    let mut rest = text.get(from..).unwrap_or_default();
    let mut found = Vec::new();
    while let Some(start) = rest.find("#[") {
        // Where the item begins, its attributes have ended.
        let item = ["enum ", "struct ", "union "].iter().filter_map(|word| rest.find(word)).min();
        if item.is_some_and(|item| item < start) {
            break;
        }
        let attribute = &rest[start..];
        let Some(end) = attribute.find(']') else { break };
        if let Some(list) = attribute[..end].strip_prefix("#[derive(").and_then(|list| list.strip_suffix(')'))
        {
            let names = list.split(',').map(|path| path.rsplit("::").next().unwrap_or(path).trim());
            found.extend(names);
        }
        rest = &attribute[end..];
    }
    found
}

/// Whether nothing in a file can give `Result` another meaning: no name of its own, no import of that name, none of all
/// names but those of the prelude of the runtime, and no macro that could write one.
fn has_only_plain_results(text: &str) -> bool {
    const OURS: [&str; 8] = [
        "workflow!",
        "template!",
        "declare_step!",
        "register_handler!",
        "thread_local!",
        "signal!",
        "timer!",
        "use",
    ];
    if ["type Result", "enum Result", "struct Result", "macro_rules!", "include!", "macro_use"]
        .iter()
        .any(|other| text.contains(other))
    {
        return false;
    }
    let writes_items = |line: &str| {
        let name =
            line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '!')).next();
        name.is_some_and(|name| name.ends_with('!') && name.len() > 1 && !OURS.contains(&name))
    };
    if text.lines().any(writes_items) {
        return false;
    }
    let imports = text.split("use ").skip(1).filter_map(|rest| rest.split(';').next());
    let mut imports = imports.map(|tree| tree.split_whitespace().collect::<String>());
    imports.all(|tree| {
        let names_it = tree
            .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
            .any(|word| word == "Result");
        let takes_all = tree.contains('*') && !tree.ends_with("tasker_runtime::prelude::*");
        !names_it && !takes_all
    })
}

#[cfg(test)]
mod tests {
    use super::{are_in_one_module, derives, has_only_plain_results, is_below_impl, stands_at};

    #[test]
    fn place_is_known_only_where_the_file_has_there_what_was_read() {
        let text = "#[derive(Serialize)]\n#[derive(é, Routes)]\n";
        assert!(stands_at(text, (2, 13), "Routes"));
        for (place, written) in [
            ((1, 13), "Routes"),
            ((2, 12), "Routes"),
            ((3, 1), "x"),
            ((0, 0), "x"),
            ((2, 99), "x"),
            ((2, 13), ""),
        ] {
            assert!(!stands_at(text, place, written), "{place:?} {written}");
        }
    }

    #[test]
    fn derives_of_one_item_are_found_wherever_they_stand() {
        let text = "#[derive(Debug)]\nstruct Other;\n\n/// Doc.\n#[derive(Debug, serde::Serialize)]\n#[derive(\n    Routes, \
                    Clone,\n)]\n#[serde(deny)]\nenum Path {\n    #[derive(Deserialize)]\n    Good,\n}\n";
        assert_eq!(derives(text, 6), ["Debug", "Serialize", "Routes", "Clone", ""]);
        assert_eq!(derives("#[derive(Routes)] enum A { B }\n#[derive(Serialize)] struct C;", 1), ["Routes"]);
        assert_eq!(derives("use rkyv::Serialize;\n#[derive(Routes, Serialize)]\nenum A { B }", 2), [""; 0]);
        assert_eq!(derives("", 1), [""; 0]);
    }

    #[test]
    fn module_is_told_from_how_its_lines_are_indented() {
        let text = "one\n\nmod a {\n    two\n\n    three\n}\n\nmod b {\n    four\n}\nfive\nmod c { six } mod d { seven }\n";
        let line = |word: &str| text.lines().position(|line| line.contains(word)).unwrap_or_default() + 1;
        for (one, other, same) in [
            ("one", "five", true),
            ("two", "three", true),
            ("two", "four", false),
            ("one", "two", false),
            ("six", "seven", false),
        ] {
            assert_eq!(are_in_one_module(text, line(one), line(other)), same, "{one} {other}");
        }
        assert!(!are_in_one_module(text, 0, 1));
    }

    #[test]
    fn result_is_plain_only_where_nothing_can_name_another_one() {
        for plain in [
            "use tasker_runtime::prelude::*;\n\n#[step_handler]\nasync fn weigh() -> Result<u32> {\n    panic!()\n}",
            "use std::fmt;\nuse tasker_runtime::{prelude::*};\nworkflow!(shop = [weigh]);",
        ] {
            assert_eq!(has_only_plain_results(plain), !plain.contains("{prelude"), "{plain}");
        }
        for other in [
            "use anyhow::Result;",
            "use anyhow::{Context, Result as Other, Result};",
            "type Result<T> = std::result::Result<T, u8>;",
            "use super::*;",
            "imports! {}",
            "macro_rules! imports { () => {} }",
        ] {
            assert!(!has_only_plain_results(other), "{other}");
        }
    }

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
