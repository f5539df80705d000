//! Plain SQL on the database under test, beside the engine: every value is read as text.

use std::{collections::HashMap, str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, PgPool, Row, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use uuid::Uuid;

use super::Outcome;
use super::workflows::{APPROVAL, LISTENING};

/// The database under test.
#[derive(Clone)]
pub(crate) enum Database {
    /// Tables are in the schema `tasker`.
    Postgres(PgPool),
    /// Tables are in no schema.
    Sqlite(SqlitePool),
}

/// What tasks that are being rolled back are counted under.
pub(crate) const COMPENSATING: &str = "undoing";

/// How long a look may take; the server may be down.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a writer of SQLite may keep others waiting before it is taken for one that stands still.
const SHORT: Duration = Duration::from_secs(1);

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
        self.runs("true").await
    }

    /// How many tasks are not over and not set aside either.
    pub(crate) async fn open(&self) -> Outcome<u64> {
        let set_aside = "select task_id from tasker.dead_letters where resolved_at is null";
        self.runs(&format!("task_id not in ({set_aside})")).await
    }

    /// How many events the subscription has not settled.
    pub(crate) async fn unheard(&self) -> Outcome<u64> {
        let sql = format!(
            "select cast((select count(*) from tasker.events e where e.position > s.position) \
             + (select count(*) from tasker.parked p where p.subscription_id = s.id) as text) \
             from tasker.subscriptions s where s.name = '{LISTENING}'"
        );
        let rows = self.rows(&sql).await?;
        Ok(rows.first().and_then(|row| row[0].as_deref()).unwrap_or("1").parse()?)
    }

    /// How many tasks are not over and are as `which` says.
    async fn runs(&self, which: &str) -> Outcome<u64> {
        let sql =
            format!("select cast(count(*) as text) from tasker.runs where finished_at is null and {which}");
        let rows = self.rows(&sql).await?;
        Ok(rows.first().and_then(|row| row[0].as_deref()).unwrap_or_default().parse()?)
    }

    /// How many tasks of each workflow are in the hands of the process `pid`, or of any, and under
    /// [`UNDOING`] how many of them are being rolled back.
    pub(crate) async fn in_hand(&self, pid: Option<u32>) -> Outcome<HashMap<String, u64>> {
        let holder = pid.map_or_else(|| "%".to_owned(), |pid| format!("{pid}@%"));
        let tasks = "tasker.runs r join tasker.tasks t on t.id = r.task_id \
                     join tasker.templates p on p.id = t.template_id join tasker.workers w on w.id = r.owner";
        let sql = format!(
            "select p.name, cast(count(*) as text), cast(sum(case when r.state = 4 then 1 else 0 end) as text) \
             from {tasks} where r.finished_at is null and w.stopped_at is null and w.name like '{holder}' \
             group by p.name"
        );
        let mut in_hand: HashMap<String, u64> = HashMap::new();
        for row in self.rows(&sql).await? {
            let text = |column: usize| row[column].as_deref().unwrap_or_default();
            in_hand.insert(text(0).to_owned(), text(1).parse()?);
            *in_hand.entry(COMPENSATING.to_owned()).or_default() += text(2).parse::<u64>()?;
        }
        Ok(in_hand)
    }

    /// At most so many of the tasks that are open, in whoever's hands, those that were submitted last.
    pub(crate) async fn some_open(&self, most: u32) -> Outcome<Vec<Uuid>> {
        let sql = format!(
            "select cast(t.uuid as text) from tasker.runs r join tasker.tasks t on t.id = r.task_id \
             where r.finished_at is null order by t.id desc limit {most}"
        );
        self.tasks(&sql).await
    }

    /// The tasks that are paused.
    pub(crate) async fn paused(&self) -> Outcome<Vec<Uuid>> {
        let sql = "select cast(t.uuid as text) from tasker.runs r join tasker.tasks t on t.id = r.task_id \
                   where r.state = 5";
        self.tasks(sql).await
    }

    /// The tasks whose workflow waits for an answer, and that are not over.
    pub(crate) async fn waiting_for_answers(&self) -> Outcome<Vec<Uuid>> {
        let sql = format!(
            "select cast(t.uuid as text) from tasker.runs r join tasker.tasks t on t.id = r.task_id \
             join tasker.templates p on p.id = t.template_id \
             where r.finished_at is null and p.name = '{}'",
            APPROVAL.0
        );
        self.tasks(&sql).await
    }

    async fn tasks(&self, sql: &str) -> Outcome<Vec<Uuid>> {
        let rows = self.rows(sql).await?;
        rows.iter().map(|row| Ok(row[0].as_deref().unwrap_or_default().parse()?)).collect()
    }

    /// The tasks that were set aside and are not taken up again.
    pub(crate) async fn set_aside(&self) -> Outcome<Vec<Uuid>> {
        let sql = "select cast(t.uuid as text) from tasker.dead_letters d join tasker.tasks t on t.id = d.task_id \
                   where d.resolved_at is null";
        self.tasks(sql).await
    }

    /// Whether nobody can write: on SQLite, one that stands still in the middle of a write keeps all others
    /// from theirs.
    pub(crate) async fn is_locked(&self) -> Outcome<bool> {
        let Self::Sqlite(pool) = self else { return Ok(false) };
        let options = pool.connect_options().as_ref().clone().busy_timeout(SHORT);
        Ok(options.connect().await?.execute("begin immediate; rollback").await.is_err())
    }

    /// Whether the process `pid`, as a worker, was given up by others.
    pub(crate) async fn given_up(&self, pid: u32) -> Outcome<bool> {
        let sql = format!(
            "select cast(stopped_at as text) from tasker.workers where name like '{pid}@%' order by id desc limit 1"
        );
        Ok(self.rows(&sql).await?.first().is_some_and(|row| row[0].is_some()))
    }
}
