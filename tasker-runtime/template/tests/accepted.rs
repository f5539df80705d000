//! Every other way to write a template ends in the value of the canonical form.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use tasker_template::{
    Backoff, Code, DeliveryMode, EventCondition, FailureStrategy, Lifecycle, OnFailure, Options,
    RetryOptions, StalenessAction, Step, StepKind, Template, Verdict,
};

fn parse(text: &str) -> Template {
    parse_in(text, None)
}

fn parse_in(text: &str, environment: Option<&str>) -> Template {
    let options = Options { environment, ..Options::default() };
    Template::parse("test.yaml", text, &options).unwrap_or_else(|report| panic!("{report}")).template
}

/// A template of one step `a` with these lines, and one step `b` before it.
fn with(lines: &str) -> Template {
    let lines = lines.replace('\n', "\n    ");
    parse(&format!("name: t\nsteps:\n  - name: b\n  - name: a\n    {lines}\n"))
}

/// The same with lines of the whole template.
fn with_top(lines: &str) -> Template {
    parse(&format!("name: t\n{lines}\nsteps:\n  - name: b\n"))
}

#[test]
fn every_key_of_the_canonical_form_is_read() {
    let text = include_str!("samples/canonical.yaml");
    let parsed = Template::parse("canonical.yaml", text, &Options::default()).unwrap();
    assert_eq!(parsed.report.verdict(), Verdict::Ok, "{}", parsed.report);
    let template = parsed.template;
    assert_eq!((template.namespace(), template.name()), ("ecommerce", "order_fulfillment"));
    assert_eq!(template.version().to_string(), "1.2.0");
    assert_eq!(template.description(), Some("from cart to parcel"));
    assert_eq!(template.input_schema().unwrap()["required"][0], "items");
    assert_eq!(template.on_failure(), OnFailure::Compensate);
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    assert_eq!(
        *template.lifecycle(),
        Lifecycle {
            max_duration: minutes(1440),
            max_waiting_for_dependencies: minutes(60),
            max_waiting_for_retry: minutes(30),
            max_steps_in_process: minutes(20),
            staleness_action: StalenessAction::Error,
        }
    );
    let [validate, plan, work, gather, route, ship] = template.steps() else { panic!("six steps") };
    assert_eq!(validate.handler.callable, "orders.validate");
    assert_eq!(validate.handler.initialization["strict"], true);
    assert_eq!(validate.timeout, Some(Duration::from_millis(45_500)));
    let retry = RetryOptions {
        retryable: Some(true),
        max_attempts: Some(5),
        backoff: Some(Backoff::Fibonacci),
        base: Some(Duration::from_millis(500)),
        max: Some(Duration::from_secs(30)),
    };
    assert_eq!(validate.retry, retry);
    assert_eq!((validate.queue.as_deref(), validate.priority), (Some("fast"), 7));
    assert_eq!(template.queue(0), "fast");
    assert_eq!(template.queue(1), "ecommerce");
    assert_eq!(validate.result_schema.as_ref().unwrap()["type"], "object");
    let event = &validate.publishes_events[0];
    assert_eq!(event.name, "order.validated");
    assert_eq!((event.condition, event.delivery_mode), (EventCondition::Always, DeliveryMode::Broadcast));
    // The defaults of the file.
    assert_eq!(plan.timeout, Some(Duration::from_secs(30)));
    assert_eq!(plan.retry.max_attempts, Some(3));
    let batch = work.batch.as_ref().unwrap();
    assert_eq!((batch.batch_size, batch.parallelism), (Some(200), Some(5)));
    assert_eq!(batch.cursor_field.as_deref(), Some("row_number"));
    assert_eq!(batch.failure_strategy, Some(FailureStrategy::ContinueOnFailure));
    let kinds = [validate, plan, work, gather, route, ship].map(|step| step.kind);
    let expected = [
        StepKind::Standard,
        StepKind::Batchable,
        StepKind::BatchWorker,
        StepKind::DeferredConvergence,
        StepKind::Decision,
        StepKind::Standard,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn what_is_absent_has_a_default_or_stays_absent() {
    let template = parse("name: t\nsteps: [{name: a}]\n");
    assert_eq!((template.namespace(), template.version().to_string().as_str()), ("default", "1.0.0"));
    assert_eq!(template.on_failure(), OnFailure::Block);
    let step = &template.steps()[0];
    assert_eq!(*step, Step::new("a"));
    assert_eq!((step.timeout, &step.retry), (None, &RetryOptions::default()));
}

#[test]
fn aliases_mean_the_canonical_keys() {
    let same = [
        (with("depends_on: [b]"), with("dependencies: [b]")),
        (with("type: standard"), with("step_type: standard")),
        (with("handler: x"), with("handler: {callable: x}")),
        (with("retry: {max_attempts: 4}"), with("retry: {limit: 4}")),
        (with("retry: {max_attempts: 4}"), with("retry: {max_retries: 3}")),
        (with("retry: {max_attempts: 4}"), with("max_retries: 3")),
        (with("retry: {max_attempts: 1}"), with("retry: {max_attempts: 0}")),
        (with("retry: {max_attempts: 1}"), with("retry: {max_retries: 0}")),
        (with("retry: {backoff_base_ms: 1500}"), with("retry: {initial_delay: 1.5}")),
        (with("retry: {max_backoff_ms: 30000}"), with("retry: {max_delay: 30}")),
        (with_top("namespace: n"), with_top("namespace_name: n")),
        (with_top("input_schema: {type: object}"), with_top("schema: {type: object}")),
    ];
    for (canonical, other) in same {
        assert_eq!(canonical, other);
        assert_eq!(canonical.to_canonical(), other.to_canonical());
    }
}

#[test]
fn keys_may_have_a_leading_colon_at_every_depth() {
    let ruby = "
:name: t
:namespace_name: n
:input_schema:
  :type: object
  :properties: {:a: {:type: integer}}
:steps:
  - :name: a
    :retry: {:limit: 3, :backoff: linear}
    :handler: {:callable: 'Module::Handler', :initialization: {:deep: {:er: 1}}}
";
    assert_eq!(parse(ruby), parse(&ruby.replace(" :", " ").replace("{:", "{").replace("\n:", "\n")));
}

#[test]
fn null_is_absence() {
    let empty = with("timeout_seconds: ~\nretry: {max_attempts: null, backoff:}\nhandler:\ndepends_on: null");
    assert_eq!(empty, with("description: ~"));
    assert_eq!(with_top("environments:\nlifecycle: ~\nmetadata: null"), with_top(""));
}

#[test]
fn callables_are_kept_as_written() {
    for callable in
        ["process_order", "orders.process", "crate::module::ProcessOrderHandler", "Module::Handler", "a/b"]
    {
        assert_eq!(with(&format!("handler: {callable}")).steps()[1].handler.callable, callable);
    }
}

#[test]
fn the_older_layout_is_the_same_template() {
    let older = include_str!("samples/older.yaml");
    let parsed = Template::parse("older.yaml", older, &Options::default()).unwrap();
    assert_eq!(parsed.template, parse(include_str!("samples/older_canonical.yaml")));
    let idle: Vec<_> = parsed.report.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        idle,
        [
            "`task_handler_class` has no effect here",
            "`execution_environment` has no effect here",
            "`language` has no effect here",
            "`context_key` has no effect here",
        ]
    );
}

#[test]
fn workflow_steps_order_and_connect_the_step_templates() {
    let text = "
name: t
step_templates:
  - {name: b, depends_on_step: a}
  - {name: a}
  - {name: c, depends_on_steps: [b]}
workflow_steps:
  - {step_template: a}
  - {step_template: b, dependencies: [a]}
  - {step_template: c, dependencies: [a]}
";
    let canonical =
        "name: t\nsteps: [{name: a}, {name: b, depends_on: [a]}, {name: c, depends_on: [b, a]}]\n";
    assert_eq!(parse(text), parse(canonical));
}

#[test]
fn fields_of_other_installations_are_warned_of_and_kept_where_they_can_be_shown() {
    let text = include_str!("mistakes/no_effect.yaml");
    let parsed = Template::parse("no_effect.yaml", text, &Options::default()).unwrap();
    assert_eq!(parsed.report.verdict(), Verdict::Warnings);
    assert!(parsed.report.warnings.iter().all(|warning| warning.code == Code::NoEffect));
    assert_eq!(parsed.template.metadata()["author"], "someone");
    assert_eq!(parsed.template.domain_events()[0]["name"], "order.paid");
    assert_eq!(parsed.template.steps()[0].handler.method.as_deref(), Some("run"));
}

#[test]
fn scalars_are_read_by_the_core_schema_of_yaml() {
    let text = "
integers: [0, -0, +1, -7, 0x1F, 0o17, 18446744073709551615]
decimals: [.5, 5., -.5, 1e3, 1.5E-2, -0.0]
others: [true, False, ~, null, NULL]
text: [yes, No, on, 007, 1_000, 1.0.0, 1e, 0xg, '1', !!str 1, 2025-01-01, .]
";
    let metadata = format!("metadata:{}", text.replace('\n', "\n  "));
    let expected = serde_json::json!({
        "integers": [0, 0, 1, -7, 31, 15, u64::MAX],
        "decimals": [0.5, 5.0, -0.5, 1000.0, 0.015, 0.0],
        "others": [true, false, null, null, null],
        "text": ["yes", "No", "on", "007", "1_000", "1.0.0", "1e", "0xg", "1", "1", "2025-01-01", "."],
    });
    assert_eq!(serde_json::Value::Object(with_top(&metadata).metadata().clone()), expected);
}

#[test]
fn line_ends_of_windows_are_line_ends() {
    let text = include_str!("samples/canonical.yaml");
    assert_eq!(parse(&text.replace('\n', "\r\n")), parse(text));
}

#[test]
fn anchors_and_merges_stand_for_what_they_name() {
    let text = "
name: t
steps:
  - name: a
    retry: &slow {max_attempts: 9, backoff: linear}
  - name: b
    depends_on: [a]
    retry: {<<: *slow, max_attempts: 2}
";
    let template = parse(text);
    let retry = &template.steps()[1].retry;
    assert_eq!((retry.max_attempts, retry.backoff), (Some(2), Some(Backoff::Linear)));
}

const ENVIRONMENTS: &str = "
name: t
defaults: {timeout_seconds: 30, retry: {max_attempts: 3, backoff: linear}}
steps:
  - name: a
    retry: {max_attempts: 5}
    handler: {callable: a, initialization: {url: live, limits: {small: 1, large: 2}, list: [1, 2]}}
  - name: b
environments:
  test:
    steps:
      - name: ALL
        timeout_seconds: 5
        retry: {backoff_base_ms: 1}
      - name: a
        timeout_seconds: 1
        handler: {initialization: {limits: {large: 20}, list: [3], url: test}}
  production:
    steps: [{name: b, queue: slow, priority: 3}]
";

#[test]
fn defaults_and_environments_are_merged_key_by_key() {
    let template = parse_in(ENVIRONMENTS, Some("test"));
    let [a, b] = template.steps() else { panic!("two steps") };
    // The step's own environment wins over ALL, and that over the file.
    assert_eq!((a.timeout, b.timeout), (Some(Duration::from_secs(1)), Some(Duration::from_secs(5))));
    assert_eq!((a.retry.max_attempts, b.retry.max_attempts), (Some(5), Some(3)));
    assert_eq!((a.retry.base, a.retry.backoff), (Some(Duration::from_millis(1)), Some(Backoff::Linear)));
    assert_eq!(
        serde_json::to_string(&a.handler.initialization).unwrap(),
        r#"{"limits":{"large":20,"small":1},"list":[3],"url":"test"}"#
    );
    assert_eq!(a.handler.callable, "a");
}

#[test]
fn only_the_chosen_environment_counts() {
    let plain = parse_in(ENVIRONMENTS, None);
    assert_eq!(plain, parse_in(ENVIRONMENTS, Some("staging")));
    assert_eq!(plain.steps()[0].timeout, Some(Duration::from_secs(30)));
    let production = parse_in(ENVIRONMENTS, Some("production"));
    assert_eq!((production.queue(1), production.steps()[1].priority), ("slow", 3));
    assert_eq!(production.steps()[0], plain.steps()[0]);
}

#[test]
fn code_and_file_make_equal_templates() {
    let mut charge = Step::new("charge").after(["validate"]).handler("payments.charge");
    charge.retry.max_attempts = Some(5);
    charge.timeout = Some(Duration::from_secs(30));
    let built = Template::builder("checkout")
        .namespace("shop")
        .version("2.1.0".parse().unwrap())
        .on_failure(OnFailure::Fail)
        .step(Step::new("validate"))
        .step(charge)
        .build()
        .unwrap();
    let file = "
name: checkout
namespace: shop
version: 2.1.0
on_failure: fail
steps:
  - name: validate
  - {name: charge, handler: payments.charge, depends_on: [validate], timeout_seconds: 30, retry: {max_attempts: 5}}
";
    assert_eq!(built, parse(file));
    assert_eq!(built.to_canonical(), parse(file).to_canonical());
}

#[test]
fn code_makes_the_mistakes_of_a_file() {
    let mut slow = Step::new("slow").after(["slow", "fsat"]);
    slow.timeout = Some(Duration::from_secs(40 * 24 * 60 * 60));
    let report = Template::builder("Shop").origin("src/shop.rs:7").step(Step::new("fast")).step(slow).build();
    assert_eq!(
        report.unwrap_err().to_string(),
        "\
error[bad_name]: `name` may only hold lower case letters, digits and `_`, found 'S'
--> src/shop.rs:7: name
 = help: write `shop`

error[self_dependency]: step `slow` depends on itself
--> src/shop.rs:7: steps[1].depends_on[0]
 = help: remove it

error[unknown_dependency]: step `slow` depends on `fsat`, which is no step
--> src/shop.rs:7: steps[1].depends_on[1]
 = help: did you mean `fast`?

error[out_of_range]: `timeout_seconds` must be from 0.001 to 2592000, found 3456000
--> src/shop.rs:7: steps[1].timeout_seconds"
    );
}
