//! Input that is made to hurt: refused in words, quickly, without a panic.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tasker_template::{Code, MAX_FILE, Options, Report, Template};

fn refuse(text: &str) -> Report {
    Template::parse("hostile.yaml", text, &Options::default()).unwrap_err()
}

fn first(text: &str) -> Code {
    refuse(text).mistakes[0].code
}

/// The same, soon. What is promised is a tenth of the limit here: tests are built without optimization and
/// share the machine, so that only work that grows out of bounds shows.
fn first_soon(text: &str) -> Code {
    let mut best = Duration::MAX;
    let mut code = None;
    for _ in 0..3 {
        let start = Instant::now();
        code = Some(first(text));
        best = best.min(start.elapsed());
    }
    assert!(best < Duration::from_secs(1), "took {best:?}");
    code.unwrap()
}

#[test]
fn nested_brackets_are_refused_at_once() {
    for bracket in ["[", "{", "{a: ", "- ", "? ", "[?"] {
        let text = format!("name: deep\nx: {}", bracket.repeat(100_000));
        assert!(matches!(first_soon(&text), Code::TooDeep | Code::Syntax), "{bracket}");
    }
    let mut blocks = String::from("name: deep\n");
    for depth in 0..1_000 {
        writeln!(blocks, "{}a:", " ".repeat(depth)).unwrap();
    }
    assert_eq!(first_soon(&blocks), Code::TooDeep);
}

#[test]
fn a_hundred_levels_load_and_can_be_stored() {
    let nest = |levels: usize| {
        let value = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        format!("name: deep\nsteps: [{{name: a, handler: {{initialization: {{x: {value}}}}}}}]")
    };
    // Five collections stand around the value.
    let template = Template::parse("", &nest(95), &Options::default()).unwrap().template;
    assert_eq!(Template::from_canonical(&template.to_canonical()).unwrap(), template);
    assert_eq!(first(&nest(96)), Code::TooDeep);
}

