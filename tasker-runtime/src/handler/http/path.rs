//! From a path to the URL below the base, if it arrives there as it was meant.
//!
//! Paths are made of values from outside, and the parser of URLs mends what it is given: it drops tabs and
//! line breaks, takes `\` for `/`, and follows `..` in all its spellings. So what is judged is the URL that
//! came out. A request that would go elsewhere than its handler says is not sent at all.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use reqwest::Url;

/// What stands for itself in a segment: the unreserved characters of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How often the escapes of a segment are resolved. Nobody means more of them.
const MAX_DECODINGS: usize = 4;

/// Why a path is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathError {
    #[error("this one starts with something else")]
    Start,
    #[error("this one has a control character, such as a tab or a line break")]
    Control,
    #[error(
        "this one has a `\\`, which is read as `/`: escape it as `%5C`, or add the value with `.segment(…)`"
    )]
    Backslash,
    #[error("this one has a `.` or `..` in it, written out or escaped")]
    Dots,
    #[error("this one would become another URL than it says")]
    Changed,
    #[error(
        "this one has a control character, such as a tab or a line break, in its query: add the value with `.query(…)`"
    )]
    Query,
}

/// The URL of `path`, with the query after its `?`, below `base`.
pub(super) fn below(base: &Url, path: &str) -> Result<Url, PathError> {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query).filter(|query| !query.is_empty())),
        None => (path, None),
    };
    if !path.is_empty() && !path.starts_with('/') {
        return Err(PathError::Start);
    }
    let mut url = base.clone();
    if !path.is_empty() {
        url.set_path(&format!("{}{path}", prefix(base)));
    }
    url.set_query(query);

    if !same_server(base, &url) || url.fragment().is_some() || !arrived(base, &url, path) {
        return Err(reason(path));
    }
    if path.split('/').any(climbs) {
        return Err(PathError::Dots);
    }
    if !same_bytes(query.unwrap_or_default(), url.query().unwrap_or_default()) {
        return Err(PathError::Query);
    }
    Ok(url)
}

/// A value as one segment of a path: whatever would end the segment is escaped.
pub(super) fn segment(value: &str) -> String {
    utf8_percent_encode(value, &RESERVED).to_string()
}

/// Whether two URLs lead to the same server, as the same user.
pub(super) fn same_server(one: &Url, other: &Url) -> bool {
    let parts = |url: &Url| (url.username().to_owned(), url.password().map(str::to_owned));
    one.origin() == other.origin() && parts(one) == parts(other)
}

