//! Where everything durable is: embedded SQLite or PostgreSQL, behind one seam.
//!
//! This module alone knows URLs, pools, migrations and the text of statements. What a transaction does
//! is written in [`orchestration`](crate::orchestration), once for both databases.

mod caller;
mod changes;
mod connection;
mod db;
mod error;
#[cfg(feature = "sqlite")]
mod file;
mod listener;
mod location;
mod migrations;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod on_databases;
#[cfg(all(test, feature = "postgres"))]
#[allow(clippy::unwrap_used, clippy::panic)]
mod plans;
#[cfg(feature = "postgres")]
mod pooler;
#[cfg(feature = "postgres")]
mod postgres;
pub(crate) mod presence;
mod rows;
pub(crate) mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "test-unfenced")]
mod unfenced;
#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
#[allow(clippy::unwrap_used, clippy::panic)]
mod upgrade_tests;

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("tasker-runtime keeps tasks in a database: enable its feature `sqlite`, `postgres` or both");

use std::time::Duration;

use crate::model::{Json, Timestamp};
pub use caller::CallerTransaction;
pub(crate) use connection::Connection;
use connection::Link;
pub(crate) use db::{Row, Statement, Value, statements_sent, values};
pub use error::{Error, Result};
pub(crate) use listener::Listener;
pub use location::Location;
use location::Target;
pub(crate) use rows::{Column, Rows};

/// The databases that this program was built with, by name.
pub const DATABASES: &[&str] = &[
    #[cfg(feature = "sqlite")]
    "SQLite",
    #[cfg(feature = "postgres")]
    "PostgreSQL",
];

/// An open database. Clones share it.
///
/// ```
/// use tasker_runtime::store::{Options, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tasker_runtime::store::Error> {
/// let store = Store::open("sqlite::memory:", Options::default()).await?;
/// assert!(store.version().await?.starts_with("SQLite 3."));
/// assert!(Store::open("mysql://host/db", Options::default()).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    max_payload_bytes: usize,
}

#[derive(Clone)]
enum Backend {
    #[cfg(feature = "postgres")]
    Postgres { pool: sqlx::PgPool, options: Box<sqlx::postgres::PgConnectOptions>, pooler: pooler::Pooler },
    /// Without readers for a database in memory, which is its one connection.
    #[cfg(feature = "sqlite")]
    Sqlite {
        writer: std::sync::Arc<tokio::sync::Mutex<sqlite::Writer>>,
        readers: Option<sqlx::SqlitePool>,
        file: Option<file::OpenFile>,
        /// To open it anew.
        connect: Box<sqlx::sqlite::SqliteConnectOptions>,
    },
}

/// How to open a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections to PostgreSQL beside those the engine keeps for itself.
    pub pool_size: u32,
    /// Whether SQLite waits for the disk at each commit. Without it, the last moments before a power
    /// failure can be lost, though never before a crash of the process.
    pub full_sync: bool,
    /// Whether to create or update the tables.
    pub migrate: bool,
    /// How large the context of a task and the result of a step may be, in bytes.
    pub max_payload_bytes: usize,
}

/// How large contexts and results may be unless somebody says otherwise, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

impl Default for Options {
    fn default() -> Self {
        Self { pool_size: 8, full_sync: true, migrate: true, max_payload_bytes: MAX_PAYLOAD_BYTES }
    }
}

