//! Where everything durable is: embedded SQLite or PostgreSQL, behind one seam.
//!
//! This module alone knows URLs, pools, migrations and the text of statements. What a transaction does
//! is written in [`orchestration`](crate::orchestration), once for both databases.

mod changes;
mod connection;
mod db;
mod error;
mod file;
mod listener;
mod location;
mod migrations;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod on_databases;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod plans;
pub(crate) mod presence;
mod rows;
pub(crate) mod sql;
#[cfg(feature = "test-unfenced")]
mod unfenced;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod upgrade_tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Connection as _, Executor, SqliteConnection, SqlitePool,
    postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use crate::model::{Json, Timestamp};
pub(crate) use connection::Connection;
use connection::Link;
pub use db::CallerTransaction;
pub(crate) use db::{Row, Statement, Value, statements_sent, values};
pub use error::{Error, Result};
pub(crate) use listener::Listener;
pub use location::Location;
use location::{Pooler, Target};
pub(crate) use rows::{Column, Rows};

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    max_payload_bytes: usize,
}

#[derive(Clone)]
enum Backend {
    Postgres {
        pool: PgPool,
        options: Box<PgConnectOptions>,
        pooler: Pooler,
    },
    /// Without readers for a database in memory, which is its one connection.
    Sqlite {
        writer: Arc<tokio::sync::Mutex<connection::Writer>>,
        readers: Option<SqlitePool>,
        file: Option<file::OpenFile>,
        /// To open it anew.
        connect: Box<SqliteConnectOptions>,
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
        let store = match Location::of(url)?.target {
            Target::Postgres(connect, pooler) => Self::open_postgres(*connect, pooler, options),
            Target::Sqlite(connect, path) => Self::open_sqlite(*connect, path, options).await?,
        };
        if options.migrate {
            migrations::run(&store).await?;
        }
        Ok(store)
    }

