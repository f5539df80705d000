//! Calls inside of workflows, on both stores.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use support::{databases, world::settled};
use tasker_runtime::{
    StepError, Tasker,
    api::{StepReport, Submission},
    clock::Clock,
    handlers,
    model::{TaskState, Timestamp},
    prelude::*,
    registry::Registry,
    template::{Step, Template},
};
use uuid::Uuid;

use super::{
    client,
    server::{Reply, Server},
};

#[api(config = "payments", timeout = "5s")]
#[step_handler(name = "charge", retry(max_attempts = 3, base = "1s"))]
async fn charge(#[input("cents")] cents: u64, api: Api) -> Result<u64, StepError> {
    api.post("/charges", &json!({ "cents": cents })).await
}

#[api(config = "payments")]
#[step_handler(name = "confirm")]
async fn confirm(#[depends_on(charge)] id: u64, api: Api) -> Result<Value, StepError> {
    api.put(format!("/charges/{id}/confirmed"), &true).await
}

#[api(config = "payments")]
#[step_handler(name = "charge_soon", retry(max_attempts = 3, max = "20s"))]
async fn charge_soon(api: Api) -> Result<u64, StepError> {
    api.get("/charges").await
}

#[step_handler(name = "charge_tomorrow", retry(max_attempts = 3, max = "20s"))]
async fn charge_tomorrow() -> Result<u64, StepError> {
    Err(StepError::retryable("CLOSED", "nobody works at night").after(Duration::from_secs(86_400)))
}

