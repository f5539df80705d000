//! Headers of HTTP that handlers do not write as they like: what is refused while a program is compiled is refused
//! while it runs.

/// Headers that carry secrets and nothing else, in lower case.
pub const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-api-key"];

/// Headers that belong to the connection or to the step, in lower case: they are set for each request.
const RESERVED: [&str; 13] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "proxy-connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "http2-settings",
    "idempotency-key",
    "traceparent",
];

/// Why nobody may give a header of this name, however it is capitalized; `None` where anybody may.
#[must_use]
pub fn reserved(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    match RESERVED.contains(&&*name) {
        true if name == "idempotency-key" => Some(
            "is set for each request and cannot be given; `.part(…)` tells the requests of one step apart",
        ),
        true => Some("is set for each request and cannot be given"),
        false => None,
    }
}
