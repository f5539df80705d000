//! Where redirects may lead.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    api,
    server::{Reply, Server},
};

#[tokio::test]
async fn redirect_on_the_same_server_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |seen, _| match seen.target.as_str() {
            "/old" => Reply::status(status).header("Location", "/new?x=1").body("moved"),
            _ => Reply::json(&json!(seen.target)),
        })
        .await;
        assert_eq!(api(&server).get::<String>("/old").await.unwrap(), "/new?x=1", "{status}");
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn body_goes_along_where_the_status_says_so_and_is_dropped_after_303() {
    for (status, method, body, key) in
        [(307, "POST", "7", "test:step"), (308, "POST", "7", "test:step"), (303, "GET", "", "")]
    {
        let server = Server::start(move |seen, _| match seen.target.as_str() {
            "/old" => Reply::status(status).header("Location", "/new"),
            _ => Reply::json(&json!(1)),
        })
        .await;
        let _: u8 = api(&server).post("/old", &7).await.unwrap();
        let last = server.seen().pop().unwrap();
        assert_eq!((last.method.as_str(), last.body.as_str()), (method, body), "{status}");
        assert_eq!(last.header("idempotency-key"), key);
        assert_eq!(last.header("content-type").is_empty(), body.is_empty());
    }
}

#[tokio::test]
async fn post_does_not_become_a_get_in_silence() {
    for status in [301, 302] {
        let server = Server::start(move |_, _| Reply::status(status).header("Location", "/new")).await;
        let error = api(&server).post::<Value>("/old", &7).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_REDIRECT", false));
        assert!(error.message().contains("a POST is not repeated elsewhere"), "{error}");
        assert_eq!(server.only().target, "/old");
    }
}

#[tokio::test]
async fn redirect_to_another_host_is_refused_and_nothing_is_sent_there() {
    let elsewhere = Server::start(|_, _| Reply::json(&json!(1))).await;
    let port = elsewhere.port;
    for target in [
        format!("http://localhost:{port}/secret-path"),
        format!("//localhost:{port}/secret-path"),
        format!("http://127.0.0.1:{port}/secret-path"),
        format!("\\\\127.0.0.1:{port}\\secret-path"),
        format!("/\\127.0.0.1:{port}/secret-path"),
        format!("https://127.0.0.1:{port}/secret-path"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let location = target.clone();
        let server = Server::start(move |_, _| Reply::status(307).header("Location", location.clone())).await;
        let error = api(&server).post::<Value>("/a", &7).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_REDIRECT", false), "{target}");
        assert!(!error.to_string().contains("secret-path"), "{error}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn circle_of_redirects_ends() {
    let server = Server::start(|_, _| Reply::status(302).header("Location", "/a")).await;
    let error = api(&server).get::<Value>("/a").await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("HTTP_REDIRECT", false));
    assert!(error.message().contains("more than 5 redirects"), "{error}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn redirect_that_leads_nowhere_is_a_failure_with_a_status() {
    let server = Server::start(|_, _| Reply::status(302)).await;
    let error = api(&server).get::<Value>("/a").await.unwrap_err();
    assert_eq!(error.code(), "HTTP_REDIRECT");
    assert!(error.message().contains("not where to"), "{error}");
}

#[tokio::test]
async fn status_that_is_no_redirect_does_not_advise_to_move_the_base_url() {
    for (status, says) in [
        (300, "the server offers several answers"),
        (304, "nothing has changed since"),
        (305, "no client follows a redirect of this kind"),
        (399, "no client follows a redirect of this kind"),
    ] {
        let server = Server::start(move |_, _| Reply::status(status).header("Location", "/new")).await;
        let error = api(&server).get::<Value>("/a").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_REDIRECT", false), "{status}");
        assert!(error.message().contains(says), "{error}");
        assert!(!error.message().contains("set the base URL"), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn redirect_is_followed_though_its_body_does_not_come() {
    for head in [
        "HTTP/1.1 302 Found\r\nlocation: /new\r\ncontent-length: 9\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: /new\r\ncontent-length: 9\r\n\r\nmov",
        "HTTP/1.1 307 Found\r\nlocation: /new\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 308 Found\r\nlocation: /new\r\n\r\n",
        "HTTP/1.1 303 Found\r\nlocation: /new\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\n",
    ] {
        let server = Server::start(move |seen, _| match seen.target.as_str() {
            "/old" => Reply::Stuck(head),
            _ => Reply::json(&json!(seen.target)),
        })
        .await;
        let begun = Instant::now();
        assert_eq!(api(&server).get::<String>("/old").await.unwrap(), "/new", "{head}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?} for {head}", begun.elapsed());
    }
}

#[tokio::test]
async fn redirect_may_be_written_in_raw_utf_8() {
    for (location, target) in [
        ("/caf\u{e9}/\u{65e5}\u{672c}?q=\u{fc}".as_bytes(), "/caf%C3%A9/%E6%97%A5%E6%9C%AC?q=%C3%BC"),
        (b"/caf\xe9", "/caf%E9"),
    ] {
        let server = Server::start(move |seen, _| match seen.target.as_str() {
            "/old" => Reply::status(302).header("Location", location),
            _ => Reply::json(&json!(seen.target)),
        })
        .await;
        assert_eq!(api(&server).get::<String>("/old").await.unwrap(), target);
    }
}

#[tokio::test]
async fn credentials_do_not_go_to_another_port() {
    let elsewhere = Server::start(|_, _| Reply::json(&json!(1))).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/a", elsewhere.url());
        let server =
            Server::start(move |_, _| Reply::status(status).header("Location", location.clone())).await;
        let error =
            api(&server).get::<Value>("/a").header("Authorization", "Bearer hunter2").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_REDIRECT", false), "{status}");
        assert!(error.message().contains(&format!("it leads to {}", elsewhere.url())), "{error}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn redirect_that_is_refused_does_not_show_a_secret_that_the_server_repeats() {
    let server = Server::start(|seen, _| {
        let key = seen.header("x-api-key").to_owned();
        Reply::status(302).header("Location", format!("http://{key}.elsewhere.test/"))
    })
    .await;
    let error = api(&server).get::<Value>("/a").header("X-Api-Key", "hunter2").await.unwrap_err();
    assert!(error.message().contains("it leads to http://***.elsewhere.test"), "{error}");
}

#[tokio::test]
async fn redirect_does_not_change_who_asks() {
    let server = Server::start(|seen, _| match seen.target.as_str() {
        "/old" => Reply::status(307).header("Location", format!("http://me:pw@{}/new", seen.header("host"))),
        _ => Reply::json(&json!(1)),
    })
    .await;
    let error = api(&server).get::<Value>("/old").await.unwrap_err();
    assert_eq!(error.code(), "HTTP_REDIRECT");
    assert!(!error.to_string().contains("pw"), "{error}");
    assert_eq!(server.only().target, "/old");
}
