//! What each answer means.

use std::time::Duration;

use serde_json::{Value, json};
use tasker_runtime::handler::http::{Api, status_of};

use super::{
    api, client,
    server::{Reply, Server, gzipped},
};

#[tokio::test]
async fn status_decides_whether_another_attempt_makes_sense() {
    for (status, code, retryable) in [
        (400, "HTTP_CLIENT_ERROR", false),
        (401, "HTTP_UNAUTHORIZED", false),
        (403, "HTTP_UNAUTHORIZED", false),
        (404, "HTTP_NOT_FOUND", false),
        (408, "HTTP_CLIENT_ERROR", true),
        (409, "HTTP_CLIENT_ERROR", false),
        (425, "HTTP_CLIENT_ERROR", true),
        (422, "HTTP_CLIENT_ERROR", false),
        (429, "HTTP_RATE_LIMITED", true),
        (500, "HTTP_SERVER_ERROR", true),
        (502, "HTTP_SERVER_ERROR", true),
        (503, "HTTP_SERVER_ERROR", true),
    ] {
        let server = Server::start(move |_, _| Reply::status(status)).await;
        let error = api(&server).get::<Value>("/a").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{status}");
        assert_eq!(error.retry_after(), None);
        assert_eq!(status_of(&error), Some(status));
    }
}

