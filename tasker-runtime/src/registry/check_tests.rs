//! Every kind of problem, in the words that a user reads.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde::{Deserialize, Serialize};
use tasker_template::{Options, Step, Template};

use super::*;
use crate::handler::{Config, State, StepHandler, TaskSequenceStep};
use crate::model::Json;
use crate::prelude::{Loop, Round};
use crate::template::StepKind;
use crate::{handlers, step_handler};

#[derive(Serialize, Deserialize)]
struct Valid {
    total: u64,
}

#[step_handler(name = "check_validate")]
async fn validate(total: u64) -> Valid {
    Valid { total }
}

#[step_handler(name = "check_estimate")]
async fn estimate(total: u64) -> u64 {
    total
}

#[step_handler(name = "check_charge", namespace = "check")]
async fn charge(#[depends_on(validate)] valid: Valid) -> u64 {
    valid.total
}

#[derive(Deserialize)]
struct Limits {
    most: u64,
}

#[step_handler(name = "check_limit")]
async fn limit(limits: Config<Limits>) -> u64 {
    limits.most
}

struct Prices;

#[step_handler(name = "check_price")]
async fn price(_first: State<Prices>, _second: State<Prices>) -> u64 {
    7
}

fn registry() -> Registry {
    Registry::of(handlers![validate, estimate, charge, limit, price])
}

fn template(steps: impl IntoIterator<Item = Step>) -> Template {
    steps
        .into_iter()
        .fold(Template::builder("shop").namespace("check"), |all, step| all.step(step))
        .build()
        .unwrap()
}

/// What is said about a template of these steps, without the handlers that are not used.
fn problems(steps: impl IntoIterator<Item = Step>) -> Vec<String> {
    let checked = registry().check([&template(steps)], &States::default());
    checked.problems.iter().map(|problem| problem.to_string().replace(file!(), "here")).collect()
}

#[test]
fn right_wiring_has_no_problem() {
    let mut states = States::default();
    states.insert(Prices);
    let template = template([
        Step::new("check_validate"),
        Step::new("between").handler("check_estimate").after(["check_validate"]),
        Step::new("check_charge").after(["between"]),
        Step::new("pay").handler("check.check_charge").after(["check_charge"]),
        Step::new("check_price"),
    ]);
    let checked = registry().check([&template], &states);
    assert_eq!(checked.problems, []);
    let unused: Vec<_> = checked.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(unused.len(), 1);
    assert!(unused[0].starts_with("handler `check_limit` at "), "{unused:?}");
}

#[test]
fn two_handlers_of_one_name_are_named_with_both_places() {
    struct Copy;

    impl StepHandler for Copy {
        fn name(&self) -> &str {
            "check_estimate"
        }

        async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
            step.output(&())
        }
    }

    let copy = Registration::new(&Copy, "src/copy.rs", 7, "copy");
    let registry = Registry::of(handlers![estimate].into_iter().chain([copy]));
    let checked = registry.check([], &States::default());
    let [Problem::Duplicate { key, first, second }] = checked.problems.as_slice() else {
        panic!("{checked}")
    };
    assert_eq!((key.as_str(), first.as_str()), ("check_estimate", "src/copy.rs:7"));
    assert!(second.contains("check_tests.rs:"), "{second}");
}

#[test]
fn missing_handler_comes_with_the_name_that_is_near_and_the_way_to_link_a_crate() {
    let found = problems([Step::new("check_validat")]);
    assert_eq!(
        found,
        [
            "template `check/shop`, step `check_validat`: no handler is called `check_validat`; did you mean `check_validate`?\n  \
          if it is in a crate that nothing else names, the crate is left out of the program: write `use crate_name as _;` in main.rs"
        ]
    );
}