/// How long a database may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the database at `url` and brings its tables up to date.
    ///
    /// # Errors
    /// When `url` is not understood, the database does not answer within ten seconds, or its tables
    /// cannot be brought up to date.
    pub async fn open(url: &str, options: Options) -> Result<Self> {
        let backend = match Location::of(url)?.target {
            #[cfg(feature = "postgres")]
            Target::Postgres(connect, pooler) => {
                let (pool, options) = postgres::open(*connect, pooler, options);
                Backend::Postgres { pool, options, pooler }
            }
            #[cfg(feature = "sqlite")]
            Target::Sqlite(connect, path) => {
                let (writer, readers, connect) = sqlite::open(*connect, path.as_deref(), options).await?;
                let file = path.as_deref().map(file::OpenFile::of);
                Backend::Sqlite { writer, readers, file, connect }
            }
        };
        let store = Self { backend, max_payload_bytes: options.max_payload_bytes };
        if options.migrate {
            migrations::run(&store).await?;
        }
        Ok(store)
    }

    /// Refuses what is larger than contexts and results may be.
    pub(crate) fn check_size(&self, what: &'static str, payload: &Json) -> Result<()> {
        Error::check_size(what, payload, self.max_payload_bytes)
    }

    /// A connection to read from.
    pub(crate) async fn reader(&self) -> Result<Connection> {
        match &self.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { readers: Some(readers), .. } => {
                let reader = readers.acquire().await.map_err(|source| Error::Unreachable { source })?;
                Ok(Connection::new(Link::Reader(reader)))
            }
            _ => self.writer().await,
        }
    }

    /// A connection to write to.
    pub(crate) async fn writer(&self) -> Result<Connection> {
        let connection = match &self.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres { pool, pooler, options } => {
                let pooled = postgres::acquire(pool, options).await?;
                Connection::new(Link::Pooled(pooled)).behind(*pooler)
            }
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { writer, file, .. } => {
                file.as_ref().map_or(Ok(()), file::OpenFile::check)?;
                Connection::writer(writer.clone().lock_owned().await).await
            }
        };
        Ok(connection.limited(self.max_payload_bytes))
    }

    /// The same database over connections that nobody else uses, so that nobody can keep them: one on PostgreSQL,
    /// which is opened in the runtime that uses it, and one that writes to a SQLite file. A database in memory is its
    /// one connection.
    ///
    /// # Errors
    /// When a SQLite file cannot be opened once more.
    pub(crate) async fn apart(&self) -> Result<Self> {
        let backend = match &self.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres { options, pooler, .. } => {
                let one = Options { pool_size: 1, ..Options::default() };
                let (pool, options) = postgres::open((**options).clone(), *pooler, one);
                Backend::Postgres { pool, options, pooler: *pooler }
            }
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { file: None, .. } => return Ok(self.clone()),
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { readers, file, connect, .. } => {
                let writer = sqlite::another(connect).await?;
                let (readers, file, connect) = (readers.clone(), file.clone(), connect.clone());
                Backend::Sqlite { writer, readers, file, connect }
            }
        };
        Ok(Self { backend, max_payload_bytes: self.max_payload_bytes })
    }

    /// Whether what one connection is told reaches another that listens: not through a pooler that hands out
    /// another connection of the server for each transaction.
    pub(crate) fn can_listen(&self) -> bool {
        match &self.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres { pooler, .. } => *pooler == pooler::Pooler::None,
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { .. } => false,
        }
    }

    /// The limit to the connections of the server that leaves the least room for further ones: its own, that of the
    /// role or that of the database. `None` where no server counts them, or a pooler does.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn connection_limit(&self) -> Result<Option<ConnectionLimit>> {
        if !self.can_listen() {
            return Ok(None);
        }
        let Some(row) = self.reader().await?.fetch_first(&sql::CONNECTIONS, &[]).await? else {
            return Ok(None);
        };
        let mut limits = Vec::new();
        for (whose, column) in [("the server", 0), ("the role", 2), ("the database", 4)] {
            let (limit, used) = (row.int(column)?, row.int(column + 1)?);
            limits.extend((limit >= 0).then_some(ConnectionLimit { whose, limit, used }));
        }
        Ok(limits.into_iter().min_by_key(|limit| limit.limit - limit.used))
    }

    /// Whether the file of a SQLite database is still the one that was opened.
    ///
    /// # Errors
    /// When it was deleted, moved away or replaced.
    pub(crate) fn check_file(&self) -> Result<()> {
        match &self.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { file: Some(file), .. } => file.check(),
            #[allow(unreachable_patterns, reason = "without SQLite there is no file")]
            _ => Ok(()),
        }
    }

    /// A connection of the caller's own, for one who writes all the time.
    pub(crate) fn session(&self) -> Session {
        Session { store: self.clone(), kept: None }
    }

    /// Whether the database is PostgreSQL, which several machines may share.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        match &self.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres { .. } => true,
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { .. } => false,
        }
    }

    /// The file of a SQLite database, unless it is in memory.
    #[must_use]
    pub fn path(&self) -> Option<&std::path::Path> {
        match &self.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { file, .. } => file.as_ref().map(|file| file.path.as_path()),
            #[cfg(feature = "postgres")]
            Backend::Postgres { .. } => None,
        }
    }

    /// The name and version of the database.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String> {
        let name = if self.is_postgres() { "PostgreSQL" } else { "SQLite" };
        let row = self.reader().await?.fetch_first(&sql::VERSION, &[]).await?;
        Ok(format!("{name} {}", row.as_ref().map_or(Ok("?"), |row| row.text(0))?))
    }

    /// What time it is for the database, where that has a clock of its own.
    pub(crate) async fn now(&self) -> Result<Option<Timestamp>> {
        let row = self.reader().await?.fetch_first(&sql::NOW, &[]).await?;
        Ok(row.as_ref().map_or(Ok(None), |row| row.maybe_int(0))?.map(Timestamp::from_micros))
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match &self.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres { pool, .. } => pool.close().await,
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { readers, .. } => {
                if let Some(readers) = readers {
                    readers.close().await;
                }
            }
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_postgres() { "Store(PostgreSQL)" } else { "Store(SQLite)" })
    }
}

