//! Annotated functions, called as the engine calls them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde::{Deserialize, Serialize};
use tasker_template::{Step, Template};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::model::{Json, StepError};
use crate::step_handler;

/// Results by number, where there are any.
struct Given(Vec<Upstream>);

impl Results for Given {
    fn of(&self, step: u32) -> Upstream {
        self.0.get(step as usize).cloned().unwrap_or(Upstream::Pending)
    }
}

/// Step number 2 of three in a row, `validate`, `pay` (which calls `charge`) and `ship`.
fn parts(context: &str, results: Vec<Upstream>) -> StepParts {
    let mut ship = Step::new("ship").after(["pay"]);
    ship.handler.initialization = serde_json::json!({"most": 3});
    let template = Template::builder("checkout")
        .step(Step::new("validate"))
        .step(Step::new("pay").handler("charge").after(["validate"]))
        .step(ship)
        .build()
        .unwrap();
    let task = TaskData {
        id: Uuid::from_u128(7),
        correlation_id: Uuid::from_u128(8),
        template: Arc::new(template),
        context: Json::from_text(context).unwrap(),
        created_at_us: 0,
    };
    StepParts {
        batch: None,
        events: None,
        rounds: None,
        task: Arc::new(task),
        step: 2,
        name: "ship".into(),
        attempt: 2,
        max_attempts: 3,
        compensates: None,
        results: Arc::new(Given(results)),
        states: Arc::default(),
        cancel: CancellationToken::new(),
    }
}

fn complete(text: &str) -> Upstream {
    Upstream::Complete(Json::from_text(text).unwrap())
}

/// Calls a handler that has nothing to wait for.
fn call(handler: &dyn StepHandler, parts: StepParts) -> Result<Json, StepError> {
    let step = TaskSequenceStep::new(parts);
    let mut call = handler.call_boxed(&step);
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(StepError::permanent("PENDING", "the handler waits")),
    }
}

#[derive(Serialize, Deserialize)]
struct Valid {
    total: u64,
}

#[step_handler(name = "validate")]
async fn validate(total: u64) -> Valid {
    Valid { total }
}

#[step_handler(name = "charge")]
async fn charge(#[depends_on(validate)] valid: Valid) -> Result<u64, StepError> {
    Ok(valid.total)
}

