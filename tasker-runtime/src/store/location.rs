//! What the URL of a database names.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::percent_decode_str;
use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use super::{Error, Result};
use crate::config::redact;

/// A database, and how to get to it. Displayed, it is the URL without its password.
///
/// ```
/// use tasker_runtime::store::Location;
///
/// let location = Location::of("postgres://ada:secret@host/db")?;
/// assert!(!location.to_string().contains("secret"));
/// assert!(Location::of("sqlite::memory:")?.is_in_memory());
/// assert!(Location::of("mysql://host/db").is_err());
/// # Ok::<(), tasker_runtime::store::Error>(())
/// ```
#[derive(Clone)]
pub struct Location {
    /// The URL, with the path of a file made absolute. It may hold a password.
    url: String,
    pub(super) target: Target,
}

/// Whether a pooler stands between that hands out another connection of the server for each transaction, so that
/// nothing that belongs to a connection outlives one: prepared statements, settings, what is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooler {
    /// None, or one that keeps a connection for each session.
    None,
    /// The URL says so with `statement-cache-capacity=0`.
    OfTransactions,
}

#[derive(Clone)]
pub(super) enum Target {
    Postgres(Box<PgConnectOptions>, Pooler),
    /// The file; none for a database in memory, which ends with its process.
    Sqlite(Box<SqliteConnectOptions>, Option<PathBuf>),
}

impl Location {
    /// Reads a URL. The path of a file is relative to the working directory of this moment, and white space
    /// around the URL does not count.
    ///
    /// # Errors
    /// When the URL names no database, with what is wrong and without its password.
    pub fn of(written: &str) -> Result<Self> {
        let url = written.trim();
        let refused = |problem: String| Error::Url { url: shown(url), problem };
        if url.chars().any(char::is_control) {
            return Err(refused("it contains a line break or another control character".to_owned()));
        }
        match url.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
            Some((scheme, rest)) if matches!(&*scheme, "postgres" | "postgresql") => {
                let (options, pooler) = postgres(rest).map_err(refused)?;
                Ok(Self {
                    url: format!("postgres:{rest}"),
                    target: Target::Postgres(Box::new(options), pooler),
                })
            }
            Some((scheme, rest)) if scheme == "sqlite" => sqlite(rest).map_err(refused),
            _ => Err(refused(format!("write {FORMS}"))),
        }
    }

    /// The URL to open it by. It may hold a password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it ends with its process.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        matches!(self.target, Target::Sqlite(_, None))
    }
}

/// The URL without its password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.url))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// The forms a URL may have.
const FORMS: &str = "sqlite://file.db, sqlite::memory: or postgres://user@host/database";

/// A URL as it may be told of. Where no scheme says that it is one to its end, white space would hide from
/// [`redact`] what belongs together.
fn shown(url: &str) -> String {
    let is_torn = !url.contains("://") && url.contains(char::is_whitespace) && url.contains(['@', '=']);
    if is_torn { "…".to_owned() } else { redact(url) }
}

/// What the driver knows. It logs the others with their values, which may be secrets.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Reads what stands behind `postgres:`.
fn postgres(rest: &str) -> std::result::Result<(PgConnectOptions, Pooler), String> {
    let Some(rest) = rest.strip_prefix("//") else {
        return Err("write postgres://user@host/database, with two slashes".to_owned());
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host = place.split(['/', '#']).next().and_then(|authority| authority.rsplit('@').next());
    if host.is_some_and(|host| host.contains(',')) {
        return Err("it names several hosts: name one".to_owned());
    }
    let query = query.split('#').next().unwrap_or_default();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let mut pooler = Pooler::None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = percent_decode_str(parameter.split('=').next().unwrap_or_default()).decode_utf8_lossy();
        if name == "statement-cache-capacity" && parameter.ends_with("=0") {
            pooler = Pooler::OfTransactions;
        }
        if PARAMETERS.contains(&&*name) || name.starts_with("options[") {
            known.push(parameter);
        } else {
            unknown.push(name.into_owned());
        }
    }
    if unknown.iter().any(|name| name.contains('@')) {
        return Err(ENCODE.to_owned());
    }
    if !unknown.is_empty() {
        // A URL is read several times, and again at each try to reach a database that is away.
        static TOLD: std::sync::Once = std::sync::Once::new();
        TOLD.call_once(|| {
            tracing::warn!("these parameters of the database URL are ignored: {}", unknown.join(", "));
        });
    }
    let question = if known.is_empty() { "" } else { "?" };
    let options = PgConnectOptions::from_str(&format!("postgres://{place}{question}{}", known.join("&")));
    options.map(|options| (options, pooler)).map_err(|error| {
        let why = match error {
            sqlx::Error::Configuration(why) => redact(&why.to_string()),
            _ => "it cannot be read".to_owned(),
        };
        format!("{why}; {ENCODE}")
    })
}

