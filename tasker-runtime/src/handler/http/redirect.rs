//! Where a redirect may lead: to another path of the same server.
//!
//! Another scheme, host or port is another place, where the credentials and the data of a request have no
//! business. Such a redirect is a failure that says where it leads.

use reqwest::{
    Method, StatusCode, Url,
    header::{HeaderMap, LOCATION},
};

use super::path;

/// How many redirects of one request are followed.
pub(super) const MAX: usize = 5;

/// Whether an answer with this status sends the request elsewhere.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where an answer leads that was given to `method` at `from`.
///
/// # Errors
/// Why the request does not go there.
pub(super) fn target(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    from: &Url,
) -> Result<Url, String> {
    let nowhere = "the server says to go elsewhere, but not where to";
    let location = headers.get(LOCATION).ok_or_else(|| format!("{nowhere}: it sends no `Location`"))?;
    let mut to = from
        .join(&escaped(location.as_bytes()))
        .map_err(|error| format!("{nowhere}: its `Location` is not a valid URL: {error}"))?;
    to.set_fragment(None);
    if !matches!(to.scheme(), "http" | "https") {
        return Err(format!("it leads to a `{}:` URL, which is not followed", to.scheme()));
    }
    if !path::same_server(from, &to) {
        let origin = to.origin().ascii_serialization();
        return Err(format!(
            "it leads to {origin}, and credentials and data are not sent on to another server; if the API is \
             there now, make it the base URL"
        ));
    }
    if matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) && *method != Method::GET {
        return Err(format!(
            "a {method} is not repeated elsewhere after this status; set the base URL or the path to where the \
             API is now"
        ));
    }
    Ok(to)
}

/// A `Location` as ASCII. Servers that put raw UTF-8 there, or bytes of an older encoding, mean these very
/// bytes.
fn escaped(location: &[u8]) -> String {
    let mut out = String::with_capacity(location.len());
    for &byte in location {
        if byte.is_ascii() { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn target_of(status: u16, method: Method, location: &[u8]) -> Result<String, String> {
        target_from("https://x.test/v1/a?secret=1", status, method, location)
    }

    fn target_from(from: &str, status: u16, method: Method, location: &[u8]) -> Result<String, String> {
        let from = Url::parse(from).unwrap();
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_bytes(location).unwrap())]);
        let status = StatusCode::from_u16(status).unwrap();
        target(&method, status, &headers, &from).map(Into::into)
    }

    #[test]
    fn another_path_of_the_same_server_is_followed() {
        for (location, url) in [
            ("/new", "https://x.test/new"),
            ("new?y=2#top", "https://x.test/v1/new?y=2"),
            ("https://x.test:443/new", "https://x.test/new"),
            ("//X.TEST/new", "https://x.test/new"),
            ("/caf\u{e9}/\u{65e5}", "https://x.test/caf%C3%A9/%E6%97%A5"),
            ("", "https://x.test/v1/a?secret=1"),
        ] {
            assert_eq!(target_of(307, Method::POST, location.as_bytes()).as_deref(), Ok(url), "{location}");
        }
        assert_eq!(target_of(302, Method::GET, b"/caf\xe9").unwrap(), "https://x.test/caf%E9");
    }

    #[test]
    fn another_scheme_host_or_port_is_another_place() {
        for location in [
            "http://x.test/new",
            "https://x.test:8443/new",
            "https://y.test/new",
            "https://x.test.y.test/",
            "https://x.test@y.test/",
            "//y.test/new",
            "\\\\y.test\\new",
            "/\\y.test/new",
            "/\t/y.test/new",
            "https:y.test/",
            "https://me:pw@x.test/new",
            "https://me@x.test/new",
            "https://x.test./new",
            "https://127.0.0.1/",
            "https://\u{ff59}.test/",
        ] {
            // Without slashes it is a path of the same server, as browsers read it.
            let relative = location == "https:y.test/";
            let refused = target_of(307, Method::GET, location.as_bytes()).is_err();
            assert_eq!(refused, !relative, "{location}");
        }
        for location in
            ["https://x.test/", "https://x.test:80/", "https://x.test:8443/", "http://x.test:443/"]
        {
            let why = target_from("http://x.test/a", 308, Method::GET, location.as_bytes()).unwrap_err();
            assert!(why.contains("are not sent on to another server"), "{location}: {why}");
        }
        for location in ["file:///etc/passwd", "javascript:alert(1)", "data:text/plain,a"] {
            let why = target_of(302, Method::GET, location.as_bytes()).unwrap_err();
            assert!(why.contains("which is not followed"), "{why}");
        }
        assert!(target_of(302, Method::GET, b"https://[").unwrap_err().contains("not a valid URL"));
    }
}