/// Whether a segment may be read as `.` or `..` by anything between here and the handler of the server:
/// escaped once or twice, behind an escaped slash, with a parameter (`..;x`) or characters that get lost.
pub(super) fn climbs(segment: &str) -> bool {
    let mut bytes = segment.as_bytes().to_vec();
    for _ in 0..MAX_DECODINGS {
        let decoded: Vec<u8> = percent_decode(&bytes).collect();
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(|piece| {
        let name = piece.split(|byte| *byte == b';').next().unwrap_or_default();
        let kept = |byte: &&u8| !byte.is_ascii_control() && **byte != b' ';
        let name: Vec<u8> = name.iter().filter(kept).copied().collect();
        matches!(name.as_slice(), b"." | b"..")
    })
}

/// What stands before each path.
fn prefix(base: &Url) -> &str {
    base.path().trim_end_matches('/')
}

/// Whether the URL has the segments of the base and after them those of `path`, each as it was given.
fn arrived(base: &Url, url: &Url, path: &str) -> bool {
    if path.is_empty() {
        return url.path() == base.path();
    }
    let Some(came) = url.path().strip_prefix(prefix(base)) else { return false };
    let (mut came, mut given) = (came.split('/'), path.split('/'));
    loop {
        match (came.next(), given.next()) {
            (Some(came), Some(given)) if same_bytes(came, given) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Whether two texts are the same but for what is escaped in them.
fn same_bytes(one: &str, other: &str) -> bool {
    percent_decode(one.as_bytes()).eq(percent_decode(other.as_bytes()))
}

/// What about a path made another URL of it.
fn reason(path: &str) -> PathError {
    if path.contains(|letter: char| letter.is_ascii_control()) {
        PathError::Control
    } else if path.split(['/', '\\']).any(climbs) {
        PathError::Dots
    } else if path.contains('\\') {
        PathError::Backslash
    } else {
        PathError::Changed
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base() -> Url {
        Url::parse("https://x.test:8443/v1/tenant").unwrap()
    }

    fn joined(path: &str) -> Result<String, PathError> {
        below(&base(), path).map(|url| url.as_str().strip_prefix("https://x.test:8443").unwrap().to_owned())
    }

    #[test]
    fn path_arrives_as_it_was_meant() {
        for (path, url) in [
            ("", "/v1/tenant"),
            ("/", "/v1/tenant/"),
            ("/a/b/", "/v1/tenant/a/b/"),
            ("?x=1", "/v1/tenant?x=1"),
            ("/a?", "/v1/tenant/a"),
            ("/a?x=/../&y=%2e%2e\\", "/v1/tenant/a?x=/../&y=%2e%2e\\"),
            ("//elsewhere.test/a", "/v1/tenant//elsewhere.test/a"),
            ("/https://elsewhere.test/", "/v1/tenant/https://elsewhere.test/"),
            ("/@elsewhere.test", "/v1/tenant/@elsewhere.test"),
            ("/:443", "/v1/tenant/:443"),
            ("/a#b?c#d", "/v1/tenant/a%23b?c%23d"),
            ("/a b\u{fc}", "/v1/tenant/a%20b%C3%BC"),
            (" /a", ""),
            ("/ a ", "/v1/tenant/%20a%20"),
            ("/group%2Fproject", "/v1/tenant/group%2Fproject"),
            ("/100%", "/v1/tenant/100%"),
            ("/...", "/v1/tenant/..."),
            ("/.well-known/a..b", "/v1/tenant/.well-known/a..b"),
            ("/a;v=1/b", "/v1/tenant/a;v=1/b"),
            ("/\u{ff0e}\u{ff0e}/a", "/v1/tenant/%EF%BC%8E%EF%BC%8E/a"),
        ] {
            let wanted = if url.is_empty() { Err(PathError::Start) } else { Ok(url.to_owned()) };
            assert_eq!(joined(path), wanted, "{path:?}");
        }
    }

    #[test]
    fn path_that_would_arrive_elsewhere_is_refused_with_its_reason() {
        use PathError::*;
        for (path, wrong) in [
            ("a", Start),
            ("https://elsewhere.test/", Start),
            ("@elsewhere.test/", Start),
            (":443/", Start),
            ("\\a", Start),
            ("\t/a", Start),
            ("/.\t./echo", Control),
            ("/.\r./echo", Control),
            ("/\n../echo", Control),
            ("/12\n3/echo", Control),
            ("/%2\te%2e/echo", Control),
            ("/a\n", Control),
            ("/a\\b", Backslash),
            ("/\\elsewhere.test", Backslash),
            ("/a\\..\\b", Dots),
            ("/..", Dots),
            ("/.", Dots),
            ("/a/../b", Dots),
            ("/%2e%2E/b", Dots),
            ("/.%2e", Dots),
            ("/%252e%252e/b", Dots),
            ("/%25252e./b", Dots),
            ("/..%2f..%2fecho", Dots),
            ("/a%2f..%2fb", Dots),
            ("/a%5c..%5Cb", Dots),
            ("/..;/echo", Dots),
            ("/..%3bx=1/echo", Dots),
            ("/.%09./echo", Dots),
            ("/..%00/echo", Dots),
            ("/..%20/echo", Dots),
            ("/a?x=1\n2", Query),
            ("/a?\t", Query),
        ] {
            assert_eq!(joined(path), Err(wrong), "{path:?}");
        }
    }

    /// Texts that a parser of URLs may stumble over, and some that it does not.
    fn hostile() -> impl Strategy<Value = String> {
        const PIECES: [&str; 38] = [
            "/",
            "/",
            "/",
            ".",
            "..",
            "%2e",
            "%2E",
            "%252e",
            "%2f",
            "%5c",
            "\\",
            "\t",
            "\n",
            "\r",
            "%09",
            "%0a",
            "%00",
            ";",
            "?",
            "#",
            "@",
            ":",
            "//",
            "http:",
            "https://elsewhere.test",
            "[::1]",
            " ",
            "%20",
            "%",
            "%2",
            "&",
            "=",
            "\u{ff0e}",
            "\u{feff}",
            "\u{ad}",
            "é",
            "12",
            "echo",
        ];
        let piece =
            prop_oneof![8 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => any::<String>()];
        let pieces = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
        prop_oneof![pieces.clone(), pieces.prop_map(|path| format!("/{path}"))]
    }

    /// The text with its escapes resolved, as a server might that takes all of them for what they stand for.
    fn decoded(mut text: String) -> String {
        for _ in 0..3 {
            for (escaped, plain) in [
                ("%25", "%"),
                ("%2e", "."),
                ("%2E", "."),
                ("%2f", "/"),
                ("%2F", "/"),
                ("%5c", "/"),
                ("%5C", "/"),
            ] {
                text = text.replace(escaped, plain);
            }
        }
        text
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn no_path_leaves_the_base(path in hostile(), base in prop::sample::select(&["/v1/tenant", "/v1/tenant/", "/", "", "/a%20b"][..])) {
            let base = Url::parse(&format!("https://x.test:8443{base}")).unwrap();
            if let Ok(url) = below(&base, &path) {
                // What is sent is read again by others, who must find the same.
                prop_assert_eq!(&Url::parse(url.as_str()).unwrap(), &url);
                prop_assert!(same_server(&base, &url));
                let target = url.as_str().strip_prefix("https://x.test:8443").unwrap();
                let rest = target.strip_prefix(base.path().trim_end_matches('/')).unwrap();
                prop_assert!(rest.is_empty() || rest.starts_with(['/', '?']), "{}", rest);
                prop_assert!(url.as_str().is_ascii() && !url.as_str().contains(|c: char| c.is_ascii_control() || c == ' '));
                let below_base = url.path();
                prop_assert!(!decoded(below_base.to_owned()).split('/').any(|name| matches!(name, "." | "..")), "{}", below_base);
                // One segment for each that was given.
                let given = path.split('?').next().unwrap_or_default();
                if !given.is_empty() {
                    let rest = below_base.strip_prefix(base.path().trim_end_matches('/')).unwrap();
                    prop_assert_eq!(rest.matches('/').count(), given.matches('/').count());
                }
            }
        }

        #[test]
        fn any_value_is_one_segment_or_refused(value in hostile()) {
            if let Ok(url) = below(&base(), &format!("/customers/{}/orders", segment(&value))) {
                let names: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!((&names[..3], names[4], names.len()), (&["v1", "tenant", "customers"][..], "orders", 5));
                let came = percent_decode(names[3].as_bytes()).decode_utf8().unwrap();
                prop_assert_eq!(&*came, &value);
                prop_assert_eq!(url.query(), None);
            } else {
                prop_assert!(value.contains('.') || value.to_lowercase().contains("%2"), "{:?} is refused", value);
            }
        }
    }
}
