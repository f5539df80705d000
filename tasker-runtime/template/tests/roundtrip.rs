//! What is written is read as the same value, and equal values have equal text.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tasker_template::{
    Backoff, Lifecycle, OnFailure, Options, PublishedEvent, RetryOptions, StalenessAction, Step, StepKind,
    Template,
};

/// Text with everything that is awkward to write.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,10}",
        "\\PC{0,10}",
        "[-:?!&*#|>'\"%@`,{}\\[\\]~<=. \n\t\r\u{1}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}x]{0,8}",
        prop::sample::select(vec![
            "yes",
            "No",
            "null",
            "~",
            "true",
            "1",
            "1.0",
            "0x1f",
            "1e3",
            ".inf",
            ":symbol",
            "<<",
            "- a",
            "---",
            "...",
            "a: b",
            "a #b",
            "2025-01-01",
            "",
            " ",
            "\n",
            "a\n\n b\n",
            "01",
            "+1",
            "='",
        ])
        .prop_map(str::to_owned),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has finite numbers only", |number| number.is_finite())
            .prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            json_map(inner).prop_map(Value::Object),
        ]
    })
}

/// Leading colons of keys are dropped, so keys have none here.
fn json_map(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let key = text().prop_filter("no leading colon", |key| !key.starts_with(':'));
    prop::collection::btree_map(key, values, 0..4).prop_map(|map| map.into_iter().collect())
}

fn millis(most: u64) -> impl Strategy<Value = Option<Duration>> {
    option::of((60..=most).prop_map(Duration::from_millis))
}

fn retry() -> impl Strategy<Value = RetryOptions> {
    let backoff = prop::sample::select(Backoff::ALL);
    (
        option::of(any::<bool>()),
        option::of(1_u32..=1_000),
        option::of(backoff),
        millis(2_592_000_000),
        millis(100_000),
    )
        .prop_map(|(retryable, max_attempts, backoff, base, max)| RetryOptions {
            retryable,
            max_attempts,
            backoff,
            base,
            max,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let about = (option::of(text()), "[A-Za-z:._]{1,12}", json_map(json_value()), option::of("[a-z-]{1,5}"));
    let schema = option::of(json_map(json_value()).prop_map(Value::Object));
    (about, retry(), millis(2_592_000_000), -32_768..=32_767, schema, any::<bool>()).prop_map(
        |((description, callable, initialization, queue), retry, timeout, priority, schema, event)| {
            let mut step = Step::new("s").handler(callable);
            step.description = description;
            step.handler.initialization = Value::Object(initialization);
            step.queue = queue;
            step.retry = retry;
            step.timeout = timeout;
            step.priority = priority;
            step.result_schema = schema;
            if event {
                step.publishes_events.push(PublishedEvent::new("order.paid"));
            }
            step
        },
    )
}

fn template() -> impl Strategy<Value = Template> {
    let steps = prop::collection::vec((step(), any::<u64>()), 1..8);
    let lifecycle = (millis(31_622_400_000), prop::sample::select(StalenessAction::ALL));
    let on_failure = prop::sample::select(OnFailure::ALL);
    (steps, option::of(text()), on_failure, lifecycle).prop_map(|(steps, description, on_failure, limits)| {
        let (max_duration, staleness_action) = limits;
        let mut builder = Template::builder("random")
            .on_failure(on_failure)
            .lifecycle(Lifecycle { max_duration, staleness_action, ..Lifecycle::default() })
            .input_schema(json!({"type": "object"}));
        if let Some(description) = description {
            builder = builder.description(description);
        }
        let count = steps.len();
        for (index, (mut step, edges)) in steps.into_iter().enumerate() {
            step.name = format!("s{index}").into();
            step.depends_on =
                (0..index).filter(|from| edges & (1 << from) != 0).map(|from| format!("s{from}")).collect();
            if index == 0 && count > 1 {
                step.kind = StepKind::Decision;
            } else if index == 1 {
                step.depends_on = vec!["s0".to_owned()];
            }
            builder = builder.step(step);
        }
        builder.build().unwrap_or_else(|report| panic!("{report}"))
    })
}

fn parse(text: &str) -> Template {
    Template::parse("", text, &Options::default())
        .unwrap_or_else(|report| panic!("{report}\n{text}"))
        .template
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn canonical_text_is_read_back(template in template()) {
        let text = template.to_canonical();
        let again = Template::from_canonical(&text).unwrap();
        prop_assert_eq!(&again, &template);
        prop_assert_eq!(again.to_canonical(), text);
    }

    #[test]
    fn canonical_yaml_is_read_back(template in template()) {
        let again = parse(&template.to_yaml());
        prop_assert_eq!(&again, &template);
        prop_assert_eq!(again.to_canonical(), template.to_canonical());
    }

    #[test]
    fn order_of_keys_does_not_matter(map in json_map(json_value())) {
        let build = |map: Map<String, Value>| {
            let mut step = Step::new("s");
            step.handler.initialization = Value::Object(map);
            Template::builder("t").step(step).build().unwrap()
        };
        let reversed: Map<String, Value> = map.clone().into_iter().rev().collect();
        prop_assert_eq!(build(map).to_canonical(), build(reversed).to_canonical());
    }
}

#[test]
fn sample_files_are_read_back() {
    for text in [include_str!("samples/canonical.yaml"), include_str!("samples/older.yaml")] {
        let template = parse(text);
        assert_eq!(parse(&template.to_yaml()), template);
        assert_eq!(Template::from_canonical(&template.to_canonical()).unwrap(), template);
    }
}

#[test]
fn a_template_travels_inside_other_json() {
    let template = parse(include_str!("samples/canonical.yaml"));
    let text = serde_json::to_string(&json!({ "template": template })).unwrap();
    let mut value: Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::from_value::<Template>(value.remove("template").unwrap()).unwrap(), template);
}

#[test]
fn what_is_stored_is_checked_again() {
    let report = Template::from_canonical(r#"{"name": "a", "steps": [{"name": "b", "depends_on": ["c"]}]}"#);
    assert_eq!(report.unwrap_err().mistakes[0].path, "steps[0].depends_on[0]");
    assert!(Template::from_canonical("{").is_err());
}
