//! A client that speaks HTTP byte by byte, so that it can also speak it wrongly.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    fn read(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Self { status, headers: lines.filter_map(header).collect(), body: body.to_owned() })
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and code of a problem document, which has all that one must have.
    #[must_use]
    pub fn problem(&self) -> (u16, String) {
        let document = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(document["status"], self.status, "{self:?}");
        assert_eq!(document["instance"].as_str(), self.header("x-request-id"), "{self:?}");
        for member in ["type", "title", "detail", "code"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        (self.status, document["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Sends a request, with a body of JSON unless it is empty, and reads the answer.
pub async fn send(address: SocketAddr, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let answer = try_send(address, request, headers, body).await;
    answer.unwrap_or_else(|| panic!("{request}: there is no answer"))
}

/// As [`send`]; `None` when there is no whole answer, as from a server that was killed.
pub async fn try_send(
    address: SocketAddr,
    request: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut text = format!("{request} HTTP/1.1\r\nconnection: close\r\n");
    let is_given = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if !is_given("host") {
        text.push_str(&format!("host: {address}\r\n"));
    }
    if !is_given("content-type") && !request.starts_with("GET") {
        text.push_str("content-type: application/json\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let answer = exchange(address, &[text.as_bytes(), b"\r\n", body.as_bytes()].concat()).await.ok()?;
    let answer = Answer::read(&answer)?;
    let whole = answer.header("content-length").is_none_or(|length| length == answer.body.len().to_string());
    let bodiless = answer.status == 304 || request.starts_with("HEAD");
    (whole || bodiless).then_some(answer)
}

/// Sends bytes, and reads until the server closes the connection.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    exchange(address, bytes).await.expect("a server that listens")
}

async fn exchange(address: SocketAddr, bytes: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    // A server that has read enough may close before all is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