#[tokio::test]
async fn failure_says_what_was_asked_for_without_the_query() {
    let server = Server::start(|_, _| Reply::status(422).body(r#"{"reason":"no money"}"#)).await;
    let error = api(&server).post::<Value>("/charges?key=k1", &1).query("token", "t1").await.unwrap_err();
    let url = format!("{}/charges", server.url());
    let context = json!({ "method": "POST", "url": url, "status": 422, "body": { "reason": "no money" } });
    assert_eq!(error.context(), Some(&context));
    assert!(error.message().starts_with(&format!("POST {url}: status 422: ")), "{error}");
}

#[tokio::test]
async fn retry_after_is_the_delay_as_seconds_and_as_a_date() {
    for (status, value, delay) in [
        (429, "7", Some(7)),
        (503, "120", Some(120)),
        (429, "Wed, 21 Oct 2026 07:29:30 GMT", Some(90)),
        (503, "Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
        (503, "soon", None),
        (404, "7", Some(7)),
        (409, "Wed, 21 Oct 2026 07:29:30 GMT", Some(90)),
        (401, "0", Some(0)),
        (425, "1", Some(1)),
        (404, "soon", None),
        (304, "7", None),
    ] {
        let server = Server::start(move |_, _| {
            let date = "Wed, 21 Oct 2026 07:28:00 GMT";
            Reply::status(status).header("Date", date).header("Retry-After", value)
        })
        .await;
        let error = api(&server).get::<Value>("/a").await.unwrap_err();
        assert_eq!(error.retry_after(), delay.map(Duration::from_secs), "{status} {value}");
        assert_eq!(error.is_retryable(), delay.is_some() || status == 503, "{status} {value}");
        assert_eq!(status_of(&error), Some(status));
    }
}

#[tokio::test]
async fn server_that_does_not_answer_in_time_is_worth_another_attempt() {
    let server = Server::start(|_, _| Reply::Silence).await;
    let slow = api(&server).get::<Value>("/a").timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((slow.code(), slow.is_retryable()), ("HTTP_TIMEOUT", true));
    assert!(slow.message().contains("no whole answer within 100ms"), "{slow}");
    // The time counts for the body as well.
    let server = Server::start(|_, _| Reply::Endless).await;
    let api = Api::for_test_with(client("max_response_bytes = 1000000000"), &server.url()).unwrap();
    let slow = api.get::<Value>("/a").timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((slow.code(), slow.is_retryable()), ("HTTP_TIMEOUT", true));
}

#[tokio::test]
async fn status_counts_though_its_body_does_not_come() {
    for (answer, code, delay) in [
        ("HTTP/1.1 404 No\r\ncontent-length: 9\r\n\r\nnot", "HTTP_NOT_FOUND", None),
        ("HTTP/1.1 503 No\r\ncontent-length: 9\r\nretry-after: 7\r\n\r\n", "HTTP_SERVER_ERROR", Some(7)),
    ] {
        let server = Server::start(move |_, _| Reply::Stuck(answer)).await;
        let error = api(&server).get::<Value>("/a").await.unwrap_err();
        assert_eq!((error.code(), error.retry_after()), (code, delay.map(Duration::from_secs)), "{error}");
        assert!(status_of(&error).is_some(), "{error}");
    }
}

#[tokio::test]
async fn long_text_of_another_shape_is_not_kept_whole() {
    let server = Server::start(|_, _| Reply::json(&json!("ä".repeat(100_000)))).await;
    let error = api(&server).get::<u64>("/a").await.unwrap_err();
    assert_eq!(error.code(), "HTTP_UNEXPECTED_BODY");
    assert!(error.message().len() < 3_000, "{} bytes", error.message().len());
}

#[tokio::test]
async fn connection_that_breaks_is_worth_another_attempt() {
    for bytes in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ntrue\r\n",
    ] {
        let server = Server::start(move |_, _| Reply::Cut(bytes)).await;
        let error = api(&server).post::<Value>("/a", &1).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_BROKEN", true), "{bytes}: {error}");
        assert!(error.message().contains("broke"), "{error}");
        // Whether to send it again is the engine's to say.
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn malformed_head_is_said_to_be_that() {
    for bytes in [
        "this is no HTTP at all\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 20x OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: seven\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12",
        "HTTP/9.9 200 OK\r\n\r\n",
        "\u{15}\u{3}\u{1}\0\u{2}\u{2}F",
    ] {
        let server = Server::start(move |_, _| Reply::Stuck(bytes)).await;
        let error = api(&server).post::<Value>("/a", &1).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_BROKEN", true), "{bytes:?}: {error}");
        assert!(error.message().contains("the head of the answer is not valid HTTP"), "{bytes:?}: {error}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn head_without_an_end_is_not_gathered_in_memory() {
    let head: &'static str =
        Box::leak(format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(8 << 20)).into_boxed_str());
    let many = "HTTP/1.1 200 OK\r\n".to_owned() + &"a: 1\r\n".repeat(10_000) + "\r\n";
    let many: &'static str = Box::leak(many.into_boxed_str());
    for bytes in [head, many] {
        let server = Server::start(move |_, _| Reply::Stuck(bytes)).await;
        let error = api(&server).get::<Value>("/a").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_BROKEN", true), "{error}");
        assert!(error.message().contains("the head of the answer is not valid HTTP"), "{error}");
    }
}

#[tokio::test]
async fn server_that_is_not_there_is_worth_another_attempt() {
    // Taken, so that no other test gets it, and not listened at.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let api = Api::for_test(&format!("http://127.0.0.1:{port}")).unwrap();
    let error = api.get::<Value>("/a").await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("HTTP_UNREACHABLE", true), "{error}");

    let nowhere = Api::for_test("https://no-such-host.invalid").unwrap();
    let error = nowhere.get::<Value>("/a").await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("HTTP_UNREACHABLE", true), "{error}");
}

#[tokio::test]
async fn server_without_tls_is_not_talked_to_in_the_open() {
    let server = Server::start(|_, _| Reply::json(&json!(1))).await;
    let api = Api::for_test(&format!("https://127.0.0.1:{}", server.port)).unwrap();
    let error = api.get::<Value>("/a").timeout(Duration::from_secs(2)).await.unwrap_err();
    assert!(error.is_retryable() && error.code() != "HTTP_NOT_JSON", "{error}");
    assert!(server.seen().iter().all(|seen| !seen.target.contains("/a")));
}

#[tokio::test]
async fn body_that_is_no_json_is_told_from_json_of_another_shape() {
    for (body, code, retryable) in [
        ("<html>busy</html>", "HTTP_NOT_JSON", true),
        ("{\"cents\":", "HTTP_NOT_JSON", true),
        ("1 2", "HTTP_NOT_JSON", true),
        ("\u{1}\u{2}", "HTTP_NOT_JSON", true),
        ("\"seven\"", "HTTP_UNEXPECTED_BODY", false),
        ("", "HTTP_UNEXPECTED_BODY", false),
    ] {
        let server = Server::start(move |_, _| Reply::status(200).body(body)).await;
        let error = api(&server).get::<u64>("/a").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{body}");
        assert_eq!(status_of(&error), Some(200));
    }
    let server = Server::start(|_, _| Reply::status(204)).await;
    assert_eq!(api(&server).get::<Option<u64>>("/a").await.unwrap(), None);
    let marked = Server::start(|_, _| Reply::status(200).body("\u{feff}7")).await;
    assert_eq!(api(&marked).get::<u64>("/a").await.unwrap(), 7);
}

#[tokio::test]
async fn what_is_no_json_says_its_content_type_and_shows_its_start() {
    let page = format!("<html>\n<title>Log\u{1b}[2J\u{202e}in</title>{}", "x".repeat(5_000));
    for (reply, says) in [
        (
            Reply::status(200).header("Content-Type", "text/html; charset=utf-8").body(page),
            "content type `text/html; charset=utf-8`): expected value at line 1 column 1; it starts with: \
             <html>\\n<title>Log\\u{1b}[2J\\u{202e}in</title>xxx",
        ),
        (
            Reply::status(200).body("{\"cents\":"),
            "(no content type): EOF while parsing a value at line 1 column 9; it starts with: {\"cents\":",
        ),
        (Reply::status(200).header("Content-Type", b"a\xff").body("<"), "content type `a\u{fffd}`"),
        (
            Reply::status(200)
                .header("Content-Type", "application/json")
                .header("Content-Encoding", "br")
                .body("\u{b}"),
            "content type `application/json`, encoded as `br`, which was not asked for",
        ),
    ] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let error = api(&server).get::<u64>("/a").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_NOT_JSON", true));
        assert!(error.message().contains(says), "{error}");
        assert!(error.message().len() < 600 && !error.message().contains(char::is_control), "{error}");
    }
}

#[tokio::test]
async fn start_of_what_is_no_json_hides_secrets_that_the_server_repeats() {
    for fill in [0, 190, 198] {
        let server = Server::start(move |seen, _| {
            Reply::status(200).body(format!("{}{}", "x".repeat(fill), seen.header("authorization")))
        })
        .await;
        let error =
            api(&server).get::<u64>("/a").header("Authorization", "Bearer hunter2").await.unwrap_err();
        assert_eq!(error.code(), "HTTP_NOT_JSON");
        assert!(!error.message().contains("Bear") && !error.message().contains("hunt"), "{error}");
    }
}

#[tokio::test]
async fn gzip_is_asked_for_and_understood() {
    let server = Server::start(|seen, before| match before {
        0 => Reply::json(&json!(seen.header("accept-encoding"))).gzip(),
        1 => Reply::status(422).body(r#"{"reason":"no money"}"#).gzip(),
        2 => Reply::status(302).header("Location", "/b").body("moved").gzip(),
        3 => Reply::json(&json!("b")).gzip(),
        4 => Reply::status(204).header("Content-Encoding", "gzip"),
        5 => Reply::status(200).header("Content-Encoding", "gzip"),
        _ => Reply::json(&json!("plain")),
    })
    .await;
    let api = api(&server);
    assert_eq!(api.get::<String>("/a").await.unwrap(), "gzip");
    let error = api.get::<Value>("/a").await.unwrap_err();
    assert_eq!(error.context().unwrap()["body"]["reason"], "no money");
    assert_eq!(api.get::<String>("/a").await.unwrap(), "b");
    assert_eq!(api.get::<Option<u8>>("/a").await.unwrap(), None, "no body is no body");
    assert_eq!(api.get::<Option<u8>>("/a").await.unwrap(), None, "an empty body is none");
    assert_eq!(api.get::<String>("/a").await.unwrap(), "plain");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn gzip_that_unpacks_past_the_limit_is_refused() {
    // A hundred megabytes in a hundred kilobytes.
    let bomb = gzipped(&vec![b'0'; 100 << 20]);
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    for status in [200, 500, 302] {
        let bomb = bomb.clone();
        let server = Server::start(move |seen, _| match seen.target.as_str() {
            "/end" => Reply::json(&json!("end")),
            _ => Reply::status(status)
                .header("Content-Encoding", "gzip")
                .header("Location", "/end")
                .body(bomb.clone()),
        })
        .await;
        let answer = api(&server).get::<String>("/a").await;
        match status {
            302 => assert_eq!(answer.unwrap(), "end"),
            200 => assert_eq!(answer.unwrap_err().code(), "HTTP_TOO_LARGE"),
            _ => assert_eq!(answer.unwrap_err().context().unwrap()["body"].as_str().unwrap().len(), 2_000),
        }
    }
    let fits = Server::start(|_, _| Reply::json(&json!("x".repeat(998))).gzip()).await;
    let api = Api::for_test_with(client("max_response_bytes = 1000"), &fits.url()).unwrap();
    assert_eq!(api.get::<String>("/a").await.unwrap().len(), 998, "exactly the limit");
    let above = Server::start(|_, _| Reply::json(&json!("x".repeat(999))).gzip()).await;
    let api = Api::for_test_with(client("max_response_bytes = 1000"), &above.url()).unwrap();
    assert_eq!(api.get::<String>("/a").await.unwrap_err().code(), "HTTP_TOO_LARGE");
}

#[tokio::test]
async fn gzip_that_never_unpacks_to_anything_ends_with_the_time() {
    // A member with a name that has no end, and blocks of nothing one after the other.
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let mut named = header;
    named[3] = 8;
    for (head, piece) in [(named, b"name".to_vec()), (header, vec![0, 0, 0, 0xff, 0xff])] {
        let server = Server::start(move |_, _| Reply::Pouring(head.to_vec(), piece.repeat(800))).await;
        let api = Api::for_test(&server.url()).unwrap();
        let error = api.get::<Value>("/a").timeout(Duration::from_millis(300)).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_TIMEOUT", true), "{error}");
        assert!(server.poured() > 10_000, "{}", server.poured());
    }
}

#[tokio::test]
async fn endless_head_of_preliminary_answers_ends_with_the_time() {
    let server = Server::start(|_, _| Reply::Preliminary).await;
    let error = api(&server).get::<Value>("/a").timeout(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("HTTP_TIMEOUT", true), "{error}");
}

#[tokio::test]
async fn gzip_that_is_broken_is_worth_another_attempt() {
    let whole = gzipped(b"[1, 2, 3]");
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for body in [b"[1, 2, 3]".to_vec(), whole[..whole.len() / 2].to_vec(), flipped] {
        let server = Server::start(move |_, _| {
            Reply::status(200).header("Content-Encoding", "gzip").body(body.clone())
        })
        .await;
        let error = api(&server).get::<Value>("/a").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_BROKEN", true), "{error}");
        assert!(error.message().contains("is not what its `Content-Encoding` says"), "{error}");
    }
}

#[tokio::test]
async fn answer_past_the_limit_is_not_read() {
    let limited =
        |server: &Server| Api::for_test_with(client("max_response_bytes = 1000"), &server.url()).unwrap();
    let server = Server::start(|_, _| Reply::json(&json!("x".repeat(998)))).await;
    assert!(limited(&server).get::<String>("/a").await.is_ok(), "exactly the limit");

    // One says how much it is, the other goes on for ever.
    let announced = Server::start(|_, _| Reply::json(&json!("x".repeat(999)))).await;
    let endless = Server::start(|_, _| Reply::Endless).await;
    for server in [&announced, &endless] {
        let error = limited(server).get::<String>("/a").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_TOO_LARGE", false));
        assert!(error.message().contains("more than 1000 bytes"), "{error}");
    }
}

#[tokio::test]
async fn endless_answer_is_not_gathered_in_memory() {
    let server = Server::start(|_, _| Reply::Endless).await;
    let error = api(&server).get::<Value>("/a").await.unwrap_err();
    assert_eq!(error.code(), "HTTP_TOO_LARGE");
    // The limit of 8 MiB, and what the buffers of two sockets hold.
    assert!(server.poured() >= 8 << 20 && server.poured() < 24 << 20, "{}", server.poured());
}

#[tokio::test]
async fn only_the_beginning_of_a_long_failure_is_kept() {
    let server = Server::start(|_, _| Reply::status(500).body("y".repeat(100_000))).await;
    let error = api(&server).get::<Value>("/a").await.unwrap_err();
    assert_eq!(error.context().unwrap()["body"].as_str().unwrap().len(), 2_000);
}