async fn start(url: &str, server: &Server, clock: Clock) -> Tasker {
    let template = Template::builder("pay")
        .namespace("test")
        .step(Step::new("charge"))
        .step(Step::new("confirm").after(["charge"]))
        .build()
        .unwrap();
    let section = format!("[api.payments]\nbase_url = '{}'", server.url());
    let tasker = Tasker::builder()
        .database(url)
        .registry(Registry::of(handlers![charge, confirm]))
        .template(template)
        .state(client(&section))
        .clock(clock);
    tasker.start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn delay_before_the_next_attempt_is_what_the_server_asks_for() {
    for database in databases().await {
        let server = Server::start(|_, before| match before {
            0 => Reply::status(429).header("Retry-After", "90"),
            1 => Reply::status(503)
                .header("Date", "Wed, 21 Oct 2026 07:28:00 GMT")
                .header("Retry-After", "Wed, 21 Oct 2026 07:28:03 GMT"),
            _ => Reply::json(&json!(7)),
        })
        .await;
        let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
        let tasker = start(&database.url, &server, clock.clone()).await;
        let submission = Submission::to("test/pay").context(&json!({ "cents": 5 })).unwrap();
        let task = tasker.submit(submission).await.unwrap();
        for (attempt, delay) in [(1, 90), (2, 3)] {
            let step = failed(&tasker, task, attempt, &clock).await;
            let wanted = step.finished_at.unwrap() + Duration::from_secs(delay);
            assert_eq!(step.retry_at, Some(wanted), "{database}: {step:?}");
            assert_eq!(server.seen().len(), attempt as usize, "{database}");
            clock.advance(Duration::from_secs(delay));
        }
        let report = loop {
            // The engine looks for what is due now and then, by the same clock.
            clock.advance(Duration::from_secs(1));
            let report = tasker.show(task).await.unwrap().unwrap();
            if report.state.is_final() {
                break report;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(report.state, TaskState::Complete, "{database}: {report:?}");
        tasker.stop().await.unwrap();
    }
}

/// The step `charge` once `attempts` of its attempts have failed.
async fn failed(tasker: &Tasker, task: Uuid, attempts: u32, clock: &Clock) -> StepReport {
    loop {
        let report = tasker.show(task).await.unwrap().unwrap();
        let charge = report.step("charge").unwrap();
        if charge.attempts >= attempts && charge.retry_at.is_some() {
            return charge.clone();
        }
        if attempts > 1 {
            clock.advance(Duration::from_millis(100));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_cannot_ask_for_a_longer_delay_than_the_policy_allows() {
    const START: i64 = 1_800_000_000_000_000;
    // Handler, the longest delay of the template, what the server asks for and what is waited, in seconds.
    let cases = [
        ("charge_soon", None, "86400", 20),
        ("charge_soon", None, "7", 7),
        ("charge_soon", Some(5), "86400", 5),
        ("charge_soon", Some(7_200), "86400", 7_200),
        ("charge_soon", Some(7_200), "5400", 5_400),
        ("charge", None, "86400", 3_600),
        ("charge", None, "Fri, 31 Dec 9999 23:59:59 GMT", 3_600),
        ("charge", None, "99999999999999999999999", 3_600),
        // What the handler itself says counts as it stands.
        ("charge_tomorrow", None, "", 86_400),
    ];
    for database in databases().await {
        let asked = Arc::new(Mutex::new(""));
        let answered = asked.clone();
        let server = Server::start(move |_, _| {
            let asked = *answered.lock().unwrap();
            Reply::status(409).header("Retry-After", asked)
        })
        .await;
        let mut builder = Tasker::builder()
            .database(&database.url)
            .registry(Registry::of(handlers![charge, charge_soon, charge_tomorrow]))
            .state(client(&format!("[api.payments]\nbase_url = '{}'", server.url())))
            .clock(Clock::manual(Timestamp::from_micros(START)));
        for (at, (handler, max, ..)) in cases.iter().enumerate() {
            let mut step = Step::new("charge").handler(*handler);
            step.retry.max = max.map(Duration::from_secs);
            let template =
                Template::builder(format!("pay{at}")).namespace("test").step(step).build().unwrap();
            builder = builder.template(template);
        }
        let tasker = builder.start().await.unwrap();
        for (at, (handler, max, wish, waited)) in cases.into_iter().enumerate() {
            *asked.lock().unwrap() = wish;
            let submission = Submission::to(format!("test/pay{at}")).context(&json!({ "cents": 5 })).unwrap();
            let task = tasker.submit(submission).await.unwrap();
            let retry_at = loop {
                let step = tasker.show(task).await.unwrap().unwrap().step("charge").unwrap().clone();
                if step.attempts == 1 && step.error.is_some() {
                    break step.retry_at.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            let delay = (retry_at.as_micros() - START) / 1_000_000;
            assert_eq!(delay, waited, "{database}: {handler}, max {max:?}, the server asks for {wish}");
        }
        tasker.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_stays_over_attempts_while_each_attempt_has_its_place_in_the_trace() {
    for database in databases().await {
        let server = Server::start(|_, before| match before {
            0 => Reply::status(503).header("Retry-After", "0"),
            1 => Reply::Cut("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n7"),
            _ => Reply::json(&json!(7)),
        })
        .await;
        let tasker = start(&database.url, &server, Clock::system()).await;
        let correlation = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let submission = Submission::to("test/pay").context(&json!({ "cents": 5 })).unwrap();
        let task = tasker.submit(submission.correlation_id(correlation)).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{database}: {report:?}");

        let seen = server.seen();
        let keys: Vec<_> = seen.iter().map(|seen| seen.header("idempotency-key").to_owned()).collect();
        let (charge, confirm) = (format!("{task}:charge"), format!("{task}:confirm"));
        assert_eq!(keys, [charge.clone(), charge.clone(), charge, confirm], "{database}");
        assert_eq!(seen[3].target, "/charges/7/confirmed");
        let mut parents = HashSet::new();
        for seen in &seen {
            let parts: Vec<_> = seen.header("traceparent").split('-').collect();
            let [version, trace, parent, flags] = parts[..] else { panic!("{seen:?}") };
            assert_eq!((version, trace, flags), ("00", correlation.simple().to_string().as_str(), "01"));
            assert!(parent.len() == 16 && parent.bytes().all(|byte| byte.is_ascii_hexdigit()), "{parent}");
            parents.insert(parent.to_owned());
        }
        assert_eq!(parents.len(), 4, "{database}: every attempt is one of its own");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_of_the_server_fails_the_task_with_its_answer() {
    for database in databases().await {
        let server = Server::start(|_, _| Reply::status(402).body(r#"{"reason":"no money"}"#)).await;
        let tasker = start(&database.url, &server, Clock::system()).await;
        let submission = Submission::to("test/pay").context(&json!({ "cents": 5 })).unwrap();
        let task = tasker.submit(submission).await.unwrap();
        let report = settled(&tasker, task).await;
        let error = report.steps.iter().find_map(|step| step.error.as_ref()).unwrap();
        assert_eq!(error.code(), "HTTP_CLIENT_ERROR", "{database}");
        assert_eq!(error.context().unwrap()["body"]["reason"], "no money", "{database}");
        assert_eq!(server.seen().len(), 1, "{database}: it is not asked again");
        tasker.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_many_tasks_share_their_connections() {
    for database in databases().await {
        let server = Server::start(|_, _| Reply::json(&json!(7))).await;
        let tasker = start(&database.url, &server, Clock::system()).await;
        for _ in 0..10 {
            let _: Value = tasker.run("test/pay", &json!({ "cents": 5 })).await.unwrap();
        }
        // One task after the other, and never two of its steps at once.
        assert_eq!((server.seen().len(), server.connections()), (20, 1), "{database}");
        tasker.stop().await.unwrap();
    }
}