#[test]
fn missing_state_is_named_once_with_its_handler() {
    let found = problems([Step::new("check_price"), Step::new("again").handler("check_price")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("handler `check_price` at here:"), "{found:?}");
    assert!(found[0].contains("Prices>`: give it with `.state(value)`"), "{found:?}");
}

#[test]
fn handler_that_reads_what_its_step_does_not_wait_for_is_refused() {
    let found = problems([Step::new("check_validate"), Step::new("check_charge")]);
    assert!(
        found[0].contains("reads `check_validate`, which the step does not wait for: add `check_validate`"),
        "{found:?}"
    );

    let found = problems([
        Step::new("check_validated").handler("check_estimate"),
        Step::new("check_charge").after(["check_validated"]),
    ]);
    assert!(
        found[0].contains("and no step has that name or calls that handler; did you mean `check_validated`?"),
        "{found:?}"
    );

    // Waiting for what waits for it would make a circle.
    let found = problems([Step::new("check_charge"), Step::new("check_validate").after(["check_charge"])]);
    assert!(
        found[0].contains("which comes after it and has no result by then: take the parameter away"),
        "{found:?}"
    );

    let twice = [
        Step::new("a").handler("check_validate"),
        Step::new("b").handler("check_validate"),
        Step::new("check_charge").after(["a", "b"]),
    ];
    let found = problems(twice);
    assert!(
        found[0].contains("which `a` and `b` call: give one of them the name `check_validate`"),
        "{found:?}"
    );
}

#[test]
fn step_that_returns_another_type_is_refused_with_both_types() {
    let found = problems([
        Step::new("check_validate").handler("check_estimate"),
        Step::new("check_charge").after(["check_validate"]),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("reads `check_validate` as `tasker_runtime::registry::check::tests::Valid`, but step `check_validate` calls `check_estimate`, which returns `u64`"), "{found:?}");
}

#[test]
fn rounds_that_a_handler_does_not_go_are_refused() {
    #[step_handler(name = "check_looped")]
    async fn looped(round: Round<u64>) -> Loop<u64, u64> {
        Loop::again(round)
    }
    let problems = |steps: Vec<Step>| {
        let registry = Registry::of(handlers![validate, estimate, looped]);
        let checked = registry.check([&template(steps)], &States::default());
        checked.problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let said = |step: Step| {
        let problems = problems(vec![step]);
        problems.into_iter().find(|problem| problem.contains("round")).unwrap_or_default()
    };
    let once = said(Step { max_rounds: Some(3), ..Step::new("check_validate") });
    assert!(once.contains("gives a result when it is called once, but the step has `max_rounds`"), "{once}");
    let decides = problems(vec![
        Step::new("check_looped").kind(StepKind::Decision),
        Step::new("check_estimate").after(["check_looped"]),
    ]);
    let decides = decides.join("\n");
    assert!(decides.contains("goes round, but the step is of type `decision`"), "{decides}");
    assert_eq!(said(Step { max_rounds: Some(3), ..Step::new("check_looped") }), "");
}

#[test]
fn configuration_of_another_shape_is_refused() {
    let found = problems([Step::new("check_limit")]);
    assert!(found[0].contains("`handler.initialization` does not fit: missing field `most`"), "{found:?}");

    let text =
        "name: shop\nsteps:\n  - name: a\n    handler: {callable: check_limit, initialization: {most: 3}}\n";
    let parsed = Template::parse("shop.yaml", text, &Options::default()).unwrap();
    let checked = registry().check([&parsed.template], &States::default());
    assert_eq!(checked.problems, []);
}

#[test]
fn rust_path_that_means_two_handlers_is_refused_and_one_is_found() {
    #[step_handler(name = "check_process", namespace = "one")]
    async fn one() {}

    #[step_handler(name = "check_process", namespace = "two")]
    async fn two() {}

    let registry = Registry::of(handlers![one, two, estimate]);
    let found = registry.find("other", "steps::CheckProcessHandler").unwrap_err();
    assert_eq!(
        found.to_string(),
        "`steps::CheckProcessHandler` may mean `one.check_process` or `two.check_process`: write one of these names instead"
    );
    assert_eq!(registry.find("other", "steps::CheckEstimateHandler").unwrap().key(), "check_estimate");
    assert_eq!(registry.find("two", "check_process").unwrap().key(), "two.check_process");
    assert_eq!(registry.find("other", "one.check_process").unwrap().key(), "one.check_process");
    assert!(registry.find("other", "check_process").is_err(), "the namespace is another");
}

#[test]
fn alias_leads_to_the_handler_it_names() {
    let aliases = [("Shop::Estimator".to_owned(), "check_estimate".to_owned())].into();
    let registry = registry().with_aliases(aliases);
    assert_eq!(registry.find("check", "Shop::Estimator").unwrap().key(), "check_estimate");
}