const ENCODE: &str =
    "in a user name or a password write `%40` for `@`, `%2F` for `/`, `%3F` for `?`, `%23` for `#`";

/// Reads what stands behind `sqlite:`.
fn sqlite(rest: &str) -> std::result::Result<Location, String> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (file, query) = rest.split_once('?').unwrap_or((rest, ""));
    let name =
        percent_decode_str(file).decode_utf8().map_err(|_| "the path is not valid UTF-8".to_owned())?;
    let mut in_memory = name == ":memory:";
    for parameter in query.split('&').map(|parameter| parameter.replace('+', " ")) {
        match &*percent_decode_str(&parameter).decode_utf8_lossy() {
            "mode=memory" => in_memory = true,
            "mode=ro" | "immutable=1" | "immutable=true" => {
                return Err(
                    "a database that is only read cannot hold tasks: leave `mode` and `immutable` out"
                        .to_owned(),
                );
            }
            _ => {}
        }
    }
    let options = |url: &str| {
        SqliteConnectOptions::from_str(url).map_err(|error| match error {
            sqlx::Error::Configuration(why) => redact(&why.to_string()),
            _ => "it cannot be read".to_owned(),
        })
    };
    if in_memory {
        // Under its plain name, however it is encoded: the driver gives each such database a name of its own.
        let question = if query.is_empty() { "" } else { "?" };
        let url = format!("sqlite://:memory:{question}{query}");
        return Ok(Location { target: Target::Sqlite(Box::new(options(&url)?), None), url });
    }
    if name.trim().is_empty() {
        return Err("it names no file; if a variable stands in it, that may not be set".to_owned());
    }
    if name.starts_with("file:") || name.contains('\0') {
        return Err("write the path of the file alone, as in sqlite://file.db".to_owned());
    }
    let path = std::path::absolute(&*name).map_err(|error| error.to_string())?;
    let question = if query.is_empty() { "" } else { "?" };
    let url = format!("sqlite://{}{question}{query}", encoded(&path));
    let options = options(&url)?.filename(&path);
    Ok(Location { target: Target::Sqlite(Box::new(options), Some(path)), url })
}

/// A path as a URL writes it, as far as it must.
fn encoded(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3F")
}

/// Why SQLite could not open this file, where that can be told.
pub(super) fn unopened(path: &Path, source: sqlx::Error) -> Error {
    let parent = path.parent().unwrap_or(path);
    let code = source.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    let problem = match code.map(|code| code & 0xff) {
        Some(CANTOPEN) if path.is_dir() => "is a folder: name a file in it".to_owned(),
        Some(CANTOPEN) if !parent.is_dir() => {
            format!("cannot be created: there is no folder {}", parent.display())
        }
        Some(CANTOPEN | PERMISSION) => {
            "cannot be opened: this user may not read and write it, or not create files in its folder"
                .to_owned()
        }
        Some(READONLY) => "cannot be written: the file or its folder is read-only".to_owned(),
        Some(NOT_A_DATABASE) => "is not a SQLite database".to_owned(),
        _ => return Error::Unreachable { source },
    };
    Error::File { path: path.to_owned(), problem }
}

