//! Attribute and configuration together, and what is said about secrets.

use serde_json::{Value, json};
use support::{fresh_sqlite, world::settled};
use tasker_runtime::{
    StepError, Tasker,
    api::{StartError, Submission},
    handler::{
        States,
        http::{Api, ApiClient},
    },
    handlers,
    prelude::*,
    registry::{Registration, Registry},
    template::{Step, Template},
};

use super::{
    server::{Reply, Server},
    settings,
};

/// Every cargo test has this variable; here it is the secret.
const SECRET: &str = env!("CARGO_MANIFEST_DIR");

#[api(
    base_url = "https://attribute.example",
    config = "shop",
    headers = { "X-Attribute" = "a", "X-Both" = "attribute", "X-Key" = "${CARGO_MANIFEST_DIR}" }
)]
#[step_handler]
async fn ask(api: Api) -> Result<Value, StepError> {
    api.get("/ask").await
}

#[api(config = "shop")]
#[step_handler]
async fn ask_section(api: Api) -> Result<Value, StepError> {
    api.get("/ask").await
}

#[api(config = "shop", headers = { "X-Key" = "${CARGO_MANIFEST_DIR}" })]
#[step_handler]
async fn ask_number(api: Api) -> Result<u64, StepError> {
    api.get("/ask").await
}

#[api(config = "shop", headers = { "X-Key" = "${CARGO_MANIFEST_DIR}" })]
#[step_handler]
async fn show(api: Api) -> String {
    format!("{api:?} {:?}", api.get::<()>("/x"))
}

fn client(text: &str) -> ApiClient {
    ApiClient::configured(&settings(&format!("[api]\nallowed_networks = '127.0.0.1'\n{text}")).unwrap())
}

/// The template with the one step that calls this handler.
fn template(handler: &Registration) -> Template {
    let step = Step::new(handler.handler().name().to_owned());
    Template::builder("one").namespace("test").step(step).build().unwrap()
}

/// What comes of a task whose one step calls this handler.
async fn call(handler: Registration, client: ApiClient) -> Result<Value, StepError> {
    let database = fresh_sqlite();
    let tasker = Tasker::builder()
        .database(&database.url)
        .template(template(&handler))
        .registry(Registry::of([handler]))
        .state(client);
    let tasker = tasker.start().await.unwrap();
    let task = tasker.submit(Submission::to("test/one")).await.unwrap();
    let report = settled(&tasker, task).await;
    tasker.stop().await.unwrap();
    let step = report.steps.into_iter().next().unwrap();
    step.error.map_or(Ok(step.result), Err)
}

#[tokio::test]
async fn section_goes_before_the_attribute() {
    let server = Server::start(|_, _| Reply::json(&json!(7))).await;
    let section = format!(
        "[api.shop]\nbase_url = '{}/v2'\nheaders = {{ x-both = 'section', X-Section = 's', X-Money = '$$5' }}",
        server.url()
    );
    assert_eq!(call(handlers![ask][0].clone(), client(&section)).await.unwrap(), 7);
    let seen = server.only();
    assert_eq!(seen.target, "/v2/ask");
    assert_eq!((seen.header("x-attribute"), seen.header("x-both")), ("a", "section"));
    assert_eq!((seen.header("x-section"), seen.header("x-money")), ("s", "$5"));
    assert_eq!(seen.header("x-key"), SECRET);
}

#[tokio::test]
async fn secret_of_a_header_is_shown_nowhere() {
    // A server that repeats what it was sent, as some do in their errors.
    let server =
        Server::start(|seen, _| Reply::status(400).body(format!("bad key {}", seen.header("x-key")))).await;
    let section = format!("[api.shop]\nbase_url = '{}/${{CARGO_MANIFEST_DIR}}'", server.url());
    let client = client(&section);
    let error = call(handlers![ask][0].clone(), client.clone()).await.unwrap_err();
    assert_eq!(server.only().header("x-key"), SECRET);
    let stored = serde_json::to_string(&error).unwrap();
    let debug = call(handlers![show][0].clone(), client.clone()).await.unwrap().to_string();
    for shown in [stored, format!("{error:?}"), format!("{client:?}"), debug] {
        assert!(!shown.contains(SECRET) && !shown.contains(&SECRET[1..]), "{shown}");
    }
    assert_eq!(error.context().unwrap()["body"], "bad key ***");
    assert_eq!(error.context().unwrap()["url"], format!("{}/***/ask", server.url()));
}

#[tokio::test]
async fn secret_is_not_shown_where_a_message_quotes_it_or_ends_in_it() {
    let section = |server: &Server| format!("[api.shop]\nbase_url = '{}'", server.url());
    // An answer of another shape, which is quoted in the message.
    let server = Server::start(|seen, _| Reply::json(&json!(seen.header("x-key")))).await;
    let error = call(handlers![ask_number][0].clone(), client(&section(&server))).await.unwrap_err();
    assert_eq!(error.code(), "HTTP_UNEXPECTED_BODY");
    assert!(error.message().contains("\"***\""), "{error}");

    // A failure whose beginning, which is kept, ends within the secret; and one that is escaped in its way.
    let long = Server::start(|seen, _| {
        let all = format!("{}{}", "x".repeat(2_000 - SECRET.len() / 2), seen.header("x-key"));
        Reply::status(400).body(all)
    })
    .await;
    let escaped = Server::start(|seen, _| {
        let key = seen.header("x-key").replace('/', "\\/").replace('t', "\\u0074");
        Reply::status(400).body(format!("{{\"key\":\"{key}\"}}"))
    })
    .await;
    for server in [long, escaped] {
        let error = call(handlers![ask][0].clone(), client(&section(&server))).await.unwrap_err();
        let stored = serde_json::to_string(&error).unwrap();
        assert!(!stored.contains(&SECRET[..SECRET.len() / 2]), "{stored}");
        assert!(stored.contains("***") && !stored.contains("u0074"), "{stored}");
    }
}

