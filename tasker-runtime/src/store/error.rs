//! What a database can refuse.

use sqlx::migrate::MigrateError;

use super::db::Statement;
use crate::model::Json;

/// What the store returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the store did not do what was asked. Nothing was written, unless the connection broke while a
/// commit was under way: then it may have been.
///
/// ```
/// use tasker_runtime::store::Location;
///
/// let refused = Location::of("mysql://host/db").unwrap_err();
/// assert!(!refused.is_transient(), "it will be as wrong the next time");
/// assert_eq!(refused.code(), None);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL names no database this crate can use.
    #[error("`{url}` is not a database URL: {problem}")]
    Url {
        /// The URL, without its password.
        url: String,
        /// What is wrong and what may be written.
        problem: String,
    },
    /// The file of a SQLite database cannot be used.
    #[error("the database file {} {problem}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file of a SQLite database is not the one any more that was opened: what is written now is lost.
    #[error(
        "the database file {} was {what} while it was in use: what is written now would be lost; stop every process \
         that uses it, put the file back and start again",
        path.display()
    )]
    FileGone {
        /// Where the file was.
        path: std::path::PathBuf,
        /// What happened to it.
        what: &'static str,
    },
    /// A newer version of this program has changed the tables.
    #[error(
        "the tables of the database have version {found}, and this program knows them up to version {known}: use a newer program"
    )]
    Newer {
        /// The version of the tables.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The database does not answer. Safe to try again.
    #[error("the database does not answer: {source}")]
    Unreachable {
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The server has no room for the connections that a worker cannot do without.
    #[error(
        "a worker needs {needed} connections to the database at least, and got only {opened}: {source}; see \
         `tasker doctor`"
    )]
    Connections {
        /// How many it needs.
        needed: usize,
        /// How many it got.
        opened: usize,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The tables could not be created or brought up to date.
    #[error("the tables could not be brought up to date: {}", why(source))]
    Migration {
        /// What went wrong.
        source: MigrateError,
    },
    /// The database refused a statement.
    #[error("the database refused to {purpose}: {source}")]
    Statement {
        /// The first line of the statement's text, which says what it does.
        purpose: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A context or a result is larger than these may be.
    #[error(
        "the {what} has {bytes} bytes, at most {most} are kept (`limits.max_payload_bytes`): keep it elsewhere \
         and pass on where it is"
    )]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest size that is kept.
        most: usize,
    },
    /// What is stored does not fit together.
    #[error("{what}")]
    Corrupt {
        /// What is wrong.
        what: String,
    },
    /// A row does not hold what was expected: another version of this program may have written it.
    #[error("a stored row cannot be read: {source}")]
    Row {
        /// What the driver said.
        source: sqlx::Error,
    },
}

impl Error {
    pub(super) fn statement(sql: &Statement, source: sqlx::Error) -> Self {
        if is_connection(&source) {
            return Self::Unreachable { source };
        }
        let purpose = sql.postgres().lines().next().unwrap_or_default().trim_start_matches("-- ");
        Self::Statement { purpose, source }
    }

