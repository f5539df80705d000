//! Plain SQL on the database under test, beside the engine: every value is read as text.

use std::{str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, PgPool, Row, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use uuid::Uuid;

use super::Outcome;

/// The database under test.
#[derive(Clone)]
pub(crate) enum Database {
    /// Tables are in the schema `tasker`.
    Postgres(PgPool),
    /// Tables are in no schema.
    Sqlite(SqlitePool),
}

/// How long a look may take; the server may be down.
const PATIENCE: Duration = Duration::from_secs(2);

impl Database {
    /// The database at `url`, connected to when it is first asked.
    pub(crate) fn at(url: &str) -> Outcome<Self> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?.busy_timeout(Duration::from_secs(10));
            return Ok(Self::Sqlite(SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options)));
        }
        Ok(Self::Postgres(
            PgPoolOptions::new().max_connections(2).acquire_timeout(PATIENCE).connect_lazy(url)?,
        ))
    }

    /// The rows of a query whose columns are all text; `null` reads as nothing. Tables are written with
    /// their schema.
    pub(crate) async fn rows(&self, sql: &str) -> Outcome<Vec<Vec<Option<String>>>> {
        macro_rules! read {
            ($pool:expr, $sql:expr) => {{
                let rows = sqlx::raw_sql(AssertSqlSafe($sql)).fetch_all($pool).await?;
                rows.iter().map(|row| (0..row.len()).map(|column| row.try_get(column)).collect()).collect()
            }};
        }
        let rows: Result<_, sqlx::Error> = match self {
            Self::Postgres(pool) => read!(pool, sql.to_owned()),
            Self::Sqlite(pool) => read!(pool, sql.replace("tasker.", "")),
        };
        Ok(rows?)
    }

    /// How many tasks are not over.
    pub(crate) async fn unfinished(&self) -> Outcome<u64> {
        let sql = "select cast(count(*) as text) from tasker.runs where finished_at is null";
        let rows = self.rows(sql).await?;
        Ok(rows.first().and_then(|row| row[0].as_deref()).unwrap_or_default().parse()?)
    }

    /// The tasks that were set aside and are not taken up again.
    pub(crate) async fn set_aside(&self) -> Outcome<Vec<Uuid>> {
        let sql = "select cast(t.uuid as text) from tasker.dead_letters d join tasker.tasks t on t.id = d.task_id \
                   where d.resolved_at is null";
        let rows = self.rows(sql).await?;
        rows.iter().map(|row| Ok(row[0].as_deref().unwrap_or_default().parse()?)).collect()
    }

    /// Whether the process `pid`, as a worker, was given up by others.
    pub(crate) async fn given_up(&self, pid: u32) -> Outcome<bool> {
        let sql = format!(
            "select cast(stopped_at as text) from tasker.workers where name like '{pid}@%' order by id desc limit 1"
        );
        Ok(self.rows(&sql).await?.first().is_some_and(|row| row[0].is_some()))
    }
}