    fn open_postgres(connect: PgConnectOptions, pooler: Pooler, options: Options) -> Self {
        // No number with a fraction is read: a setting less that poolers refuse.
        let connect = connect.application_name("tasker").extra_float_digits(None).disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(options.pool_size.max(1))
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                // Who looks at tasks goes by index too, whatever the statistics say.
                Box::pin(async move { set_up(connection, pooler).await })
            })
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    // One that was just used lives; asking it each time would double every short call.
                    if meta.idle_for > Duration::from_secs(1) {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(connect.clone());
        let max_payload_bytes = options.max_payload_bytes;
        Self { backend: Backend::Postgres { pool, options: Box::new(connect), pooler }, max_payload_bytes }
    }

    async fn open_sqlite(
        connect: SqliteConnectOptions,
        path: Option<std::path::PathBuf>,
        options: Options,
    ) -> Result<Self> {
        let sync = if options.full_sync { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
        let connect = connect
            .create_if_missing(true)
            .synchronous(sync)
            .busy_timeout(PATIENCE)
            .foreign_keys(false)
            .disable_statement_logging();
        let unopened = |source| match &path {
            Some(path) => location::unopened(path, source),
            None => Error::Unreachable { source },
        };
        let mut writer = connect.connect().await.map_err(unopened)?;
        if path.is_some() {
            keep_a_log(&mut writer).await.map_err(unopened)?;
        }
        let writer = Arc::new(tokio::sync::Mutex::new(connection::Writer::new(writer)));
        let file = path.as_deref().map(file::OpenFile::of);
        let readers = path
            .is_some()
            .then(|| SqlitePoolOptions::new().max_connections(options.pool_size.clamp(1, 4)))
            .map(|pool| pool.test_before_acquire(false).connect_lazy_with(connect.clone()));
        let max_payload_bytes = options.max_payload_bytes;
        let backend = Backend::Sqlite { writer, readers, file, connect: Box::new(connect) };
        Ok(Self { backend, max_payload_bytes })
    }

    /// Refuses what is larger than contexts and results may be.
    pub(crate) fn check_size(&self, what: &'static str, payload: &Json) -> Result<()> {
        Error::check_size(what, payload, self.max_payload_bytes)
    }

    /// A connection to read from.
    pub(crate) async fn reader(&self) -> Result<Connection> {
        match &self.backend {
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
            Backend::Postgres { pool, pooler, options } => {
                let pooled = match pool.acquire().await {
                    Err(sqlx::Error::PoolTimedOut) => return Err(why_none(options).await),
                    acquired => acquired.map_err(|source| Error::Unreachable { source })?,
                };
                Connection::new(Link::Pooled(pooled)).behind(*pooler)
            }
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
            Backend::Postgres { options, pooler, .. } => {
                let one = Options { pool_size: 1, ..Options::default() };
                let Self { backend, .. } = Self::open_postgres((**options).clone(), *pooler, one);
                backend
            }
            Backend::Sqlite { file: None, .. } => return Ok(self.clone()),
            Backend::Sqlite { readers, file, connect, .. } => {
                let writer = connect.connect().await.map_err(|source| Error::Unreachable { source })?;
                let writer = Arc::new(tokio::sync::Mutex::new(connection::Writer::new(writer)));
                let (readers, file, connect) = (readers.clone(), file.clone(), connect.clone());
                Backend::Sqlite { writer, readers, file, connect }
            }
        };
        Ok(Self { backend, max_payload_bytes: self.max_payload_bytes })
    }

    /// Closes a connection of the pool that nobody uses, for one who cannot do without; false: there is none.
    async fn free_one(&self) -> bool {
        let Backend::Postgres { pool, .. } = &self.backend else { return false };
        match pool.try_acquire() {
            Some(idle) => idle.close().await.is_ok(),
            None => false,
        }
    }

    /// How many connections the server has room for, and the smallest of its limits; `None` where no server counts
    /// them, or a pooler does.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn room(&self) -> Result<Option<ServerRoom>> {
        if !self.can_listen() {
            return Ok(None);
        }
        let Some(row) = self.reader().await?.fetch_first(&sql::CONNECTIONS, &[]).await? else {
            return Ok(None);
        };
        let limits = [("the server", 0), ("the role", 2), ("the database", 4)];
        let mut rooms = Vec::new();
        for (whose, column) in limits {
            let (limit, used) = (row.int(column)?, row.int(column + 1)?);
            rooms.extend((limit >= 0).then_some(ServerRoom { whose, limit, used }));
        }
        Ok(rooms.into_iter().min_by_key(ServerRoom::free))
    }

    /// Whether the file of a SQLite database is still the one that was opened.
    ///
    /// # Errors
    /// When it was deleted, moved away or replaced.
    pub(crate) fn check_file(&self) -> Result<()> {
        match &self.backend {
            Backend::Sqlite { file: Some(file), .. } => file.check(),
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
        matches!(self.backend, Backend::Postgres { .. })
    }

    /// Whether what one connection is told reaches another that listens: not through a pooler that hands out
    /// another connection of the server for each transaction.
    pub(crate) fn can_listen(&self) -> bool {
        matches!(self.backend, Backend::Postgres { pooler: Pooler::None, .. })
    }

    /// The file of a SQLite database, unless it is in memory.
    #[must_use]
    pub fn path(&self) -> Option<&std::path::Path> {
        match &self.backend {
            Backend::Sqlite { file, .. } => file.as_ref().map(|file| file.path.as_path()),
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
            Backend::Postgres { pool, .. } => pool.close().await,
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerRoom {
    /// Whose limit it is.
    pub whose: &'static str,
    /// How many there may be.
    pub limit: i64,
    /// How many there are.
    pub used: i64,
}

impl ServerRoom {
    /// How many more there may be.
    pub(crate) fn free(&self) -> i64 {
        (self.limit - self.used).max(0)
    }
}

/// A connection kept for one user, opened when it is first needed and again after it broke.
pub(crate) struct Session {
    store: Store,
    kept: Option<Connection>,
}

/// Plans that hold for every size of every table: lookups by index, joined row by row. Left to its
/// statistics, PostgreSQL turns claim and record to hash joins over whole tables now and then, and spends a second
/// on compiling a claim that takes a millisecond.
const PINNED_PLANS: &str = "set plan_cache_mode = force_generic_plan; set enable_hashjoin = off; \
                            set enable_mergejoin = off; set enable_seqscan = off; set jit = off";

/// Has the server notice within half a minute that a connection is dead on which it sends or waits; a client that is
/// gone would keep its locks for hours.
const WATCHED: &str = "set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3; \
                       set tcp_user_timeout = 30000";

/// Sets up a connection that is the server's own. Through a pooler of transactions each of these pins its own plans,
/// and the connections of others stay as they are.
async fn set_up(connection: &mut PgConnection, pooler: Pooler) -> sqlx::Result<()> {
    match pooler {
        Pooler::None => {
            connection.execute(PINNED_PLANS).await?;
            connection.execute(WATCHED).await.map(drop)
        }
        Pooler::OfTransactions => Ok(()),
    }
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

    /// The connection; where the server has no room for it, in the place of one of the pool, if that may be.
    async fn open_in(&mut self, place_of_another: bool) -> Result<Connection> {
        if let Some(connection) = self.kept.take() {
            return Ok(connection);
        }
        let Backend::Postgres { options, pooler, .. } = &self.store.backend else {
            return self.store.writer().await;
        };
        let mut connection = match connect(options).await {
            Err(error) if error.is_full() && place_of_another && self.store.free_one().await => {
                connect(options).await?
            }
            connected => connected?,
        };
        set_up(&mut connection, *pooler).await.map_err(|source| Error::Unreachable { source })?;
        let connection = Connection::new(Link::Postgres(Box::new(connection))).behind(*pooler);
        Ok(connection.limited(self.store.max_payload_bytes))
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

    /// Keeps a connection that works for the next use. SQLite's writer goes back to the others.
    pub(crate) fn keep(&mut self, connection: Connection) {
        if connection.is_worth_keeping() {
            self.kept = Some(connection);
        }
    }
}

/// Why the pool came to no connection: it goes on trying, and does not say.
async fn why_none(options: &PgConnectOptions) -> Error {
    match tokio::time::timeout(Duration::from_secs(1), connect(options)).await {
        Ok(Err(why)) => why,
        // All of its connections are in use, or nothing answers.
        Ok(Ok(_)) | Err(_) => Error::Unreachable { source: sqlx::Error::PoolTimedOut },
    }
}

/// A connection beside the pool. It fails at once where the pool would go on trying until its patience ends.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let connected = match tokio::time::timeout(PATIENCE, options.connect()).await {
        Ok(connected) => connected,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    };
    connected.map_err(|source| Error::Unreachable { source })
}

/// Has a SQLite file write ahead to a log, for good. While another process makes this very change to a new
/// file, SQLite refuses it at once, where it would wait for any other lock.
async fn keep_a_log(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.execute("pragma journal_mode = wal").await {
            Err(error) if error::is_busy(&error) && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            done => return done.map(drop),
        }
    }
}