    /// Whether a lock was not free in the time that was given for it.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Statement { source, .. } if code(source).as_deref() == Some("55P03"))
    }

    /// The same once more, for each of several callers whose statements failed together.
    pub(crate) fn again(&self) -> Self {
        match self {
            other if other.is_transient() => {
                Self::Unreachable { source: sqlx::Error::Io(std::io::Error::other(why_at_all(other))) }
            }
            other => Self::Corrupt { what: other.to_string() },
        }
    }

    /// The database did not answer in time.
    pub(crate) fn timed_out() -> Self {
        Self::Unreachable { source: sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()) }
    }

    /// Nothing answers any more, since this process is ending.
    pub(crate) fn stopping() -> Self {
        Self::Unreachable { source: sqlx::Error::PoolClosed }
    }

    /// A stored value that nothing here can have written.
    pub(crate) fn corrupt(
        place: &str,
        value: impl std::fmt::Display,
        problem: impl std::fmt::Display,
    ) -> Self {
        Self::Corrupt { what: format!("a stored value cannot be used: {value} in {place} {problem}") }
    }

    /// The same error, of this task.
    pub(crate) fn of_task(self, task: impl std::fmt::Display) -> Self {
        match self {
            Self::Corrupt { what } if !what.contains(" (task ") => {
                Self::Corrupt { what: format!("{what} (task {task})") }
            }
            other => other,
        }
    }

    pub(super) fn check_size(what: &'static str, payload: &Json, most: usize) -> Result<()> {
        let bytes = payload.as_str().len();
        if bytes > most { Err(Self::TooLarge { what, bytes, most }) } else { Ok(()) }
    }

    pub(super) fn row(source: sqlx::Error) -> Self {
        Self::Row { source }
    }

    /// Whether the same call may succeed later, as it stands: everything is, but what the data causes, a URL,
    /// and rows that cannot be read. What was to be written then waits, however long it takes.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::FileGone { .. } => true,
            Self::Statement { source, .. } => !is_about_data(source),
            _ => false,
        }
    }

    /// The database's own code for what it refused, for whoever looks it up.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Statement { source, .. } | Self::Unreachable { source } | Self::Row { source } => {
                code(source)
            }
            _ => None,
        }
    }

    /// Whether the server has no room for another connection.
    pub(super) fn is_full(&self) -> bool {
        // 53300 is too_many_connections; poolers say it in the way of the protocol.
        matches!(self, Self::Unreachable { source: sqlx::Error::Database(refusal) }
            if refusal.code().is_some_and(|code| code == "53300" || code == "08P01"))
    }

    /// The same, where it is that the server had room for so many only of the connections that are needed.
    pub(crate) fn of_connections(self, opened: usize, needed: usize) -> Self {
        match self.is_full() {
            true => match self {
                Self::Unreachable { source } => Self::Connections { needed, opened, source },
                other => other,
            },
            false => self,
        }
    }

    /// Whether the same statement may succeed on another connection and not on this one.
    pub(super) fn needs_new_connection(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Statement { source, .. } => code(source).is_some_and(|code| {
                // The connection itself; ended by an operator or by a crash; a prepared statement that is gone,
                // was there before, or whose result would change; a server that only reads since a failover;
                // a transaction that is not what this side takes it for.
                let codes = ["57P01", "57P02", "57P03", "57P05", "26000", "42P05", "0A000", "25006", "25P02"];
                code.len() == 5 && (code.starts_with("08") || codes.contains(&&*code))
            }),
            _ => false,
        }
    }

    /// Whether a table or a schema is not there, or may not be read.
    pub(super) fn is_missing_table(&self) -> bool {
        let Self::Statement { source, .. } = self else { return false };
        match code(source) {
            Some(code) if code.len() == 5 => ["42P01", "3F000", "42501"].contains(&&*code),
            Some(_) => source.to_string().contains("no such table"),
            None => false,
        }
    }

    /// Whether the database is away for a while, as one that is being started or restarted is: nobody answers
    /// at its address, or it says that it takes no connections yet. A refused password or an unknown database
    /// is not that.
    #[must_use]
    pub fn is_away(&self) -> bool {
        use std::io::ErrorKind::{InvalidInput, PermissionDenied};
        let source = match self {
            Self::Unreachable { source } => source,
            Self::Migration { source: MigrateError::Execute(source) } => source,
            // Connection, serialization, deadlock, resources, operator intervention.
            Self::Statement { source, .. } => {
                let classes = ["08", "40", "53", "57"];
                let code = code(source).filter(|code| code.len() == 5);
                return code.is_some_and(|code| classes.iter().any(|class| code.starts_with(class)))
                    || is_busy(source);
            }
            _ => return false,
        };
        match source {
            sqlx::Error::Io(error) => !matches!(error.kind(), InvalidInput | PermissionDenied),
            sqlx::Error::PoolTimedOut => true,
            // Too many connections; shut down by an operator, after a crash, or not yet up.
            _ => code(source).is_some_and(|code| ["53300", "57P01", "57P02", "57P03"].contains(&&*code)),
        }
    }

    /// Whether a row of this key was there already.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Statement { source: sqlx::Error::Database(error), .. } => error.is_unique_violation(),
            _ => false,
        }
    }
}

