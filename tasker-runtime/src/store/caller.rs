//! Transactions of the caller's own.

#[cfg(feature = "postgres")]
use sqlx::{PgConnection, Postgres};
#[cfg(feature = "sqlite")]
use sqlx::{Sqlite, SqliteConnection};

#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::{Result, Row, Statement, Value};

/// A transaction of the caller's own, on the database the tasks are in.
pub enum CallerTransaction<'a> {
    /// On PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(&'a mut PgConnection),
    /// On SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(&'a mut SqliteConnection),
}

impl CallerTransaction<'_> {
    /// Runs a statement in the caller's transaction and returns its rows.
    pub(crate) async fn fetch(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => postgres::rows(connection, sql, values).await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => sqlite::rows(connection, sql, values).await,
        }
    }
}

#[cfg(feature = "postgres")]
impl<'a> From<&'a mut sqlx::Transaction<'_, Postgres>> for CallerTransaction<'a> {
    fn from(transaction: &'a mut sqlx::Transaction<'_, Postgres>) -> Self {
        Self::Postgres(transaction)
    }
}

#[cfg(feature = "sqlite")]
impl<'a> From<&'a mut sqlx::Transaction<'_, Sqlite>> for CallerTransaction<'a> {
    fn from(transaction: &'a mut sqlx::Transaction<'_, Sqlite>) -> Self {
        Self::Sqlite(transaction)
    }
}