#[test]
fn nesting_through_aliases_counts() {
    let mut text = String::from("name: deep\nmetadata:\n  a0: &a0 [x]\n");
    for level in 1..200 {
        writeln!(text, "  a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert_eq!(first_soon(&text), Code::TooDeep);
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut text =
        String::from("name: bomb\nmetadata:\n  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "  a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert_eq!(first_soon(&text), Code::TooManyValues);
    let long =
        format!("name: bomb\nmetadata:\n  a: &a {}\n  b: [{}]\n", "x".repeat(500_000), "*a,".repeat(50_000));
    assert_eq!(first_soon(&long), Code::TooManyValues);
}

#[test]
fn an_alias_to_what_it_stands_in_is_a_mistake() {
    assert_eq!(first("name: loop\nmetadata: &a\n  b: *a\nsteps: [{name: a}]\n"), Code::Syntax);
    assert_eq!(first("name: loop\nmetadata: {b: *nowhere}\nsteps: [{name: a}]\n"), Code::Syntax);
}

#[test]
fn configuration_for_all_steps_cannot_explode() {
    let mut text = String::from("name: bomb\nsteps:\n");
    for step in 0..5_000 {
        writeln!(text, "  - name: s{step}").unwrap();
    }
    let value = "x".repeat(100_000);
    writeln!(
        text,
        "environments: {{test: {{steps: [{{name: ALL, handler: {{initialization: {{x: {value}}}}}}}]}}}}"
    )
    .unwrap();
    assert_eq!(first(&text), Code::TooManyValues);
}

#[test]
fn large_files_are_not_read() {
    let text = format!("name: large\n#{}\nsteps: [{{name: a}}]\n", "x".repeat(2 * MAX_FILE));
    let report = refuse(&text);
    assert_eq!(
        report.to_string(),
        "\
error[file_too_large]: the file has 2097185 bytes, and the largest one that is read has 1048576
--> hostile.yaml
 = help: split the workflow, or move data out of the template"
    );
}

#[test]
fn what_is_no_text_is_named_with_its_line() {
    let report = Template::parse_bytes("a.yaml", b"name: a\nsteps: \xff\n", &Options::default()).unwrap_err();
    assert_eq!(report.mistakes[0].code, Code::NotUtf8);
    assert_eq!(report.mistakes[0].message, "line 2 is not UTF-8 text");
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    assert!(Template::parse("", "\u{feff}name: a\nsteps: [{name: b}]\n", &Options::default()).is_ok());
}

/// Steps in a row, each depending on the one before.
fn chain(steps: usize) -> String {
    let mut text = String::from("name: chain\nsteps:\n  - name: s0\n");
    for step in 1..steps {
        writeln!(text, "  - {{name: s{step}, depends_on: [s{}]}}", step - 1).unwrap();
    }
    text
}

#[test]
fn paths_end_at_a_thousand_steps() {
    assert_eq!(Template::parse("", &chain(1_000), &Options::default()).unwrap().template.depth(), 1_000);
    let report = refuse(&chain(1_001));
    assert_eq!(report.mistakes[0].code, Code::TooLongPath);
    assert_eq!(report.mistakes[0].position.as_ref().unwrap().line, 1_003);
}

#[test]
fn templates_end_at_ten_thousand_steps() {
    let wide = |steps: usize| {
        let mut text = String::from("name: wide\nsteps:\n");
        (0..steps).for_each(|step| writeln!(text, "  - name: s{step}").unwrap());
        text
    };
    let template = Template::parse("", &wide(10_000), &Options::default()).unwrap().template;
    assert_eq!((template.steps().len(), template.number_of("s9999")), (10_000, Some(9_999)));
    assert_eq!(first(&wide(10_001)), Code::TooManySteps);
}

#[test]
fn ten_thousand_mistakes_cost_no_more_than_a_good_file() {
    let mut text = String::from("name: wrong\nsteps:\n");
    for step in 0..9_000 {
        writeln!(text, "  - {{name: step_number_{step}, depends_on: [step_nmuber_x{step}], colour: 1}}")
            .unwrap();
    }
    let start = Instant::now();
    let report = refuse(&text);
    // A hundred times what it takes, for machines that are busy; to compare all names would take minutes.
    assert!(start.elapsed() < Duration::from_secs(60), "took {:?}", start.elapsed());
    assert_eq!((report.mistakes.len(), report.left_out), (1_000, 17_000));
}

#[test]
fn very_long_lines_are_named_and_not_shown() {
    let report = refuse(&format!("{{name: long, description: {}, colour: 1}}", "x".repeat(100_000)));
    let text = report.to_string();
    assert!(text.contains("--> hostile.yaml:1:100029"), "{text}");
    assert!(text.len() < 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(report) = Template::parse_bytes("random.yaml", &bytes, &Options::default()) {
            prop_assert!(!report.to_string().is_empty());
        }
    }

    #[test]
    fn random_yaml_never_panics(text in "[-a-c0-9:,?!&*<>|\\[\\]{}#'\"%~ \n\t\\\\ü]{0,120}") {
        if let Err(report) = Template::parse("random.yaml", &text, &Options::default()) {
            prop_assert!(!report.to_string().is_empty());
        }
    }

    #[test]
    fn damaged_templates_never_panic(
        cut in 0_usize..2_000,
        length in 0_usize..20,
        noise in "[-a-c0-9:,?!&*<>|\\[\\]{}#'\"~ \n\tü]{0,8}",
    ) {
        let good = include_str!("samples/canonical.yaml");
        let from = good.floor_char_boundary(cut.min(good.len()));
        let to = good.floor_char_boundary((from + length).min(good.len()));
        let text = format!("{}{noise}{}", &good[..from], &good[to..]);
        if let Err(report) = Template::parse("damaged.yaml", &text, &Options::default()) {
            prop_assert!(!report.to_string().is_empty());
            for mistake in &report.mistakes {
                let span = mistake.position.as_ref().unwrap().span.clone();
                prop_assert!(text.get(span).is_some());
            }
        }
    }
}

#[test]
fn decisions_that_nest_deeper_than_may_be_are_a_mistake() {
    let text = "\
name: nest
steps:
  - {name: a, type: decision}
  - {name: b, type: decision, depends_on: [a]}
  - {name: beside, type: decision, depends_on: [a]}
  - {name: c, type: decision, depends_on: [b]}
  - {name: end, depends_on: [c, beside]}
";
    let read = |most| {
        let options = Options { max_decision_depth: Some(most), ..Options::default() };
        Template::parse("nest.yaml", text, &options)
    };
    assert!(read(3).is_ok());
    let report = read(2).unwrap_err();
    let mistake = &report.mistakes[0];
    assert_eq!((report.mistakes.len(), mistake.code), (1, Code::TooManyDecisions));
    assert_eq!(mistake.message, "3 decisions are nested, from `a` to `c`, and at most 2 may be");
    assert_eq!(mistake.position.as_ref().unwrap().line, 6);
}
