//! What is sent.

use serde_json::{Value, json};
use tasker_runtime::{
    StepError,
    handler::http::{Api, Response},
};

use super::{
    api, client,
    server::{Reply, Server},
};

#[tokio::test]
async fn every_method_sends_json_and_reads_json() {
    let server = Server::start(|seen, _| Reply::json(&json!({ "method": seen.method }))).await;
    let api = api(&server);
    let body = json!({ "cents": 7 });
    let answers: [Result<Value, StepError>; 5] = [
        api.get("/a").await,
        api.post("/a", &body).await,
        api.put("/a", &body).await,
        api.patch("/a", &body).await,
        api.delete("/a").await,
    ];
    for (answer, method) in answers.into_iter().zip(["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        assert_eq!(answer.unwrap(), json!({ "method": method }));
    }
    for seen in server.seen() {
        let sends = matches!(seen.method.as_str(), "POST" | "PUT" | "PATCH");
        assert_eq!(seen.body, if sends { r#"{"cents":7}"# } else { "" });
        assert_eq!(seen.header("content-type"), if sends { "application/json" } else { "" });
        assert_eq!(seen.header("accept"), "application/json");
        assert!(seen.header("user-agent").starts_with("tasker/"));
    }
}

#[tokio::test]
async fn every_request_but_get_carries_the_idempotency_key_and_all_carry_the_trace() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    let api = api(&server);
    let () = api.get("/a").await.unwrap();
    let () = api.post("/a", &1).await.unwrap();
    let () = api.delete("/a").part("old").await.unwrap();
    let keys: Vec<_> = server.seen().iter().map(|seen| seen.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys, ["", "test:step", "test:step:old"]);
    for seen in server.seen() {
        assert!(seen.header("traceparent").starts_with("00-000"), "{seen:?}");
    }
}

#[tokio::test]
async fn path_and_query_are_appended_to_the_base_url() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    for base in ["/v1", "/v1/"] {
        let api = Api::for_test(&format!("{}{base}", server.url())).unwrap();
        let () = api.get("/orders?open=1").query("q", "a b&c").query("n", 5).await.unwrap();
        let () = api.get("/a b/ü").await.unwrap();
        let () = api.get("").await.unwrap();
    }
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    let wanted = ["/v1/orders?open=1&q=a+b%26c&n=5", "/v1/a%20b/%C3%BC"];
    assert_eq!(targets[..2], wanted);
    assert_eq!(targets[3..5], wanted);
    assert_eq!([&targets[2], &targets[5]], ["/v1", "/v1/"]);
}

#[tokio::test]
async fn path_that_leads_out_of_the_base_url_is_not_sent() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    let api = Api::for_test(&format!("{}/v1/tenant", server.url())).unwrap();
    for path in [
        "/../admin",
        "/a/%2e%2E/b",
        "/a\\..\\b",
        "/.",
        "orders",
        "http://elsewhere.test/",
        "@elsewhere.test/",
        "/.\t./echo",
        "/.\r./echo",
        "/.\n./echo",
        "/12\n3/echo",
        "/%2\te%2e/echo",
        "\t/echo",
        "/echo\n",
        "/a\\b",
        "/..%2fecho",
        "/..%5cecho",
        "/%252e%252e/echo",
        "/..;/echo",
        "/.%09./echo",
        "/echo?a=1\n&b=2",
    ] {
        let error = api.get::<()>(path).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_INVALID_REQUEST", false), "{path:?}");
        assert!(error.message().contains("a path starts with `/`"), "{error}");
        assert!(!error.message().contains(|letter: char| letter.is_control()), "{error}");
    }
    assert_eq!(server.connections(), 0);
    // Two slashes are a path as well, not another host.
    let () = api.get("//elsewhere.test/x").await.unwrap();
    assert_eq!(server.only().target, "/v1/tenant//elsewhere.test/x");
}

#[tokio::test]
async fn refused_path_is_shown_without_its_query_and_without_secrets() {
    let api = Api::for_test("http://127.0.0.1:9").unwrap();
    let request = api.get::<()>("/12\n3/hunter2?token=t1").header("Authorization", "Bearer hunter2");
    let error = request.await.unwrap_err();
    assert!(error.message().ends_with("a tab or a line break: `/12\\n3/***`"), "{error}");
}

#[tokio::test]
async fn very_long_path_is_refused_in_no_time() {
    let api = Api::for_test("http://127.0.0.1:9/v1").unwrap();
    for piece in ["a", "/", "%", "%25", "%2525", "../", ";", "é"] {
        let begun = std::time::Instant::now();
        let error = api.get::<()>(format!("/{}", piece.repeat(300_000))).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_INVALID_REQUEST", false), "{piece}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{piece}: {:?}", begun.elapsed());
        assert!(error.message().len() < 1_000, "{piece}: {} bytes", error.message().len());
    }
}

