//! What a database can refuse.

use sqlx::migrate::MigrateError;

use super::db::Statement;

/// What the store returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the store did not do what was asked. Nothing was written, unless the connection broke while a
/// commit was under way: then it may have been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL names no database this crate can use.
    #[error(
        "`{url}` is no database URL: write sqlite://file.db, sqlite::memory: or postgres://user@host/database"
    )]
    Url {
        /// The URL, without its password.
        url: String,
    },
    /// The database does not answer. Safe to try again.
    #[error("the database does not answer: {source}")]
    Unreachable {
        /// What the driver said.
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

    /// The same once more, for each of several callers whose statements failed together.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Url { url } => Self::Url { url: url.clone() },
            Self::Corrupt { what } => Self::Corrupt { what: what.clone() },
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

    pub(super) fn row(source: sqlx::Error) -> Self {
        Self::Row { source }
    }

    /// Whether the same call may succeed later: the connection broke, the database was busy or shutting
    /// down, or two transactions were in each other's way.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Statement { source, .. } => code(source).is_some_and(|code| {
                // PostgreSQL: connection, serialization, deadlock, resources, operator intervention.
                ["08", "40", "53", "57"].iter().any(|class| code.len() == 5 && code.starts_with(class))
                    || is_busy(source)
            }),
            _ => false,
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
            _ => return self.is_transient(),
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
    let code = code(error).filter(|code| code.len() < 5).and_then(|code| code.parse::<i32>().ok());
    matches!(code.map(|code| code & 0xff), Some(5 | 6))
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}
