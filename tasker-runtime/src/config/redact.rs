//! Leaves passwords out of whatever may hold the URL of a database.

use std::ops::Range;

use percent_encoding::percent_decode_str;

/// What stands where a password was.
const MASK: &str = "***";

/// `text` without the passwords of the URLs and connection strings in it, in whatever form: before an `@`,
/// percent-encoded or not, as a parameter of a query, as `password=…`, and where a URL is so broken that the
/// driver refuses it. A text that is a URL from its beginning is one URL to its end, whatever stands in it.
///
/// Where it cannot be told what is a password, more is left out rather than less.
pub(crate) fn redact(text: &str) -> String {
    let whole = scheme_at_start(text).is_some();
    let mut masks = parameters(text, whole);
    if let Some(body) = scheme_at_start(text) {
        credentials(text, body..text.len(), &mut masks);
    } else {
        for token in tokens(text) {
            match text[token.clone()].find("://") {
                Some(at) => credentials(text, token.start + at + 3..token.end, &mut masks),
                None => bare(text, token, &mut masks),
            }
        }
    }
    masks.sort_by_key(|mask| mask.start);
    let (mut shown, mut end) = (String::with_capacity(text.len()), 0);
    for mask in masks {
        if mask.start >= end {
            shown.push_str(&text[end..mask.start]);
            shown.push_str(MASK);
        }
        end = end.max(mask.end);
    }
    shown + &text[end..]
}

/// Where a URL goes on behind its scheme, if the text begins with one. Those of databases are known without `//`.
fn scheme_at_start(text: &str) -> Option<usize> {
    let start = text.len() - text.trim_start().len();
    let (scheme, rest) = text[start..].split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    let is_database =
        ["postgres", "postgresql", "sqlite"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let slashes = if rest.starts_with("//") { 2 } else { 0 };
    (is_scheme && (slashes > 0 || is_database && !rest.starts_with(' ')))
        .then_some(start + scheme.len() + 1 + slashes)
}

/// What stands between white space.
fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split_whitespace().map(|token| {
        let start = token.as_ptr() as usize - text.as_ptr() as usize;
        start..start + token.len()
    })
}

/// Parameters that hold no secret and may hold an `@`.
const HARMLESS: [&str; 10] = [
    "user",
    "application_name",
    "options",
    "host",
    "dbname",
    "sslcert",
    "sslrootcert",
    "mode",
    "vfs",
    "cache",
];

/// Whether the name of a parameter says that its value is a secret.
fn is_secret(name: &str) -> bool {
    ["password", "passwd", "passphrase", "pwd", "secret", "token"].iter().any(|word| name.contains(word))
}

/// Masks what stands before an `@` behind a colon, and what stands where a port should. `body` is a URL behind its
/// scheme.
fn credentials(text: &str, body: Range<usize>, masks: &mut Vec<Range<usize>>) {
    let url = &text[body.clone()];
    let is_parameter = |at: usize| {
        let query = url[..at].find('?');
        let parameter = query.map(|query| url[query + 1..at].rsplit('&').next().unwrap_or_default());
        let name = parameter.and_then(|parameter| parameter.split_once('=')).map(|(name, _)| decoded(name));
        name.is_some_and(|name| HARMLESS.contains(&&*name) || is_secret(&name))
    };
    let at = url.rmatch_indices('@').map(|(at, _)| at).find(|&at| !is_parameter(at));
    if let Some(at) = at
        && let Some(password) = behind_user(&url[..at])
    {
        masks.push(body.start + password..body.start + at);
    }
    let is_file = text[..body.start].trim_start().to_ascii_lowercase().starts_with("sqlite:");
    let host = at.map_or(0, |at| at + 1);
    let host_end = url[host..].find(['/', '?', '#']).map_or(url.len(), |end| host + end);
    if !is_file && let Some(port) = odd_port(&url[host..host_end]) {
        masks.push(body.start + host + port..body.end);
    }
}

/// Where the password begins in `user:password`; the colon may be percent-encoded.
fn behind_user(userinfo: &str) -> Option<usize> {
    let encoded = userinfo.to_ascii_lowercase().find("%3a").map(|colon| colon + 3);
    let plain = userinfo.find(':').map(|colon| colon + 1);
    plain.into_iter().chain(encoded).min().filter(|&start| start < userinfo.len())
}