/// Codes of SQLite.
const PERMISSION: i32 = 3;
const READONLY: i32 = 8;
const CANTOPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Location::of(url).unwrap_err().to_string()
    }

    #[test]
    fn url_that_names_no_database_is_refused_with_what_is_wrong() {
        for (url, problem) in [
            ("sqlite://", "names no file"),
            ("sqlite:", "names no file"),
            ("sqlite://?mode=rwc", "names no file"),
            ("sqlite://%20", "names no file"),
            ("sqlite://file:x.db", "the path of the file alone"),
            ("sqlite://x.db?mode=ro", "only read"),
            ("sqlite://x.db?mode=r%6f", "only read"),
            ("sqlite://x.db?immutable=1", "only read"),
            ("sqlite://x.db?color=red", "unknown query parameter `color`"),
            ("sqlite://a\nb", "a line break"),
            ("postgres:host/db", "two slashes"),
            ("postgres://one,two/db", "several hosts"),
            ("postgres://u@one:1,two:2/db", "several hosts"),
            ("postgres://u:a/b@host/db", "write `%40` for `@`"),
            ("postgres://u:1?b@host/db", "write `%40` for `@`"),
            ("postgres://h/db?sslmode=maybe", "maybe"),
            ("mysql://host/db", "write sqlite://file.db"),
            ("", "write sqlite://file.db"),
            ("host=h password=x", "write sqlite://file.db"),
        ] {
            let said = refused(url);
            assert!(said.contains("is not a database URL") && said.contains(problem), "{url}: {said}");
        }
    }

    #[test]
    fn refusal_shows_no_password() {
        for url in [
            "postgres://ada:s3cret/x@host/db",
            "postgres://ada:s3cret?x@host/db",
            "postgres://one,two/db?password=s3cret",
            "postgres:ada:s3cret@host",
            "mysql://ada:s3cret@host",
            "ada:my s3cret@host",
            "host=h password='a s3cret'",
        ] {
            assert!(!refused(url).contains("s3cret"), "{url}: {}", refused(url));
        }
    }

    #[test]
    fn path_is_absolute_from_the_start_and_white_space_around_the_url_does_not_count() {
        let here = std::env::current_dir().unwrap();
        for url in ["sqlite://a.db", "sqlite:a.db", " SQLite://a.db\n", "sqlite://./a%2Edb"] {
            let location = Location::of(url).unwrap();
            assert_eq!(location.url(), format!("sqlite://{}", encoded(&here.join("a.db"))), "{url}");
            let Target::Sqlite(options, Some(path)) = &Location::of(location.url()).unwrap().target else {
                panic!("{url}: no file")
            };
            assert_eq!((&**path, options.get_filename()), (&*here.join("a.db"), &*here.join("a.db")));
        }
        assert_eq!(
            Location::of("sqlite:///a%3Fb%25.db?mode=rwc").unwrap().url(),
            "sqlite:///a%3Fb%25.db?mode=rwc"
        );
    }

    #[test]
    fn database_in_memory_is_told_in_every_form() {
        for url in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://%3Amemory%3A",
            "sqlite://x?mode=memory",
            "sqlite://?mode=mem%6Fry",
            "SQLITE::memory:\n",
        ] {
            assert!(Location::of(url).unwrap().is_in_memory(), "{url}");
        }
        for url in ["sqlite://memory", "postgres://host/:memory:"] {
            assert!(!Location::of(url).unwrap().is_in_memory(), "{url}");
        }
    }

    #[test]
    fn parameters_that_the_driver_does_not_know_are_kept_from_it() {
        let location =
            Location::of("POSTGRES://u@host/db?channel_binding=require&sslmode=disable&x=1#y").unwrap();
        let Target::Postgres(options, _) = &location.target else { panic!("not PostgreSQL") };
        assert_eq!((options.get_host(), options.get_database()), ("host", Some("db")));
        assert_eq!(
            location.to_string(),
            "postgres://u@host/db?channel_binding=require&sslmode=disable&x=1#y"
        );
    }
}