#[tokio::test]
async fn credentials_of_one_request_are_shown_as_little() {
    let server = Server::start(|seen, _| {
        let token = seen.header("authorization").trim_start_matches("Bearer ").to_owned();
        Reply::status(401).body(format!("token {token} is not known"))
    })
    .await;
    let api = Api::for_test(&server.url()).unwrap();
    let error = api.get::<()>("/a").header("Authorization", "Bearer hunter2").await.unwrap_err();
    assert_eq!(error.context().unwrap()["body"], "token *** is not known");
}

#[test]
fn what_is_missing_is_said_with_the_way_out() {
    for (text, says) in [
        ("", "there is no section `[api.shop]` in config/tasker.toml: add it with its `base_url`"),
        ("[api.shopp]", "did you mean `shopp`?"),
        ("[api.shop]", "`[api.shop]` in config/tasker.toml has no `base_url`"),
        (
            "[api.shop]\nbase_url = '${NO_SUCH_VARIABLE}'",
            "the environment variable `NO_SUCH_VARIABLE` is not set",
        ),
        ("[api.shop]\nbase_url = 'https://${OPEN'", "opens `${` and does not close it"),
        ("[api.shop]\nbase_url = 'example.org'", "`example.org` is not a valid base URL"),
        ("[api.shop]\nbase_url = 'ftp://example.org'", "it starts with `https://` or `http://`"),
        ("[api.shop]\nbase_url = 'https://example.org/?a'", "it has no `?`"),
        ("[api.shop]\nbase_url = 'https://me:hunter2@example.org/'", "a base URL has no user or password"),
        ("[api.shop]\nbase_url = 'http:/me:hunter2@example.org/'", "a base URL has no user or password"),
        ("[api.shop]\nbase_url = 'https:\\\\me:hunter2@example.org/'", "a base URL has no user or password"),
        ("[api.shop]\nbase_url = 'https://me:hunter2/x@example.org/'", "a base URL has no user or password"),
        ("[api.shop]\nbase_url = 'http://10.0.0.1/'", "`10.0.0.1` must not be called"),
        (
            "[api.shop]\nbase_url = 'https://x.test'\nheaders = { Authorization = 'Bearer hunter2' }",
            "a secret is named, not written",
        ),
        (
            "[api.shop]\nbase_url = 'https://x.test'\nheaders = { Host = 'y' }",
            "header `Host`: this one is set for each request",
        ),
        (
            "[api.shop]\nbase_url = 'https://x.test'\nheaders = { Idempotency-Key = 'y' }",
            "`.part(…)` tells the requests of one step apart",
        ),
        ("[api.shop]\nbase_url = \"https://x.test/v1\\n\"", "a variable may end in one"),
        ("[api.shop]\nbase_url = \"https://x.test/.\\t./v1\"", "it has a space, a line break"),
        ("[api.shop]\nbase_url = ' https://x.test/v1'", "it has a space, a line break"),
        ("[api.shop]\nbase_url = 'https:x.test/v1'", "it starts with `https://` or `http://`"),
        ("[api.shop]\nbase_url = 'https://x.test\\v1'", "it has a `\\`"),
        ("[api.shop]\nbase_url = 'https://x.test/v1/../v2'", "its path has a `.` or `..` in it"),
        ("[api.shop]\nbase_url = 'https://x.test/v1/%2e%2e/v2'", "its path has a `.` or `..` in it"),
        (
            "[api.shop]\nbase_url = 'https://x.test'\nheaders = { 'a b' = 'y' }",
            "this is not a valid header name",
        ),
    ] {
        let (handler, mut states) = (handlers![ask_section][0].clone(), States::default());
        states.insert(client(text));
        let checked = Registry::of([handler.clone()]).check([&template(&handler)], &states).to_string();
        assert!(
            checked.starts_with("error: handler `ask_section` at ") && checked.contains(says),
            "{text}: {checked}"
        );
        assert!(!checked.contains("hunter2"), "{checked}");
    }
}

#[tokio::test]
async fn program_with_an_api_that_cannot_be_called_does_not_start() {
    let database = fresh_sqlite();
    let start = |client: Option<ApiClient>| {
        let builder = Tasker::builder()
            .database(&database.url)
            .registry(Registry::of(handlers![ask_section]))
            .template(template(&handlers![ask_section][0].clone()));
        match client {
            Some(client) => builder.state(client).start(),
            None => builder.start(),
        }
    };
    for missing in [None, Some(client(""))] {
        let Err(StartError::Wiring { problems }) = start(missing).await else { panic!("it started") };
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("handler `ask_section` at "), "{problems:?}");
        assert!(problems[0].contains("there is no section `[api.shop]`"), "{problems:?}");
    }
    let there = client("[api.shop]\nbase_url = 'https://example.org'");
    start(Some(there)).await.unwrap().stop().await.unwrap();
}
