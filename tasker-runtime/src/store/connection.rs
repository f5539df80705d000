//! Connections, and what becomes of a transaction whose caller stops waiting for its end.

use std::time::Duration;

use sqlx::{Executor, PgConnection, Postgres, Sqlite, SqliteConnection, pool::PoolConnection};
use tokio::sync::OwnedMutexGuard;

use super::{
    Error, MAX_PAYLOAD_BYTES, Result, Row, Statement, Value,
    db::{bind_postgres, bind_sqlite, sqlite_rows},
    location::Pooler,
};
use crate::model::Json;

/// How long a PostgreSQL server may take to answer a statement. A connection on which nothing comes for so long is
/// given up, as one is whose other end is gone without a word.
const ANSWER: Duration = Duration::from_secs(30);

async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(Error::timed_out()))
}

async fn postgres_written(
    c: &mut PgConnection,
    sql: &Statement,
    values: &[Value<'_>],
    lives: Prepared,
) -> Result<u64> {
    let written = within(c, lives, async |c| {
        let query = bind_postgres(sql.postgres(), values).persistent(lives == Prepared::Kept);
        query.execute(c).await.map(|done| done.rows_affected())
    });
    written.await.map_err(|error| Error::statement(sql, error))
}

async fn postgres_read(
    c: &mut PgConnection,
    sql: &Statement,
    values: &[Value<'_>],
    lives: Prepared,
) -> Result<Vec<Row>> {
    let read = within(c, lives, async |c| {
        bind_postgres(sql.postgres(), values).persistent(lives == Prepared::Kept).fetch_all(c).await
    });
    let rows = read.await.map_err(|error| Error::statement(sql, error))?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// How long a statement is known to the server once it was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prepared {
    /// As long as the connection.
    Kept,
    /// As long as the transaction that is open.
    InTransaction,
    /// As long as a transaction of its own: behind a pooler that hands out another connection of the server for
    /// each, it would be unknown by the time it is run.
    Alone,
}

/// Begins a transaction and pins its plans, as [`PINNED_PLANS`](super::PINNED_PLANS) does those of a session.
const BEGIN_PINNED: &str = "begin; set local plan_cache_mode = force_generic_plan; set local enable_hashjoin = off; \
                            set local enable_mergejoin = off; set local enable_seqscan = off; set local jit = off";

async fn within<T>(
    c: &mut PgConnection,
    lives: Prepared,
    work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    if lives != Prepared::Alone {
        return work(c).await;
    }
    c.execute(BEGIN_PINNED).await?;
    let done = work(c).await;
    // Without an answer to this nothing is known to be durable.
    let ended = c.execute(if done.is_ok() { "commit" } else { "rollback" }).await;
    done.and_then(|done| ended.map(|_| done))
}

async fn sqlite_written(c: &mut SqliteConnection, sql: &Statement, values: &[Value<'_>]) -> Result<u64> {
    let done = bind_sqlite(sql.sqlite(), values).execute(c).await;
    done.map(|done| done.rows_affected()).map_err(|error| Error::statement(sql, error))
}

/// Runs a statement without values in one go, unprepared.
async fn simple(c: &mut PgConnection, sql: &Statement, text: &'static str) -> Result<()> {
    c.execute(text).await.map(drop).map_err(|error| Error::statement(sql, error))
}

/// A connection to run statements on, one at a time. Dropped in the middle of a transaction, as when nobody
/// waits for its end any more, it leaves none behind.
pub(crate) struct Connection {
    link: Link,
    /// A transaction is begun, and its end is not known to have come.
    open: bool,
    /// Something failed that another connection may not.
    broken: bool,
    /// What stands between it and the server.
    pooler: Pooler,
    /// How large contexts and results may be.
    max_payload_bytes: usize,
}

/// What a connection goes by.
pub(super) enum Link {
    /// One connection of the pool.
    Pooled(PoolConnection<Postgres>),
    /// A connection of its own, for those who use it all the time.
    Postgres(Box<PgConnection>),
    /// The writer, shared by all who write, or the only connection.
    Writer(OwnedMutexGuard<Writer>),
    /// One of the readers.
    Reader(PoolConnection<Sqlite>),
}

/// The one connection that writes to a SQLite database.
pub(super) struct Writer {
    pub connection: SqliteConnection,
    /// Whoever had it before dropped it in the middle of a transaction.
    open: bool,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection, open: false }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        match &mut self.link {
            // The next one would take part in the transaction and never see it end, or fail as this one did.
            Link::Pooled(connection) if self.open || self.broken => connection.close_on_drop(),
            Link::Writer(writer) if self.open => writer.open = true,
            Link::Pooled(_) | Link::Writer(_) => {}
            // The first is closed with this; the second only reads.
            Link::Postgres(_) | Link::Reader(_) => {}
        }
    }
}

impl Connection {
    pub(super) fn new(link: Link) -> Self {
        let (pooler, max_payload_bytes) = (Pooler::None, MAX_PAYLOAD_BYTES);
        Self { link, open: false, broken: false, pooler, max_payload_bytes }
    }

    /// The writer, once nothing is open on it.
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
        matches!(self.link, Link::Postgres(_)) && !self.open && !self.broken
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
    fn ended<T>(&mut self, lives: Prepared, done: &Result<T>) {
        let is_over = !done.as_ref().is_err_and(Error::needs_new_connection);
        self.open &= !(lives == Prepared::Alone && is_over);
    }

    /// Says something to the server that begins or ends a transaction.
    async fn say(&mut self, sql: &'static Statement) -> Result<()> {
        if self.pooler == Pooler::None {
            return self.execute(sql, &[]).await.map(drop);
        }
        let text = if sql.postgres() == "begin" { BEGIN_PINNED } else { sql.postgres() };
        super::db::note_statement();
        let said = match &mut self.link {
            Link::Pooled(c) => in_time(simple(c, sql, text)).await,
            Link::Postgres(c) => in_time(simple(c, sql, text)).await,
            Link::Writer(_) | Link::Reader(_) => Ok(()),
        };
        self.note(said)
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn fetch(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>> {
        let lives = self.prepared();
        let rows = match &mut self.link {
            Link::Pooled(connection) => in_time(postgres_read(connection, sql, values, lives)).await,
            Link::Postgres(connection) => in_time(postgres_read(connection, sql, values, lives)).await,
            Link::Writer(writer) => sqlite_rows(&mut writer.connection, sql, values).await,
            Link::Reader(connection) => sqlite_rows(connection, sql, values).await,
        };
        self.ended(lives, &rows);
        self.note(rows)
    }

    /// Runs a statement and returns its first row, if there is one.
    pub(crate) async fn fetch_first(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.fetch(sql, values).await?.into_iter().next())
    }

    /// Runs one statement and returns how many rows it wrote.
    pub(crate) async fn execute(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<u64> {
        let lives = self.prepared();
        let written = match &mut self.link {
            Link::Pooled(c) => in_time(postgres_written(c, sql, values, lives)).await,
            Link::Postgres(c) => in_time(postgres_written(c, sql, values, lives)).await,
            Link::Writer(writer) => sqlite_written(&mut writer.connection, sql, values).await,
            Link::Reader(c) => sqlite_written(c, sql, values).await,
        };
        self.ended(lives, &written);
        self.note(written)
    }

    /// Runs a script that adds rows, all or none, and returns what it reports.
    ///
    /// On PostgreSQL it is one statement; on SQLite it may be several, from `begin` to `commit`.
    pub(crate) async fn script(&mut self, sql: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>> {
        if !matches!(self.link, Link::Writer(_)) {
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
        match rows.first() {
            Some(Row::Postgres(_)) => Ok([count(0, 0)?, count(0, 1)?]),
            _ => Ok([count(0, 0)?, count(1, 0)?]),
        }
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

    /// Runs statements without values in one go, in the transaction that is open.
    pub(super) async fn run_plain(&mut self, text: &str) -> Result<()> {
        static PLAIN: Statement = Statement::shared("-- bring the tables up to date");
        let text = sqlx::AssertSqlSafe(text.to_owned());
        let done = match &mut self.link {
            Link::Pooled(c) => c.execute(sqlx::raw_sql(text)).await.map(drop),
            Link::Postgres(c) => c.execute(sqlx::raw_sql(text)).await.map(drop),
            Link::Writer(writer) => writer.connection.execute(sqlx::raw_sql(text)).await.map(drop),
            Link::Reader(c) => c.execute(sqlx::raw_sql(text)).await.map(drop),
        };
        self.note(done.map_err(|error| Error::statement(&PLAIN, error)))
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
        let prepared = match &mut self.link {
            Link::Pooled(c) => c.prepare(sql.postgres().into_sql_str()).await.map(drop),
            Link::Postgres(c) => c.prepare(sql.postgres().into_sql_str()).await.map(drop),
            Link::Writer(writer) => writer.connection.prepare(sql.sqlite().into_sql_str()).await.map(drop),
            Link::Reader(c) => c.prepare(sql.sqlite().into_sql_str()).await.map(drop),
        };
        prepared.map_err(|error| Error::statement(sql, error))
    }
}