#[test]
fn context_is_the_parameter_without_attribute() {
    let output = call(<validate as StepFn>::ENTRY.handler(), parts("41", vec![])).unwrap();
    assert_eq!(output.as_str(), r#"{"total":41}"#);
    let error = call(<validate as StepFn>::ENTRY.handler(), parts(r#""x""#, vec![])).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("INVALID_CONTEXT", false));
}

#[test]
fn upstream_is_found_by_name_or_by_its_handler() {
    #[step_handler(name = "handler_tests.upstream")]
    async fn upstream(
        #[depends_on(validate)] by_name: Valid,
        #[depends_on(charge)] by_handler: u64,
        #[depends_on("pay")] loose: f64,
    ) -> (u64, u64, f64) {
        (by_name.total, by_handler, loose)
    }

    let output = call(
        <upstream as StepFn>::ENTRY.handler(),
        parts("{}", vec![complete(r#"{"total":1}"#), complete("2")]),
    )
    .unwrap();
    assert_eq!(output.as_str(), "[1,2,2.0]");
    let error = call(
        <upstream as StepFn>::ENTRY.handler(),
        parts("{}", vec![complete(r#"{"total":"x"}"#), complete("2")]),
    )
    .unwrap_err();
    assert_eq!(error.code(), "INVALID_DEPENDENCY");
    assert!(
        error.message().contains("result of step `validate` does not fit: at `total`: invalid type"),
        "{error}"
    );
    let error =
        call(<upstream as StepFn>::ENTRY.handler(), parts("{}", vec![Upstream::NotTaken, complete("2")]))
            .unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("DEPENDENCY_NOT_TAKEN", false));
    let error = call(<upstream as StepFn>::ENTRY.handler(), parts("{}", vec![])).unwrap_err();
    assert_eq!(error.code(), "DEPENDENCY_PENDING");
}

#[test]
fn option_is_none_for_a_branch_that_was_not_taken() {
    #[step_handler(name = "handler_tests.optional")]
    async fn optional(
        #[depends_on(validate)] exact: Option<Valid>,
        #[depends_on("pay")] loose: Option<u64>,
    ) -> (bool, bool) {
        (exact.is_some(), loose.is_some())
    }

    let output = call(
        <optional as StepFn>::ENTRY.handler(),
        parts("{}", vec![complete(r#"{"total":1}"#), complete("2")]),
    )
    .unwrap();
    assert_eq!(output.as_str(), "[true,true]");
    let output = call(
        <optional as StepFn>::ENTRY.handler(),
        parts("{}", vec![Upstream::NotTaken, Upstream::NotTaken]),
    )
    .unwrap();
    assert_eq!(output.as_str(), "[false,false]");
}

#[test]
fn taken_branch_is_some_even_where_its_result_is_null() {
    #[step_handler(name = "handler_tests.nothing")]
    async fn nothing() {}

    #[step_handler(name = "handler_tests.after_nothing")]
    async fn after_nothing(#[depends_on(nothing)] nothing: Option<()>) -> bool {
        nothing.is_some()
    }

    let mut parts = parts("{}", vec![complete("null")]);
    let template = Template::builder("t")
        .step(Step::new("handler_tests.nothing"))
        .step(Step::new("after").after(["handler_tests.nothing"]))
        .build()
        .unwrap();
    let task = TaskData {
        id: Uuid::nil(),
        correlation_id: Uuid::nil(),
        template: Arc::new(template),
        context: Json::null(),
        created_at_us: 0,
    };
    (parts.task, parts.step) = (Arc::new(task), 1);
    assert_eq!(call(<after_nothing as StepFn>::ENTRY.handler(), parts).unwrap().as_str(), "true");
}

#[test]
fn extractors_take_what_they_name() {
    #[derive(Deserialize)]
    struct Limits {
        most: u64,
    }

    struct Db(u64);

    #[step_handler(name = "handler_tests.extractors")]
    async fn extractors(
        State(db): State<Db>,
        limits: Config<Limits>,
        #[input("items.0.sku")] sku: String,
        #[input("note")] note: Option<String>,
        info: StepInfo,
        attempt: Attempt,
        key: IdempotencyKey,
        cancelled: Cancelled,
        step: &TaskSequenceStep,
    ) -> String {
        let (db, most) = (db.0, limits.most);
        let (name, number, last) = (info.template.name(), attempt.number, attempt.is_last());
        let stopped = cancelled.is_cancelled();
        format!("{db} {most} {sku} {note:?} {name} {number} {last} {key} {stopped} {}", step.name())
    }

    let mut given = parts(r#"{"items":[{"sku":"a"}]}"#, vec![]);
    let error = call(<extractors as StepFn>::ENTRY.handler(), given.clone()).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("MISSING_STATE", false));

    Arc::make_mut(&mut given.states).insert(Db(5));
    given.cancel.cancel();
    let output = call(<extractors as StepFn>::ENTRY.handler(), given).unwrap().parse::<String>().unwrap();
    assert_eq!(output, "5 3 a None checkout 2 false 00000000-0000-0000-0000-000000000007:ship true ship");
}

#[test]
fn extractor_of_the_users_own_comes_before_the_context() {
    #[derive(Deserialize)]
    struct Tenant(String);

    impl FromStep for Tenant {
        fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
            Ok(Self(format!("tenant of {}", step.template().name())))
        }
    }

    #[step_handler(name = "handler_tests.tenant")]
    async fn tenant(tenant: Tenant, total: u64) -> String {
        format!("{} {total}", tenant.0)
    }

    let output = call(<tenant as StepFn>::ENTRY.handler(), parts("7", vec![])).unwrap();
    assert_eq!(output.as_str(), r#""tenant of checkout 7""#);
}

#[test]
fn every_form_of_result_is_told_from_data() {
    type Outcome = Result<u64, std::fmt::Error>;

    #[step_handler(name = "handler_tests.alias")]
    async fn alias(good: bool) -> Outcome {
        if good { Ok(7) } else { Err(std::fmt::Error) }
    }

    #[step_handler(name = "handler_tests.text")]
    async fn text() -> Result<(), String> {
        Err("no".to_owned())
    }

    assert_eq!(call(<alias as StepFn>::ENTRY.handler(), parts("true", vec![])).unwrap().as_str(), "7");
    assert!(call(<alias as StepFn>::ENTRY.handler(), parts("false", vec![])).unwrap_err().is_retryable());
    let error = call(<text as StepFn>::ENTRY.handler(), parts("{}", vec![])).unwrap_err();
    assert_eq!((error.message(), error.is_retryable()), ("no", false));
}

#[test]
fn output_that_is_no_json_is_a_permanent_failure() {
    // A name hides from the macro what its keys are.
    type Board = std::collections::BTreeMap<(u8, u8), u8>;

    #[step_handler(name = "handler_tests.keys")]
    async fn keys() -> Board {
        [((1, 2), 3)].into()
    }

    let error = call(<keys as StepFn>::ENTRY.handler(), parts("{}", vec![])).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("INVALID_OUTPUT", false));
}

#[test]
fn state_that_may_be_missing_is_an_option() {
    #[step_handler(name = "handler_tests.maybe")]
    async fn maybe(none: Option<State<u8>>, attempt: Option<Attempt>) -> (bool, Option<u32>) {
        (none.is_some(), attempt.map(|attempt| attempt.number))
    }

    let handler = <maybe as StepFn>::ENTRY;
    assert!(handler.handler().spec().needs.is_empty());
    assert_eq!(call(handler.handler(), parts("{}", vec![])).unwrap().as_str(), "[false,2]");
}

#[test]
fn number_that_json_cannot_express_fails_the_step_that_returns_it() {
    #[step_handler(name = "handler_tests.rates")]
    async fn rates() -> Vec<Option<f64>> {
        vec![Some(1.5), Some(f64::NAN)]
    }

    let error = call(<rates as StepFn>::ENTRY.handler(), parts("{}", vec![])).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("INVALID_OUTPUT", false));
    assert!(error.message().contains("at `1`: NaN is not a number"), "{error}");
}

#[test]
fn whole_numbers_of_any_size_are_kept_digit_for_digit() {
    #[step_handler(name = "handler_tests.large")]
    async fn large(#[depends_on("pay")] before: u128) -> u128 {
        before + 1
    }

    let pay = complete("340282366920938463463374607431768211454");
    let result = call(<large as StepFn>::ENTRY.handler(), parts("{}", vec![complete("0"), pay])).unwrap();
    assert_eq!(result.as_str(), u128::MAX.to_string());
}

#[test]
fn error_in_a_field_of_the_result_fails_the_step() {
    #[derive(Serialize)]
    struct Report {
        parts: Vec<Result<u8, String>>,
    }

    #[step_handler(name = "handler_tests.hidden")]
    async fn hidden(parts: Vec<u8>) -> Report {
        Report {
            parts: parts.into_iter().map(|n| if n == 0 { Err("zero".to_owned()) } else { Ok(n) }).collect(),
        }
    }

    let handler = <hidden as StepFn>::ENTRY.handler();
    assert_eq!(call(handler, parts("[1]", vec![])).unwrap().as_str(), r#"{"parts":[{"Ok":1}]}"#);
    let error = call(handler, parts("[1,0]", vec![])).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("INVALID_OUTPUT", false));
    assert!(error.message().contains("at `parts.1`: a `Result` inside the result is an error"), "{error}");
}

#[test]
fn errors_of_any_kind_fail_a_step_and_keep_their_causes() {
    /// As `anyhow::Error`, which is no error itself.
    struct Anything(Box<dyn std::error::Error + Send + Sync>);

    impl From<Anything> for Box<dyn std::error::Error + Send + Sync> {
        fn from(anything: Anything) -> Self {
            anything.0
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full")]
    struct Full(#[source] std::num::ParseIntError);

    fn full() -> Anything {
        Anything(Box::new(Full("x".parse::<u8>().unwrap_err())))
    }

    #[step_handler(name = "handler_tests.anything")]
    async fn anything() -> Result<(), Anything> {
        Err(full())
    }

    #[step_handler(name = "handler_tests.for_good", errors = "permanent")]
    async fn for_good(kind: u8) -> Result<(), StepError> {
        match kind {
            0 => Err(Full("x".parse::<u8>().unwrap_err()))?,
            _ => Err(StepError::retryable("DOWN", "later")),
        }
    }

    let error = call(<anything as StepFn>::ENTRY.handler(), parts("{}", vec![])).unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.message(), "the disk is full: invalid digit found in string");
    let causes = serde_json::json!({"chain": ["the disk is full", "invalid digit found in string"]});
    assert_eq!(error.context(), Some(&causes));
    let handler = <for_good as StepFn>::ENTRY.handler();
    assert!(!call(handler, parts("0", vec![])).unwrap_err().is_retryable());
    assert!(call(handler, parts("1", vec![])).unwrap_err().is_retryable());
}

#[test]
fn step_gives_the_results_of_all_its_ancestors_and_of_no_other() {
    let step = TaskSequenceStep::new(parts("{}", vec![complete(r#"{"total":1}"#), complete("2")]));
    assert_eq!(step.ancestors().collect::<Vec<_>>(), ["validate", "pay"]);
    assert_eq!(step.direct_ancestors().collect::<Vec<_>>(), ["pay"]);
    assert_eq!(step.result::<u64>("pay").unwrap(), 2);
    let error = step.result::<u64>("ship").unwrap_err();
    assert_eq!(error.code(), "NO_SUCH_DEPENDENCY");
    assert!(error.message().ends_with("it depends on validate, pay"), "{error}");
}

#[test]
fn facts_hold_every_option() {
    #[step_handler(
        name = "handler_tests.facts",
        namespace = "shop",
        version = "1.2.3",
        description = "does",
        retry(max_attempts = 5, backoff = "linear", base = "200ms", max = "1m30s"),
        timeout = "30s",
        queue = "slow",
        concurrency = 4
    )]
    async fn facts(#[depends_on(charge)] charge: Option<u64>) -> Vec<u64> {
        charge.into_iter().collect()
    }

    let facts = <facts as StepFn>::ENTRY.handler().spec();
    assert_eq!(
        (facts.namespace.as_deref(), facts.version.as_deref(), facts.description.as_deref()),
        (Some("shop"), Some("1.2.3"), Some("does"))
    );
    assert_eq!((facts.queue.as_deref(), facts.concurrency), (Some("slow"), Some(4)));
    assert_eq!(facts.timeout, Some(std::time::Duration::from_secs(30)));
    assert_eq!(facts.retry.max_attempts, Some(5));
    assert_eq!(facts.retry.backoff.map(|backoff| backoff.as_str()), Some("linear"));
    assert_eq!(facts.retry.max, Some(std::time::Duration::from_secs(90)));
    assert_eq!(facts.output.map(|output| output.id()), Some(std::any::TypeId::of::<Vec<u64>>()));
    let needs = facts.needs;
    assert!(
        matches!(needs.as_slice(), [Need::Step { name: "charge", exact: Some(_), optional: true, .. }]),
        "{needs:?}"
    );
}
