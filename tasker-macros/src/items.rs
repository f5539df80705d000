//! What a file has beside what a macro is told, as far as its text tells.

/// What a file has that macros have to know of: names with the line (from 1) of each.
pub(crate) struct Items {
    pub(crate) workflows: Vec<(String, usize)>,
    /// Functions without an attribute.
    pub(crate) functions: Vec<(String, usize)>,
}

impl Items {
    /// Those of a file.
    pub(crate) fn of(text: &str) -> Self {
        Self { workflows: workflows(text), functions: functions(text) }
    }
}

/// The functions of a file that have no attribute, each with its line (from 1), where nothing else in the file can have
/// their names.
fn functions(text: &str) -> Vec<(String, usize)> {
    let takes_all =
        |line: &str| line.contains("::*") && !line.contains("prelude::*") && !line.contains("super::*");
    let odd = ["macro_rules!", "declare_step!"].iter().any(|other| text.contains(other));
    if odd || has_odd_text(text) || text.lines().any(takes_all) {
        return Vec::new();
    }
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut before = "";
    for (index, line) in text.lines().enumerate() {
        let code = line.trim();
        let ended = before.is_empty() || before.starts_with("//") || before.ends_with([';', '{', '}']);
        if let Some(name) = function_name(code) {
            let only = text.matches(&format!("fn {name}")).count() == 1;
            if ended && only {
                found.push((name.to_owned(), index + 1));
            }
        }
        before = code;
    }
    found
}

/// The name of the function that a line begins.
fn function_name(code: &str) -> Option<&str> {
    let (before, after) = code.split_once("fn ")?;
    let known = |word: &str| matches!(word, "pub" | "pub(crate)" | "pub(super)" | "async");
    let name = after.split(['(', '<']).next()?.trim();
    (before.split_whitespace().all(known) && !name.is_empty()).then_some(name)
}

/// Whether text in text, or a comment over several lines, may look like code.
fn has_odd_text(text: &str) -> bool {
    ["r#\"", "r\"", "/*"].iter().any(|other| text.contains(other))
}

/// The names of the workflows in a file, each with its line (from 1). One under a condition may not be there.
fn workflows(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    if has_odd_text(text) {
        return found;
    }
    let mut conditional = false;
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let code = line.trim_start();
        let after = ["workflow!", "template!"].iter().find_map(|name| {
            let code = code.strip_prefix("tasker_runtime::").unwrap_or(code);
            code.strip_prefix(name)
        });
        if let Some(after) = after.filter(|_| !conditional) {
            let rest = &text[offset + line.len() - after.len()..];
            found.extend(workflow_name(rest).map(|name| (name.to_owned(), index + 1)));
        }
        if !code.is_empty() {
            conditional = code.starts_with("#[cfg");
        }
        offset += line.len();
    }
    found
}

/// The name before the `=`, after what may stand before a name.
fn workflow_name(after: &str) -> Option<&str> {
    let mut rest = after.trim_start().strip_prefix(['(', '{', '['])?.trim_start();
    while rest.starts_with("//") || rest.starts_with("#[") {
        if rest.starts_with("#[cfg") {
            return None;
        }
        rest = rest.split_once('\n')?.1.trim_start();
    }
    if let Some(public) = rest.strip_prefix("pub") {
        let public = public.trim_start();
        rest = match public.strip_prefix('(') {
            Some(place) => place.split_once(')')?.1.trim_start(),
            None => public,
        };
    }
    let (name, value) = rest.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (is_name && !value.starts_with('=')).then_some(name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn functions_of_a_file_are_found_that_have_no_attribute() {
        let text = "async fn one(n: u64) {}\n\n#[step_handler]\nasync fn two() {}\n/// Doc.\npub(crate) fn three<T>() \
                    {}\n#[step_handler] async fn four() {}\nfn five() {}\nmod a {\n    fn five() {}\n}\n// fn six() {}\n\
                    #[step_handler(\n    retry = 3\n)]\nasync fn seven() {}\n";
        let found = super::functions(text);
        let found: Vec<(&str, usize)> = found.iter().map(|(name, line)| (&**name, *line)).collect();
        assert_eq!(found, [("one", 1), ("three", 6)]);
        assert!(super::functions("declare_step!(one() -> u8);\nfn one() {}").is_empty());
    }

    #[test]
    fn workflows_of_a_file_are_found_by_their_names() {
        let text = "workflow!(one = [a]);\n// workflow!(none = [a]);\n//! workflow!(doc = [a])\nmod m {\n    \
                    tasker_runtime::workflow!(\n        /// Doc = x.\n        pub(crate) two = [a],\n    );\n}\n\
                    template!(three = \"x.yaml\");\ntemplate!(\"x.yaml\", handlers = a);\n#[cfg(test)]\n\
                    workflow!(four = [a]);\nworkflow!(#[cfg(test)]\n five = [a]);\n";
        let found = super::workflows(text);
        let found: Vec<(&str, usize)> = found.iter().map(|(name, line)| (&**name, *line)).collect();
        assert_eq!(found, [("one", 1), ("two", 5), ("three", 10)]);
        assert!(super::workflows("/* \nworkflow!(one = [a]);\n*/").is_empty());
    }
}
