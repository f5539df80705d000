//! Every rule, with the words it is refused in: `tests/mistakes/*.yaml` beside what each prints.
//!
//! `UPDATE=1 cargo test -p tasker-template --test mistakes` writes the texts anew; read the difference.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tasker_template::{Code, HandlerRef, Options, Report, Template, UnknownHandler};

/// Rules that no small file breaks; `hostile.rs` and `load.rs` hold them.
const ELSEWHERE: &[Code] = &[
    Code::Unreadable,
    Code::FileTooLarge,
    Code::NotUtf8,
    Code::TooDeep,
    Code::TooManyValues,
    Code::TooManySteps,
    Code::TooLongPath,
    Code::TooManyDecisions,
    Code::DuplicateTemplate,
];

fn schema(schema: &Value) -> Result<(), String> {
    match schema.get("type") {
        Some(Value::String(word)) if word == "strin" => Err("`strin` is no type".to_owned()),
        _ => Ok(()),
    }
}

fn handler(handler: &HandlerRef) -> Result<(), UnknownHandler> {
    if handler.callable != "missing" {
        return Ok(());
    }
    let help = Some("register one with `#[step_handler]`".to_owned());
    Err(UnknownHandler { message: "no handler is called `missing`".to_owned(), help })
}

fn check(file: &str, text: &str) -> Report {
    let options =
        Options { schema_check: Some(&schema), handler_check: Some(&handler), ..Options::default() };
    Template::parse(file, text, &options).map_or_else(|report| report, |parsed| parsed.report)
}

#[test]
fn each_rule_is_refused_in_its_own_words() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut met = BTreeSet::new();
    let mut differing = Vec::new();
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let file = path.file_name().unwrap().to_str().unwrap();
        let report = check(file, &fs::read_to_string(&path).unwrap());
        let all = report.mistakes.iter().chain(&report.warnings);
        met.extend(all.map(|mistake| mistake.code.as_str()));
        let rendered = report.to_string() + "\n";
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &rendered).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != rendered {
            differing.push(rendered);
        }
    }
    assert!(differing.is_empty(), "not as expected:\n\n{}", differing.join("\n"));
    let untested: Vec<_> =
        Code::ALL.iter().filter(|code| !met.contains(code.as_str()) && !ELSEWHERE.contains(code)).collect();
    assert!(untested.is_empty(), "no file breaks {untested:?}");
}

#[test]
fn five_mistakes_are_five_messages() {
    let text = include_str!("mistakes/five_mistakes.yaml");
    let report = check("orders.yaml", text);
    let found: Vec<_> = report
        .mistakes
        .iter()
        .map(|mistake| (mistake.code, mistake.position.as_ref().unwrap().line, mistake.path.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (Code::BadVersion, 3, "version"),
            (Code::WrongType, 6, "steps[0].timeout_seconds"),
            (Code::UnknownKey, 8, "steps[1].dependson"),
            (Code::UnknownDependency, 10, "steps[2].depends_on[1]"),
            (Code::UnknownWord, 12, "steps[2].retry.backoff"),
        ]
    );
}

#[test]
fn programs_read_the_same_mistakes_as_people() {
    let report = check("cycle.yaml", "name: a\nsteps:\n  - {name: a, depends_on: [a]}\n");
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        serde_json::json!({
            "file": "cycle.yaml",
            "mistakes": [{
                "code": "self_dependency",
                "message": "step `a` depends on itself",
                "help": "remove it",
                "path": "steps[0].depends_on[0]",
                "line": 3,
                "column": 28,
                "span": {"start": 42, "end": 43},
            }],
            "warnings": [],
        })
    );
}

#[test]
fn colours_are_used_only_when_asked_for() {
    let report = check("a.yaml", "name: a\n");
    assert!(!report.to_string().contains('\u{1b}'));
    assert!(report.render(true).contains('\u{1b}'));
}

#[test]
fn a_file_cannot_steer_the_terminal() {
    let report = check("a.yaml", "name: a\nsteps: [{name: b, depends_on: [\"\\e[31m\"]}]\n");
    assert_eq!(report.mistakes[0].code, Code::UnknownDependency);
    assert!(!report.to_string().contains('\u{1b}'));
}
