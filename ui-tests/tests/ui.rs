//! Wrong programs get exactly the message that is written down for them, where the compiler has a say in it:
//! what the macros alone say is in `trybuild.rs`.
//!
//! Set `UI_TESTS=accept` to write down what the compiler says now; then read the difference.

#![allow(clippy::unwrap_used)]

use tasker_ui_tests::{Cases, compiler, target};

/// The compiler whose own wording is compared.
const PINNED: &str = "1.95.";

/// Compares every case of a folder; `full` is whether more than the first lines count.
fn compare(folder: &str, full: bool) {
    let accept = std::env::var_os("UI_TESTS").is_some_and(|value| value == "accept");
    let cases = Cases::of(folder).unwrap();
    assert!(!cases.names().is_empty(), "no cases in {folder}");
    let mut differences = String::new();
    for (name, said) in cases.compile().unwrap() {
        let actual = said.errors();
        // Names with two underscores are of the expansion; that of the symbol is a sentence.
        let of_users = actual.replace("two_step_handlers_are_called__", "");
        // Where the compiler says which bound is broken it says where that stands.
        let of_users = of_users.replace("tasker_runtime::__private::", "");
        assert!(!of_users.contains("__") && !of_users.contains("::text::"), "{folder}/{name}.rs\n{actual}");
        if accept {
            cases.expect(&name, &actual).unwrap();
            continue;
        }
        let expected = cases.expected(&name);
        let first = |text: &str| -> Vec<String> {
            text.lines().filter(|line| line.starts_with("error")).map(str::to_owned).collect()
        };
        let same = if full { expected == actual } else { first(&expected) == first(&actual) };
        if expected.is_empty() || !same {
            differences.push_str(&format!("\n{folder}/{name}.rs\nexpected:\n{expected}\nactual:\n{actual}"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn messages_of_the_compiler() {
    compare("types", compiler().unwrap().starts_with(PINNED));
}

#[test]
fn right_programs_pass_the_strictest_lints() {
    for (name, said) in Cases::of("pass").unwrap().lint().unwrap() {
        assert!(said.messages.is_empty(), "pass/{name}.rs\n{}", said.text());
    }
}

#[test]
fn right_programs_compile_without_a_warning_and_run() {
    for (name, said) in Cases::of("pass").unwrap().compile().unwrap() {
        assert!(said.messages.is_empty(), "pass/{name}.rs\n{}", said.text());
        let ran = std::process::Command::new(target().join("debug").join(&name)).output().unwrap();
        assert!(ran.status.success(), "pass/{name}.rs\n{}", String::from_utf8_lossy(&ran.stderr));
    }
}
