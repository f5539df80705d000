//! Which addresses may be called.

use serde_json::Value;
use tasker_runtime::handler::http::{Api, ApiClient};

use super::{
    client,
    server::{Reply, Server},
};

#[tokio::test]
async fn written_private_address_is_refused_before_anything_is_sent() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    let port = server.port;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[2001:0:808:808:8000:63bf:80ff:fffe]",
        "[::127.0.0.1]",
        "[fec0::1]",
        "[5f00::1]",
        "192.88.99.1",
        "168.63.129.16",
    ] {
        let error = Api::for_test_with(ApiClient::default(), &format!("http://{host}:{port}")).unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("HTTP_ADDRESS_REFUSED", false), "{host}");
        assert!(error.message().contains("`allowed_networks` of `[api]`"), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn name_of_a_private_address_is_refused_before_anything_is_sent() {
    let server = Server::start(|_, _| Reply::status(204)).await;
    let url = format!("http://localhost:{}", server.port);
    let closed = Api::for_test_with(ApiClient::default(), &url).unwrap();
    let error = closed.post::<Value>("/a", &1).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("HTTP_ADDRESS_REFUSED", false), "{error}");
    assert!(error.message().starts_with("`localhost` must not be called: "), "{error}");
    assert_eq!(error.context().unwrap()["method"], "POST");
    assert_eq!(server.connections(), 0);

    let open = Api::for_test_with(client(""), &url).unwrap();
    let () = open.get("/a").await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn allowed_network_opens_nothing_but_itself() {
    let client = ApiClient::default().allow("127.0.0.1").unwrap();
    assert!(Api::for_test_with(client.clone(), "http://127.0.0.1:1").is_ok());
    for host in ["127.0.0.2", "10.0.0.1", "169.254.169.254"] {
        assert!(Api::for_test_with(client.clone(), &format!("http://{host}:1")).is_err(), "{host}");
    }
    assert!(client.allow("the office").unwrap_err().to_string().contains("`the office` is not a network"));
}

#[tokio::test]
async fn document_is_fetched_by_the_rules_of_all_calls() {
    let server = Server::start(|seen, _| match &*seen.target {
        "/keys" => Reply::status(200).body("text"),
        "/moved" => Reply::status(302).header("location", "/keys"),
        "/long" => Reply::status(200).body("x".repeat(1001)),
        "/bytes" => Reply::status(200).body(vec![0xff]),
        _ => Reply::status(404),
    })
    .await;
    let at = |path: &str| format!("{}{path}", server.url());
    assert_eq!(client("").fetch(&at("/keys"), 1000).await.unwrap(), "text");
    for (path, code) in [
        ("/moved", "HTTP_SERVER_ERROR"),
        ("/nothing", "HTTP_SERVER_ERROR"),
        ("/long", "HTTP_TOO_LARGE"),
        ("/bytes", "HTTP_UNEXPECTED_BODY"),
    ] {
        assert_eq!(client("").fetch(&at(path), 1000).await.unwrap_err().code(), code, "{path}");
    }
    let before = server.connections();
    let refused = ApiClient::default().fetch(&at("/keys"), 1000).await.unwrap_err();
    assert_eq!(refused.code(), "HTTP_ADDRESS_REFUSED", "{refused}");
    let name = format!("http://localhost:{}/keys", server.port);
    assert!(ApiClient::default().fetch(&name, 1000).await.is_err(), "a name does not help");
    assert_eq!(server.connections(), before);
}