/// Where, in a list of hosts, a port begins that is not a number: it may be a password whose `@` is missing.
fn odd_port(hosts: &str) -> Option<usize> {
    let mut start = 0;
    for host in hosts.split(',') {
        let name = if host.starts_with('[') { host.find(']').map_or(0, |end| end + 1) } else { 0 };
        if let Some(colon) = host[name..].find(':') {
            let port = name + colon + 1;
            if !host[port..].chars().all(|c| c.is_ascii_digit()) {
                return Some(start + port);
            }
        }
        start += host.len() + 1;
    }
    None
}

/// Masks the password of `user:password@host`, which has no scheme.
fn bare(text: &str, token: Range<usize>, masks: &mut Vec<Range<usize>>) {
    let written = &text[token.clone()];
    let Some(at) = written.rfind('@').filter(|at| at + 1 < written.len()) else { return };
    if let Some(password) = behind_user(&written[..at]) {
        masks.push(token.start + password..token.start + at);
    }
}

/// Finds the values of parameters whose names say that they are secrets, in queries of URLs and in `name=value`.
fn parameters(text: &str, whole: bool) -> Vec<Range<usize>> {
    let mut masks = Vec::new();
    for (equals, _) in text.match_indices('=') {
        let before = text[..equals].trim_end_matches([' ', '\t', '"', '\'']);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-%.".contains(c);
        let name_start = before.trim_end_matches(is_name).len();
        let name = decoded(&before[name_start..]);
        let in_query = text[..name_start].ends_with(['?', '&']);
        let value = if in_query { in_a_query(text, equals + 1, whole) } else { by_itself(text, equals + 1) };
        let written = &text[value.clone()];
        let is_key = matches!(&*name, "sslkey" | "ssl-key") && written.contains("BEGIN");
        if !written.is_empty() && (is_secret(&name) || is_key) {
            masks.push(value);
        }
    }
    masks
}

/// A value in the query of a URL.
fn in_a_query(text: &str, start: usize, whole: bool) -> Range<usize> {
    let ends = |c: char| matches!(c, '&' | '#') || (!whole && c.is_whitespace());
    let value = text[start..].split(ends).next().unwrap_or_default();
    // The quote of whoever tells of the URL, and how their sentence goes on.
    let end = value.trim_end_matches(['"', '\'', '`', ':', ',', ';', '.', ')']).len();
    let quote = value[end..].find(['"', '\'', '`']).map(|quote| end + quote);
    start..start + quote.unwrap_or(value.len())
}

/// A value in a connection string or a file: in quotes, or up to the next white space.
fn by_itself(text: &str, start: usize) -> Range<usize> {
    let rest = &text[start..];
    let start = start + rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let rest = &text[start..];
    let Some(quote) = rest.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        return start..start + rest.split(char::is_whitespace).next().unwrap_or_default().len();
    };
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            c if c == quote && !escaped => return start + 1..start + at,
            c => escaped = c == '\\' && !escaped,
        }
    }
    start + 1..text.len()
}

