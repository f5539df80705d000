//! Whatever is wrong with a request, the answer is a problem document that says where and what to do.

use std::time::Duration;

use serde_json::json;
use support::{
    cluster::Cluster,
    fresh_on, http,
    stage::{step, template},
    world::{World, worlds},
};
use uuid::Uuid;

use crate::Served;

fn plain() -> tasker_runtime::template::Template {
    template("plain", [step("only", &[])])
}

#[tokio::test]
async fn malformed_bodies_are_refused_with_the_place() {
    for world in worlds().await {
        let served = Served::start(&world, &plain()).await;
        let deep = format!(r#"{{"template": "plain", "context": {}{}}}"#, "[".repeat(200), "]".repeat(200));
        for (body, status, code, says) in [
            ("{\"template\": \n oops}", 400, "bad_json", "line 2"),
            (r#"{"template": "plain"#, 400, "bad_json", "line 1"),
            (r#"{"template": "plain", "template": "plain"}"#, 400, "bad_json", "twice"),
            (&*deep, 400, "too_deep", "deep"),
            ("[]", 422, "fields_invalid", "object"),
            ("3", 422, "fields_invalid", "object"),
            ("", 422, "fields_invalid", "`template` is missing"),
            (r#"{"template": 3}"#, 422, "fields_invalid", "template"),
            (r#"{"template": "plain", "priority": 99999}"#, 422, "fields_invalid", "priority"),
            (r#"{"template": "plain", "run_at": "soon"}"#, 422, "fields_invalid", "run_at"),
            (r#"{"template": "plain", "contxt": {}}"#, 422, "fields_invalid", "did you mean `context`?"),
            (r#"{"template": "plain", "idempotency_key": ""}"#, 422, "fields_invalid", "1 to 255"),
            (r#"{"template": "plain", "delay_ms": 9999999999999}"#, 422, "fields_invalid", "delay"),
            (r#"{"template": "nothing/here"}"#, 404, "no_such_template", "nothing/here"),
        ] {
            let answer = served.post("/v1/tasks", body).await;
            assert_eq!(answer.problem(), (status, code.to_owned()), "{}: {body}", world.database);
            assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{body}: {answer:?}");
        }
        let several = r#"{"prio": 1, "priority": "high", "delay_ms": -1, "run_at": "2026-01-01T00:00:00Z"}"#;
        let errors = served.post("/v1/tasks", several).await.json()["errors"].clone();
        let pointers: Vec<_> =
            errors.as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
        assert_eq!(pointers, [json!("/template"), json!("/priority"), json!("/delay_ms"), json!("/prio")]);
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn requests_that_go_nowhere_are_refused_in_the_same_form() {
    for world in worlds().await {
        let served = Served::start(&world, &plain()).await;
        let task = Uuid::now_v7();
        let long = format!("GET /v1/tasks?template={}", "x".repeat(9000));
        for (request, status, code) in [
            ("GET /nowhere", 404, "no_such_path"),
            ("GET /v1/task", 404, "no_such_path"),
            ("DELETE /v1/tasks", 405, "method_not_allowed"),
            ("PUT /v1/tasks", 405, "method_not_allowed"),
            ("GET /v1/tasks/batch", 405, "method_not_allowed"),
            ("GET /v1/tasks/17", 400, "bad_id"),
            (&*format!("GET /v1/tasks/{}", task.simple()), 400, "bad_id"),
            (&*format!("GET /v1/tasks/{task}"), 404, "no_such_task"),
            (&*format!("GET /v1/tasks/{task}/why"), 404, "no_such_task"),
            (&*format!("GET /v1/tasks/{task}/steps"), 404, "no_such_task"),
            (&*format!("GET /v1/tasks/{task}/audit"), 404, "no_such_task"),
            (&*format!("POST /v1/tasks/{task}/cancel"), 404, "no_such_task"),
            (&*format!("POST /v1/tasks/{task}/copy"), 404, "no_such_task"),
            (&*format!("POST /v1/tasks/{task}/explode"), 404, "no_such_path"),
            ("GET /v1/templates/test/plane", 404, "no_such_template"),
            ("GET /v1/schedules/none", 404, "no_such_schedule"),
            ("DELETE /v1/schedules/none", 404, "no_such_schedule"),
            ("POST /v1/schedules/none/trigger", 404, "no_such_schedule"),
            ("GET /v1/tasks?stat=error", 400, "bad_query"),
            ("GET /v1/tasks?state=eror", 400, "bad_query"),
            ("GET /v1/tasks?limit=0&limit=1", 400, "bad_query"),
            ("GET /v1/tasks?created_after=yesterday", 400, "bad_query"),
            ("GET /v1/tasks?cursor=nonsense", 400, "bad_cursor"),
            ("GET /v1/workers?x", 400, "bad_query"),
            (&*long, 414, "path_too_long"),
        ] {
            let answer = served.send(request, &[], "").await;
            let shown = &request[..request.len().min(80)];
            assert_eq!(answer.problem(), (status, code.to_owned()), "{}: {shown}", world.database);
        }
        let allowed = served.send("DELETE /v1/tasks", &[], "").await;
        let allowed = allowed.header("allow").unwrap().to_owned();
        assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
        let near = served.get("/v1/task").await.json();
        assert!(near["hint"].as_str().unwrap().contains("/v1/tasks"), "{near}");
        let near = served.get("/v1/tasks?stat=error").await.json();
        assert_eq!(near["errors"][0]["detail"], "there is no parameter `stat`; did you mean `state`?");
    }
}

#[tokio::test]
async fn pages_of_the_internet_do_not_get_here() {
    for world in worlds().await {
        let served = Served::start(&world, &plain()).await;
        let body = r#"{"template": "plain"}"#;
        for host in ["evil.example", "127.0.0.1.evil.example:8081", ""] {
            let answer = served.send("POST /v1/tasks", &[("host", host)], body).await;
            assert_eq!(answer.problem(), (403, "host_not_allowed".to_owned()), "{host}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
            let answer = served.send("POST /v1/tasks", &[("content-type", kind)], body).await;
            assert_eq!(answer.problem(), (415, "unsupported_media_type".to_owned()), "{kind}");
        }
        let preflight = served.send("OPTIONS /v1/tasks", &[("origin", "https://evil.example")], "").await;
        assert!(
            !preflight.headers.iter().any(|(name, _)| name.starts_with("access-control")),
            "{preflight:?}"
        );
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 0, "{}", world.database);
        let charset = [("content-type", "Application/JSON; charset=utf-8"), ("host", "localhost:1")];
        assert_eq!(served.send("POST /v1/tasks", &charset, body).await.status, 201);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_kept() {
    for world in worlds().await {
        let served = Served::start(&world, &plain()).await;
        let body = format!(r#"{{"template": "plain", "context": "{}"}}"#, "x".repeat(1 << 20));
        let answer = served.post("/v1/tasks", &body).await;
        assert_eq!(answer.problem(), (413, "body_too_large".to_owned()), "{}", world.database);
        // Without a length, in chunks.
        let head = format!(
            "POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: \
             chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        assert!(http::raw(served.address, head.as_bytes()).await.starts_with("HTTP/1.1 413"));
        let wide = "x".repeat(20_000);
        let answer = served.send("GET /v1/tasks", &[("x-wide", &wide)], "").await;
        assert_eq!(answer.problem(), (431, "headers_too_large".to_owned()), "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn bytes_that_are_not_http_end_their_connection_and_nothing_else() {
    for world in worlds().await {
        let served = Served::start(&world, &plain()).await;
        fastrand::seed(7);
        for _ in 0..200 {
            let mut bytes: Vec<u8> = (0..fastrand::usize(0..200)).map(|_| fastrand::u8(..)).collect();
            if fastrand::bool() {
                bytes.splice(0..0, b"POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\n".iter().copied());
            }
            bytes.extend(b"\r\n\r\n");
            let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            let mut answer = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.contains(" 500 "), "{bytes:?}: {answer}");
        }
        assert_eq!(served.get("/health/live").await.status, 200, "{}", world.database);
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 0, "{}", world.database);
    }
}

#[tokio::test]
async fn database_that_is_away_is_said_so_and_come_back_to() {
    let mut cluster = Cluster::start(false).unwrap();
    let world = World::on(fresh_on(cluster.url()).await);
    let tasker = world.builder(&[]).template(plain()).connect().await.unwrap();
    let served = Served::with(tasker, Duration::ZERO).await;
    assert_eq!(served.get("/v1/tasks").await.status, 200);
    cluster.crash().unwrap();
    let answer = served.get("/v1/tasks").await;
    assert_eq!(answer.problem(), (503, "store_unavailable".to_owned()));
    assert_eq!(answer.json()["retryable"], true);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{answer:?}");
    assert!(!answer.body.contains("127.0.0.1") && !answer.body.contains("sql"), "{answer:?}");
    assert_eq!(served.get("/health/live").await.status, 200);
    let shed = served.get("/metrics").await.body;
    assert!(shed.contains(r#"tasker_http_shed_total{reason="store_unavailable"} 1"#), "{shed}");
    cluster.restart().unwrap();
    let back = || async { Some(served.get("/v1/tasks").await).filter(|answer| answer.status == 200) };
    support::world::eventually("the service to be back", back).await;
}