/// What the driver said, where it said anything.
fn why_at_all(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// What went wrong, and what to do where a right is missing.
fn why(source: &MigrateError) -> String {
    let MigrateError::Execute(error) = source else { return source.to_string() };
    match error.as_database_error() {
        Some(refused) if refused.code().is_some_and(|code| code == INSUFFICIENT_PRIVILEGE) => format!(
            "{}; the role needs the right CREATE on the database for that, or the owner of the database makes it \
             a schema: create schema tasker authorization the_role",
            refused.message()
        ),
        _ => source.to_string(),
    }
}

/// PostgreSQL's code for a right that a role does not have.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

fn is_connection(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    matches!(error, Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed)
}

/// Whether SQLite says that it is busy or locked, with whatever extended code.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error), Some(5 | 6))
}

/// The primary one of SQLite's result codes, freed of what extends it.
fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let code = code(error).filter(|code| code.len() < 5).and_then(|code| code.parse::<i32>().ok());
    code.map(|code| code & 0xff)
}

/// Whether the values of a statement are why it was refused: it will never be taken as it stands.
///
/// What is on no list passes: a lock that was not free in time, a full disk, a server that only reads, a
/// failover. Taken for a verdict on the data it would cost a result that is there.
fn is_about_data(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::Encode(_)) {
        return true;
    }
    match code(error) {
        // PostgreSQL: cardinality, data exceptions, integrity, limits of the program.
        Some(code) if code.len() == 5 => ["21", "22", "23", "54"].iter().any(|class| code.starts_with(class)),
        _ => match sqlite_code(error) {
            // Too big, a constraint, a value of another type.
            Some(18..=20) => true,
            // Calls of functions have no code of their own.
            Some(1) => error.to_string().contains("malformed JSON"),
            _ => false,
        },
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{borrow::Cow, error::Error as StdError, fmt};

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// What a database says, with this code.
    #[derive(Debug)]
    struct Said(&'static str, &'static str);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.1)
        }
    }

    impl StdError for Said {}

    impl DatabaseError for Said {
        fn message(&self) -> &str {
            self.1
        }
        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }
        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn said(code: &'static str, message: &'static str) -> Error {
        static SQL: Statement = Statement::shared("-- write");
        Error::statement(&SQL, sqlx::Error::Database(Box::new(Said(code, message))))
    }

    #[test]
    fn only_what_the_data_causes_is_a_verdict() {
        // SQLite: 1 is any error, 7 memory, 8 read only, 10 the disk, 13 full, 14 cannot open, 517 busy snapshot.
        let passing = [
            "55P03", "57014", "25006", "53100", "53200", "53300", "40001", "40P01", "57P01", "08006",
            "26000", "0A000", "42P05", "42501", "58030", "XX000", "1", "5", "6", "7", "8", "10", "13", "14",
            "26", "517", "1032",
        ];
        for code in passing {
            assert!(said(code, "no").is_transient(), "{code}");
        }
        // SQLite: 1555 primary key, 2067 unique, 1811 trigger, 3091 type of a strict table.
        let verdicts = [
            "21000", "22003", "22021", "22P02", "22P05", "23505", "23514", "54000", "54001", "18", "19",
            "20", "1555", "2067", "1811", "3091",
        ];
        for code in verdicts {
            assert!(!said(code, "no").is_transient(), "{code}");
        }
        assert!(!said("1", "malformed JSON").is_transient());
    }

    #[test]
    fn connection_to_blame_is_not_used_again() {
        for code in ["08006", "57P01", "26000", "0A000", "42P05", "25006"] {
            assert!(said(code, "no").needs_new_connection(), "{code}");
        }
        for code in ["55P03", "57014", "53100", "23505", "5", "13"] {
            assert!(!said(code, "no").needs_new_connection(), "{code}");
        }
    }
}
