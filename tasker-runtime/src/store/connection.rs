//! Connections, and what becomes of a transaction whose caller stops waiting for its end.

use sqlx::pool::PoolConnection;
#[cfg(feature = "postgres")]
use sqlx::{PgConnection, Postgres};
#[cfg(feature = "sqlite")]
use sqlx::{Sqlite, SqliteConnection};
#[cfg(feature = "sqlite")]
use tokio::sync::OwnedMutexGuard;

#[cfg(feature = "sqlite")]
use super::sqlite::{self, Writer};
use super::{Error, MAX_PAYLOAD_BYTES, Result, Row, Statement, Value};
#[cfg(feature = "postgres")]
use super::{
    pooler::{BEGIN_PINNED, Pooler, Prepared},
    postgres,
};
use crate::model::Json;

/// A connection to run statements on, one at a time. Dropped in the middle of a transaction, as when nobody
/// waits for its end any more, it leaves none behind.
pub(crate) struct Connection {
    link: Link,
    /// A transaction is begun, and its end is not known to have come.
    open: bool,
    /// Something failed that another connection may not.
    broken: bool,
    /// What stands between it and the server.
    #[cfg(feature = "postgres")]
    pooler: Pooler,
    /// How large contexts and results may be.
    max_payload_bytes: usize,
}

/// What a connection goes by.
pub(super) enum Link {
    /// One connection of the pool.
    #[cfg(feature = "postgres")]
    Pooled(PoolConnection<Postgres>),
    /// A connection of its own, for those who use it all the time.
    #[cfg(feature = "postgres")]
    Postgres(Box<PgConnection>),
    /// The writer, shared by all who write, or the only connection.
    #[cfg(feature = "sqlite")]
    Writer(OwnedMutexGuard<Writer>),
    /// One of the readers.
    #[cfg(feature = "sqlite")]
    Reader(PoolConnection<Sqlite>),
}

/// The database at the other end.
enum End<'a> {
    #[cfg(feature = "postgres")]
    Postgres(&'a mut PgConnection),
    #[cfg(feature = "sqlite")]
    Sqlite(&'a mut SqliteConnection),
}

impl Link {
    fn end(&mut self) -> End<'_> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Pooled(connection) => End::Postgres(connection),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => End::Postgres(connection),
            #[cfg(feature = "sqlite")]
            Self::Writer(writer) => End::Sqlite(&mut writer.connection),
            #[cfg(feature = "sqlite")]
            Self::Reader(connection) => End::Sqlite(connection),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        match &mut self.link {
            // The next one would take part in the transaction and never see it end, or fail as this one did.
            #[cfg(feature = "postgres")]
            Link::Pooled(connection) if self.open || self.broken => connection.close_on_drop(),
            #[cfg(feature = "sqlite")]
            Link::Writer(writer) if self.open => writer.open = true,
            // One of its user's own is closed with this, and a reader leaves nothing open.
            _ => {}
        }
    }
}