/// A name without percent-encoding, in small letters.
fn decoded(name: &str) -> String {
    percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::redact;

    /// Forms in which a password may be written, all with `s3cr` and `t!` in it.
    const FORMS: &[&str] = &[
        "postgres://ada:s3cr3t!@host/db",
        "postgresql://ada:s3cr3t!@host:5432/db?sslmode=require",
        "POSTGRES://ada:s3cr3t!@host/db",
        "  postgres://ada:s3cr3t!@host/db\n",
        "postgres://:s3cr3t!@host/db",
        "postgres://ada:s3cr@3t!@host/db",
        "postgres://ada:s3cr/3t!@host/db",
        "postgres://ada:s3cr?3t!@host/db",
        "postgres://ada:12?3s3crt!@host/db",
        "postgres://ada:12/s3cr3t!@host/db",
        "postgres://ada:s3cr#3t!@host/db",
        "postgres://ada:s3cr 3t!@host/db",
        "postgres://ada:s3cr:3t!@host/db",
        "postgres://ada:s3cr\"'`3t!@host/db",
        "postgres://ada:s3cr\n3t!@host/db",
        "postgres://ada:s3cr%403t!@host/db",
        "postgres://ada%3As3cr3t!@host/db",
        "postgres://ada:s3cr3t!%40host/db",
        "postgres://ada:s3cr3t!",
        "postgres://ada:s3cr3t!/db",
        "postgres://ada:s3cr3t!@[::1]:5432/db",
        "postgres://ada:s3cr3t!@one:5432,two:5433/db",
        "postgres://ada:s3cr3t!@/db?host=/var/run/postgresql",
        "postgres:///db?user=ada&password=s3cr3t!",
        "postgres://host/db?password=s3cr3t!&user=ada",
        "postgres://host/db?password=s3cr@3t!&user=ada",
        "postgres://host/db?password=s3cr 3t!&user=ada",
        "postgres://host/db?password=s3cr%203t!#part",
        "postgres://host/db?PASSWORD=s3cr3t!",
        "postgres://host/db?p%61ssword=s3cr3t!",
        "postgres://host/db?user=a@b&password=s3cr3t!",
        "postgres://host/db?sslpassword=s3cr3t!",
        "postgres://host/db?sslkey=-----BEGIN KEY-----s3cr3t!",
        "postgres://host/db?ssl-key=-----BEGIN%20KEY-----s3cr3t!&user=ada",
        "postgres://host/db#password=s3cr3t!",
        "postgres:ada:s3cr3t!@host/db",
        "postgres:/ada:s3cr 3t!@host/db",
        "postgres:///ada:s3cr3t!@host/db",
        "ada:s3cr3t!@host/db",
        "ada:s3cr@3t!@host:5432/db",
        "jdbc:postgresql://host/db?user=ada&password=s3cr3t!",
        "jdbc:postgresql://ada:s3cr3t!@host/db",
        "mysql://ada:s3cr3t!@host/db",
        "host=h user=ada password=s3cr3t! dbname=db",
        "host=h user=ada password = s3cr3t! dbname=db",
        "host=h password='s3cr 3t!' user=ada",
        "host=h password='s3cr\\' 3t!' user=ada",
        "host=h sslpassword=s3cr&3t!",
        "Host=h;Username=ada;Password=s3cr3t!;Database=db",
        "PGPASSWORD=s3cr3t! psql",
        "url = \"postgres://ada:s3cr3t!@host/db\"",
        "\"password\" = \"s3cr 3t!\"",
        "cannot use `postgres://ada:s3cr3t!@host/db`: nobody answers",
        "cannot use `postgres://host/db?password=s3cr3t!`: nobody answers",
        "(postgres://ada:s3cr3t!@host/db), (postgres://host/db?password=s3cr3t!)",
    ];

    #[test]
    fn password_shows_in_no_form() {
        for form in FORMS {
            let shown = redact(form);
            assert!(shown.contains("***"), "{form:?}: {shown}");
            for part in ["s3cr", "3t!", "t!"] {
                assert!(!shown.contains(part), "{form:?}: {shown}");
            }
            assert_eq!(redact(&shown), shown, "redacted twice");
        }
    }

    #[test]
    fn everything_else_is_kept() {
        for (text, shown) in [
            ("postgres://ada:secret@host/db", "postgres://ada:***@host/db"),
            ("postgres://host/db?password=x&user=ada", "postgres://host/db?password=***&user=ada"),
            ("cannot use `postgres://h/db?password=x`: no", "cannot use `postgres://h/db?password=***`: no"),
            ("host=h password='a b' user=ada", "host=h password='***' user=ada"),
        ] {
            assert_eq!(redact(text), shown);
        }
        for harmless in [
            "",
            "postgres://ada@host:5432/db?sslmode=require",
            "postgres://host:5432/db?application_name=a@b&user=c@d",
            "postgres://one:5432,two:5433/db",
            "postgres://[::1]:5432/db",
            "postgres:///db?host=/var/run/postgresql",
            "sqlite://:memory:",
            "sqlite::memory:",
            "sqlite:///var/lib/tasker.db?mode=rwc",
            "mysql://host/db",
            "password authentication failed for user \"ada\"",
            "step `a` failed: MAIL: ada@example.org did not answer at 12:30",
            "10.0.0.0/8, ::1",
            "a, b",
        ] {
            assert_eq!(redact(harmless), harmless);
        }
    }
}
