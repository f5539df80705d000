//! What the URL of a database names.

use std::fmt;

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

#[derive(Clone)]
pub(super) enum Target {
    #[cfg(feature = "postgres")]
    Postgres(Box<sqlx::postgres::PgConnectOptions>, super::pooler::Pooler),
    /// The file; none for a database in memory, which ends with its process.
    #[cfg(feature = "sqlite")]
    Sqlite(Box<sqlx::sqlite::SqliteConnectOptions>, Option<std::path::PathBuf>),
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
                postgres(rest).map_err(refused)
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
        match &self.target {
            #[cfg(feature = "postgres")]
            Target::Postgres(..) => false,
            #[cfg(feature = "sqlite")]
            Target::Sqlite(_, path) => path.is_none(),
        }
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

#[cfg(feature = "postgres")]
fn postgres(rest: &str) -> std::result::Result<Location, String> {
    let (options, pooler) = super::postgres::read_url(rest)?;
    let target = Target::Postgres(Box::new(options), pooler);
    Ok(Location { url: format!("postgres:{rest}"), target })
}

#[cfg(feature = "sqlite")]
fn sqlite(rest: &str) -> std::result::Result<Location, String> {
    let (url, options, path) = super::sqlite::read_url(rest)?;
    Ok(Location { url, target: Target::Sqlite(Box::new(options), path) })
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> std::result::Result<Location, String> {
    Err("this program was built without PostgreSQL: enable the feature `postgres` of tasker-runtime"
        .to_owned())
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> std::result::Result<Location, String> {
    Err("this program was built without SQLite: enable the feature `sqlite` of tasker-runtime".to_owned())
}

/// A URL as it may be told of. Where no scheme says that it is one to its end, white space would hide from
/// [`redact`] what belongs together.
fn shown(url: &str) -> String {
    let is_torn = !url.contains("://") && url.contains(char::is_whitespace) && url.contains(['@', '=']);
    if is_torn { "…".to_owned() } else { redact(url) }
}

#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::{super::sqlite::encoded, *};

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