impl Connection {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            open: false,
            broken: false,
            #[cfg(feature = "postgres")]
            pooler: Pooler::None,
            max_payload_bytes: MAX_PAYLOAD_BYTES,
        }
    }

    /// The writer, once nothing is open on it.
    #[cfg(feature = "sqlite")]
    pub(super) async fn writer(mut writer: OwnedMutexGuard<Writer>) -> Self {
        let left_open = std::mem::take(&mut writer.open);
        let mut connection = Self::new(Link::Writer(writer));
        connection.open = left_open;
        if left_open {
            connection.roll_back().await;
        }
        connection
    }

    /// The same, behind this pooler.
    #[cfg(feature = "postgres")]
    pub(super) fn behind(mut self, pooler: Pooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// The same, for contexts and results of at most `most` bytes.
    pub(super) fn limited(mut self, most: usize) -> Self {
        self.max_payload_bytes = most;
        self
    }

    /// Refuses what is larger than contexts and results may be.
    pub(crate) fn check_size(&self, what: &'static str, payload: &Json) -> Result<()> {
        Error::check_size(what, payload, self.max_payload_bytes)
    }

    /// Whether it is one of its user's own that may be used again.
    pub(super) fn is_worth_keeping(&self) -> bool {
        #[cfg(feature = "postgres")]
        return matches!(self.link, Link::Postgres(_)) && !self.open && !self.broken;
        #[cfg(not(feature = "postgres"))]
        false
    }

    fn is_postgres(&mut self) -> bool {
        match self.link.end() {
            #[cfg(feature = "postgres")]
            End::Postgres(_) => true,
            #[cfg(feature = "sqlite")]
            End::Sqlite(_) => false,
        }
    }

    /// Whether a transaction is open.
    pub(crate) fn in_transaction(&self) -> bool {
        self.open
    }

    /// Remembers of an error whether the connection is to blame.
    fn note<T>(&mut self, done: Result<T>) -> Result<T> {
        if let Err(error) = &done {
            self.broken |= error.needs_new_connection();
        }
        done
    }

    /// How long what is prepared now is known. A transaction of its own may be left open by one who does not wait
    /// for its end.
    #[cfg(feature = "postgres")]
    fn prepared(&mut self) -> Prepared {
        match (self.pooler, self.open) {
            (Pooler::None, _) => Prepared::Kept,
            (Pooler::OfTransactions, true) => Prepared::InTransaction,
            (Pooler::OfTransactions, false) => {
                self.open = true;
                Prepared::Alone
            }
        }
    }

    /// Whatever was done in a transaction of its own, that is over, unless the connection is.
    #[cfg(feature = "postgres")]
    fn ended<T>(&mut self, lives: Prepared, done: &Result<T>) {
        let is_over = !done.as_ref().is_err_and(Error::needs_new_connection);
        self.open &= !(lives == Prepared::Alone && is_over);
    }

    /// Says something that begins or ends a transaction.
    async fn say(&mut self, sql: &'static Statement) -> Result<()> {
        #[cfg(feature = "postgres")]
        if self.pooler == Pooler::OfTransactions {
            let text = if sql.postgres() == "begin" { BEGIN_PINNED } else { sql.postgres() };
            return self.run_unprepared(sql, text).await;
        }
        self.execute(sql, &[]).await.map(drop)
    }

    /// Runs statements without values in one go, in the transaction that is open.
    #[cfg(feature = "postgres")]
    pub(super) async fn run_plain(&mut self, text: &str) -> Result<()> {
        static PLAIN: Statement = Statement::shared("-- bring the tables up to date");
        self.run_unprepared(&PLAIN, text).await
    }

    #[cfg(feature = "postgres")]
    async fn run_unprepared(&mut self, sql: &'static Statement, text: &str) -> Result<()> {
        let done = match self.link.end() {
            End::Postgres(connection) => postgres::plain(connection, sql, text).await,
            #[cfg(feature = "sqlite")]
            End::Sqlite(_) => Ok(()),
        };
        self.note(done)
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn fetch(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>> {
        #[cfg(feature = "postgres")]
        let lives = self.prepared();
        let rows = match self.link.end() {
            #[cfg(feature = "postgres")]
            End::Postgres(connection) => postgres::rows_in_time(connection, sql, values, lives).await,
            #[cfg(feature = "sqlite")]
            End::Sqlite(connection) => sqlite::rows(connection, sql, values).await,
        };
        #[cfg(feature = "postgres")]
        self.ended(lives, &rows);
        self.note(rows)
    }

    /// Runs a statement and returns its first row, if there is one.
    pub(crate) async fn fetch_first(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.fetch(sql, values).await?.into_iter().next())
    }

    /// Runs one statement and returns how many rows it wrote.
    pub(crate) async fn execute(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<u64> {
        #[cfg(feature = "postgres")]
        let lives = self.prepared();
        let written = match self.link.end() {
            #[cfg(feature = "postgres")]
            End::Postgres(connection) => postgres::written(connection, sql, values, lives).await,
            #[cfg(feature = "sqlite")]
            End::Sqlite(connection) => sqlite::written(connection, sql, values).await,
        };
        #[cfg(feature = "postgres")]
        self.ended(lives, &written);
        self.note(written)
    }

    /// Runs a script that adds rows, all or none, and returns what it reports.
    ///
    /// On PostgreSQL it is one statement; on SQLite it may be several, from `begin` to `commit`.
    pub(crate) async fn script(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>> {
        if self.is_postgres() {
            return self.fetch(sql, values).await;
        }
        self.open = true;
        let rows = self.fetch(sql, values).await;
        match rows {
            Ok(_) => self.open = false,
            Err(_) => self.roll_back().await,
        }
        rows
    }

    /// Runs a script that reports counts: two columns on PostgreSQL, two rows on SQLite.
    pub(crate) async fn counts(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<[u64; 2]> {
        let rows = self.script(sql, values).await?;
        let count = |row: usize, column: usize| {
            rows.get(row).map_or(Ok(0), |row| row.int(column)).map(|count| u64::try_from(count).unwrap_or(0))
        };
        let second = if self.is_postgres() { count(0, 1) } else { count(1, 0) };
        Ok([count(0, 0)?, second?])
    }

    /// Does `work` in one transaction: all of it is durable when this returns, or nothing was changed.
    ///
    /// # Errors
    /// What `work` returns, or the database. Where the answer to the commit was lost, it may have been made.
    pub(crate) async fn transaction<T, E: From<Error>>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.begin().await?;
        let ended = match work(self).await {
            Ok(done) => self.commit().await.map(|()| done).map_err(E::from),
            Err(error) => Err(error),
        };
        if ended.is_err() {
            self.roll_back().await;
        }
        ended
    }

    /// Starts a transaction; it must be ended by [`commit`](Self::commit) or [`roll_back`](Self::roll_back).
    pub(crate) async fn begin(&mut self) -> Result<()> {
        static BEGIN: Statement = Statement::twin("begin", "begin immediate");
        self.open = true;
        self.say(&BEGIN).await
    }

    /// Makes what the transaction did durable.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        static COMMIT: Statement = Statement::shared("commit");
        self.say(&COMMIT).await?;
        self.open = false;
        Ok(())
    }

    /// Undoes what an open transaction did. Without one, nothing happens.
    pub(crate) async fn roll_back(&mut self) {
        static ROLLBACK: Statement = Statement::shared("rollback");
        // Without a transaction SQLite calls this an error; either way none is open afterwards.
        let _ = self.say(&ROLLBACK).await;
        self.open = false;
    }

    /// What it goes by.
    #[cfg(test)]
    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Prepares a statement without running it.
    #[cfg(test)]
    pub(super) async fn prepare(&mut self, sql: &Statement) -> Result<()> {
        use sqlx::{Executor, SqlSafeStr};
        let prepared = match self.link.end() {
            #[cfg(feature = "postgres")]
            End::Postgres(connection) => connection.prepare(sql.postgres().into_sql_str()).await.map(drop),
            #[cfg(feature = "sqlite")]
            End::Sqlite(connection) => connection.prepare(sql.sqlite().into_sql_str()).await.map(drop),
        };
        prepared.map_err(|error| Error::statement(sql, error))
    }
}