#[tokio::test]
async fn whatever_a_path_is_made_of_arrives_below_the_base_url() {
    const PIECES: [&str; 30] = [
        "/",
        "/",
        "/",
        ".",
        "..",
        "%2e",
        "%252e",
        "%2f",
        "%5c",
        "\\",
        "\t",
        "\n",
        "\r",
        "%09",
        "%00",
        ";",
        "?",
        "#",
        "@",
        ":",
        "http:",
        "https://elsewhere.test",
        " ",
        "%",
        "&",
        "é",
        "\u{feff}",
        "\u{7f}",
        "12",
        "echo",
    ];
    let server = Server::start(|_, _| Reply::status(204)).await;
    let api = Api::for_test(&format!("{}/v1/tenant", server.url())).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut sent = 0;
    for _ in 0..2_000 {
        let path: String = (0..random.usize(1..8)).map(|_| PIECES[random.usize(..PIECES.len())]).collect();
        let path = format!("/{path}");
        match api.get::<()>(path.as_str()).await {
            Ok(()) => sent += 1,
            Err(error) => {
                assert_eq!(
                    (error.code(), error.is_retryable()),
                    ("HTTP_INVALID_REQUEST", false),
                    "{path:?}: {error}"
                );
            }
        }
    }
    let seen = server.seen();
    assert!(sent > 100 && seen.len() == sent, "{sent} were sent and {} arrived", seen.len());
    for seen in seen {
        let path = seen.target.split('?').next().unwrap();
        let rest = path.strip_prefix("/v1/tenant/").unwrap_or_else(|| panic!("{path:?}"));
        let plain = rest.replace("%25", "%").replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
        assert!(!plain.split('/').any(|name| matches!(name, "." | "..")), "{path:?}");
    }
}

#[tokio::test]
async fn any_value_can_be_a_segment_of_its_own() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    let api = Api::for_test(&format!("{}/v1", server.url())).unwrap();
    for (value, arrived) in [
        ("12", "12"),
        ("12\n3", "12%0A3"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("a?b#c", "a%3Fb%23c"),
        ("100%", "100%25"),
        ("%31", "%2531"),
        ("a b+ü", "a%20b%2B%C3%BC"),
        ("...", "..."),
        ("a..b", "a..b"),
    ] {
        let () = api.get("/customers?q=1").segment(value).segment("orders").query("n", 2).await.unwrap();
        assert_eq!(server.seen().pop().unwrap().target, format!("/v1/customers/{arrived}/orders?q=1&n=2"));
    }
    let () = api.get("").segment(7).await.unwrap();
    let () = api.get("/").segment(7).await.unwrap();
    assert!(server.seen().iter().rev().take(2).all(|seen| seen.target == "/v1/7"));
    let before = server.seen().len();
    for value in ["", ".", "..", "../admin", "a/../b", "%2e%2e", ".\t.", "..;x"] {
        let error = api.delete::<()>("/customers").segment(value).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_INVALID_REQUEST", false), "{value:?}");
    }
    assert_eq!(server.seen().len(), before);
}

#[tokio::test]
async fn header_of_the_connection_or_the_step_is_refused_for_one_request_as_well() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "Proxy-Connection",
        "Keep-Alive",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "HTTP2-Settings",
        "Idempotency-Key",
        "traceparent",
    ] {
        let error = api(&server).post::<()>("/a", &1).header(name, "1").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_INVALID_REQUEST", false), "{name}");
        let says = format!("header `{name}`: this one is set for each request and cannot be given");
        assert!(error.message().contains(&says), "{error}");
    }
    let error = api(&server).get::<()>("/a").header("a b", "1").await.unwrap_err();
    assert!(error.message().contains("this is not a valid header name"), "{error}");
    let error = api(&server).get::<()>("/a").header("a\u{1b}[2J", "1").await.unwrap_err();
    assert!(error.message().contains("header `a\\u{1b}[2J`: this is not a valid header name"), "{error}");
    let error = api(&server).post::<()>("/a", &1).part("b\nc").await.unwrap_err();
    assert!(error.message().contains("`test:step:b\\nc` cannot be sent as `idempotency-key`"), "{error}");
    let error = api(&server).get::<()>("/a").header("X-Shop", "1\n").await.unwrap_err();
    assert!(error.message().contains("such as a line break"), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn header_of_a_request_goes_before_that_of_all() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    let () = api(&server).post("/a", &1).header("Accept", "text/csv").header("X-Shop", 7).await.unwrap();
    let seen = server.only();
    assert_eq!((seen.header("accept"), seen.header("x-shop")), ("text/csv", "7"));
    let error = api(&server).get::<()>("/a").header("X-Shop", "a\r\nHost: b").await.unwrap_err();
    assert_eq!(error.code(), "HTTP_INVALID_REQUEST");
}

#[tokio::test]
async fn body_that_is_no_json_is_not_sent() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    let wrong = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = api(&server).post::<()>("/a", &wrong).await.unwrap_err();
    assert_eq!(error.code(), "HTTP_INVALID_REQUEST");
    assert!(error.message().contains("cannot be written as JSON"), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn response_shows_status_and_headers() {
    let server = Server::start(|_, _| Reply::status(201).header("X-Request-Id", "r1").body("7")).await;
    let answer: Response<u8> = api(&server).post("/a", &1).response().await.unwrap();
    assert_eq!((answer.status(), answer.header("x-request-id"), answer.body), (201, Some("r1"), 7));
}

#[tokio::test]
async fn connections_are_used_again_after_good_answers_and_bad_ones() {
    let server = Server::start(|_, before| match before % 3 {
        0 => Reply::json(&json!(1)),
        1 => Reply::status(503).body("no"),
        _ => Reply::status(404),
    })
    .await;
    let client = client("");
    for _ in 0..10 {
        // Each call of a handler has an `Api` of its own; the client is what they share.
        let api = Api::for_test_with(client.clone(), &server.url()).unwrap();
        let _ = api.get::<Value>("/a").await;
        let _ = api.get::<Value>("/a").await;
        let _ = api.get::<Value>("/a").await;
    }
    assert_eq!((server.seen().len(), server.connections()), (30, 1));
}
