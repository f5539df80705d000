//! Steps that wait: every way to write them, and what they become.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use serde_json::json;
use tasker_template::{
    ChildConfig, ChildInput, OnChildFailure, OnTimeout, Options, SignalConfig, Source, Step, StepKind,
    Template, TimerConfig, duration_ms,
};

const TEXT: &str = "\
name: t
steps:
  - name: invite.all
  - name: two_days
    type: timer
    depends_on: [invite.all]
    timer: { delay: 2d }
  - name: at
    type: timer
    timer: { until: $.reminder.at }
  - name: due
    type: timer
    depends_on: [invite.all]
    timer: { until: invite.all.due }
  - name: approval
    type: signal
    depends_on: [invite.all]
  - name: payment
    type: signal
    signal:
      name: paid
      schema: { type: object }
      timeout: 1h30m
      on_timeout: { default: { amount: 0 } }
  - name: later
    delay: 15m
    depends_on: [two_days]
";

fn parse(text: &str) -> Template {
    Template::parse("t.yaml", text, &Options::default()).unwrap_or_else(|report| panic!("{report}")).template
}

#[test]
fn steps_that_wait_are_read_as_they_are_written() {
    let template = parse(TEXT);
    let step = |name: &str| template.step(template.number_of(name).unwrap()).unwrap();
    assert_eq!(step("two_days").timer, Some(TimerConfig::Delay(Duration::from_secs(172_800))));
    let source = |step: Option<&str>, path: &[&str]| {
        let path = path.iter().map(|&name| name.to_owned()).collect();
        Some(TimerConfig::Until(Source { step: step.map(str::to_owned), path }))
    };
    assert_eq!(step("at").timer, source(None, &["reminder", "at"]));
    assert_eq!(step("due").timer, source(Some("invite.all"), &["due"]));
    assert_eq!(step("approval").signal, Some(SignalConfig::default()));
    assert_eq!(
        (step("approval").signal_name(), step("payment").signal_name()),
        (Some("approval"), Some("paid"))
    );
    let payment = step("payment").signal.clone().unwrap();
    assert_eq!(payment.timeout, Some(Duration::from_secs(5_400)));
    assert_eq!(payment.on_timeout, OnTimeout::Default(json!({"amount": 0})));
    assert_eq!(step("later").delay, Some(Duration::from_secs(900)));
    assert!(!step("approval").kind.has_handler() && step("later").kind.has_handler());
}

#[test]
fn canonical_form_of_steps_that_wait_is_read_back_to_the_same() {
    let template = parse(TEXT);
    let text = template.to_canonical();
    let again = Template::from_canonical(&text).unwrap();
    assert_eq!(again.steps(), template.steps());
    assert_eq!(again.to_canonical(), text);
}

#[test]
fn steps_that_wait_can_be_written_in_code() {
    let delay = TimerConfig::Delay(Duration::from_millis(1_500));
    let signal = SignalConfig { timeout: Some(Duration::from_secs(60)), ..SignalConfig::default() };
    let template = Template::builder("t")
        .step(Step::timer("soon", delay.clone()))
        .step(Step::signal("yes", signal.clone()).after(["soon"]))
        .build()
        .unwrap();
    assert_eq!(
        (template.steps()[0].timer.as_ref(), template.steps()[1].signal.as_ref()),
        (Some(&delay), Some(&signal))
    );
    assert_eq!(template.steps()[1].kind, StepKind::Signal);
    // What a file may not say, code may not either.
    let longest = TimerConfig::Delay(Duration::from_secs(11 * 366 * 86_400));
    let report = Template::builder("t").step(Step::timer("never", longest)).build().unwrap_err();
    assert!(report.to_string().contains("must be from 1ms to ten years"), "{report}");
}

#[test]
fn durations_are_numbers_with_units() {
    for (text, millis) in [("200ms", 200), ("1h30m", 5_400_000), ("2d 1s", 172_801_000), ("0s", 0)] {
        assert_eq!(duration_ms(text), Some(millis), "{text}");
    }
    for text in ["", "5", "d", "5 minutes", "-5s", "1.5h", "99999999999999999999d", "5s5"] {
        assert_eq!(duration_ms(text), None, "{text}");
    }
}

#[test]
fn steps_that_start_workflows_are_read_as_they_are_written() {
    let template = parse(
        "\
name: t
namespace: shop
steps:
  - name: split
  - name: one
    type: workflow
    workflow: { run: checkout }
  - name: each
    type: workflow
    depends_on: [split]
    workflow:
      run: other/checkout
      version: 2.1.0
      for_each: split.parts
      parallelism: 8
      on_failure: collect
      cascade: false
",
    );
    let child = |at: usize| template.steps()[at].workflow.clone().unwrap();
    let context = Source { step: None, path: Vec::new() };
    assert_eq!(child(1), ChildConfig::of("checkout", ChildInput::One(context)));
    assert_eq!(
        (child(1).full_name("shop"), child(2).full_name("shop")),
        ("shop/checkout".to_owned(), "other/checkout".to_owned())
    );
    let parts = Source { step: Some("split".to_owned()), path: vec!["parts".to_owned()] };
    let each = ChildConfig {
        version: Some("2.1.0".to_owned()),
        parallelism: Some(8),
        on_failure: OnChildFailure::Collect,
        cascade: false,
        ..ChildConfig::of("other/checkout", ChildInput::Each(parts))
    };
    assert_eq!(child(2), each);
    let text = template.to_canonical();
    let again = Template::from_canonical(&text).unwrap();
    assert_eq!((again.steps(), again.to_canonical()), (template.steps(), text));
}