/// A limit to the connections of a PostgreSQL server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionLimit {
    /// Whose limit it is: `the server`, `the role` or `the database`.
    pub whose: &'static str,
    /// How many there may be.
    pub limit: i64,
    /// How many there are, that of whoever asks included.
    pub used: i64,
}

/// A connection kept for one user, opened when it is first needed and again after it broke.
pub(crate) struct Session {
    store: Store,
    kept: Option<Connection>,
}

impl Session {
    /// Does `work` on the connection, which is kept for the next time unless it is to blame for an error.
    ///
    /// # Errors
    /// When there is no connection, and what `work` returns.
    pub(crate) async fn run<T>(&mut self, work: impl AsyncFnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut connection = self.open().await?;
        let done = work(&mut connection).await;
        self.keep(connection);
        done
    }

    /// The connection. Hand it back with [`keep`](Self::keep).
    pub(crate) async fn open(&mut self) -> Result<Connection> {
        self.open_in(true).await
    }

    /// Opens the connection, if it is not open, and keeps it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let connection = self.open_in(false).await?;
        self.keep(connection);
        Ok(())
    }

    /// The connection; where the server has no room for it, in the place of one of the pool, if that may be.
    async fn open_in(
        &mut self,
        #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite has no such place"))]
        place_of_another: bool,
    ) -> Result<Connection> {
        if let Some(connection) = self.kept.take() {
            return Ok(connection);
        }
        match &self.store.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres { options, pooler, pool } => {
                let pool = place_of_another.then_some(pool);
                let connection = postgres::session(options, *pooler, pool).await?;
                let connection = Connection::new(Link::Postgres(Box::new(connection))).behind(*pooler);
                Ok(connection.limited(self.store.max_payload_bytes))
            }
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { .. } => self.store.writer().await,
        }
    }

    /// Keeps a connection that works for the next use. SQLite's writer goes back to the others.
    pub(crate) fn keep(&mut self, connection: Connection) {
        if connection.is_worth_keeping() {
            self.kept = Some(connection);
        }
    }
}
