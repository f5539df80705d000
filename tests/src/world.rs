//! A database, a clock and a stage: everything a test of the engine needs besides its steps.

use std::{future::Future, str::FromStr, time::Duration};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use tasker_runtime::{
    Tasker,
    api::{Builder, Submission, TaskReport},
    clock::Clock,
    config::Config,
    model::Timestamp,
    store,
    template::Template,
};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    database::{TestDatabase, databases},
    stage::{self, Stage},
};

/// When the clocks of tests start.
pub const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A world of a test's own. Time stands still in it until the test moves it.
pub struct World {
    /// Its database.
    pub database: TestDatabase,
    /// Its clock, shared by all processes in it.
    pub clock: Clock,
    /// What its handlers do.
    pub stage: Stage,
}

/// A world on each store.
pub async fn worlds() -> Vec<World> {
    databases().await.into_iter().map(World::on).collect()
}

impl World {
    /// A world on this database.
    #[must_use]
    pub fn on(database: TestDatabase) -> Self {
        let clock = Clock::manual(START);
        let stage = Stage::new(&clock);
        Self { database, clock, stage }
    }

    /// A builder on this world's database, clock and stage, with `settings` such as
    /// `("worker.drain_seconds", "0")`.
    #[must_use]
    pub fn builder(&self, settings: &[(&str, &str)]) -> Builder {
        let variable = |name: &str| {
            let is_meant =
                |(key, _): &&(&str, &str)| name == format!("TASKER_{}", key.replace('.', "_").to_uppercase());
            settings.iter().find(is_meant).map(|(_, value)| (*value).to_owned())
        };
        let config = Config::from_parts(None, variable).expect("settings that are known");
        Tasker::builder()
            .config(&config)
            .database(&self.database.url)
            .store_options(store::Options { pool_size: 4, full_sync: false, ..store::Options::default() })
            .clock(self.clock.clone())
            .state(self.stage.clone())
            .registry(stage::registry())
    }

    /// A running engine that knows `template`.
    pub async fn start(&self, template: &Template) -> Tasker {
        self.builder(&[]).template(template.clone()).start().await.expect("an engine that starts")
    }

    /// A handle that runs nothing: for submitting and looking.
    pub async fn connect(&self, template: &Template) -> Tasker {
        self.builder(&[]).template(template.clone()).connect().await.expect("a database that answers")
    }

    /// A running engine that can be killed.
    pub async fn process(&self, template: &Template) -> Process {
        Process::start(self.builder(&[]).template(template.clone())).await
    }

    /// The rows of a query, each value as text or nothing. Tables are named with their schema.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        if self.database.is_sqlite() {
            let options = SqliteConnectOptions::from_str(&self.database.url).expect("a SQLite URL");
            let mut connection = SqliteConnection::connect_with(&options).await.expect("a connection");
            let sql = AssertSqlSafe(sql.replace("tasker.", ""));
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("a query SQLite understands");
            let text =
                |row: &sqlx::sqlite::SqliteRow, column| row.get_unchecked::<Option<String>, usize>(column);
            rows.iter()
                .map(|row| (0..row.columns().len()).map(|column| text(row, column)).collect())
                .collect()
        } else {
            let mut connection = PgConnection::connect(&self.database.url).await.expect("a connection");
            let sql = AssertSqlSafe(sql.to_owned());
            // The simple protocol answers in text.
            let rows =
                sqlx::raw_sql(sql).fetch_all(&mut connection).await.expect("a query PostgreSQL understands");
            let text =
                |row: &sqlx::postgres::PgRow, column| row.get_unchecked::<Option<String>, usize>(column);
            rows.iter()
                .map(|row| (0..row.columns().len()).map(|column| text(row, column)).collect())
                .collect()
        }
    }

    /// The first column of the rows of a query.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        let first = |row: Vec<Option<String>>| row.into_iter().next().flatten().unwrap_or_default();
        self.rows(sql).await.into_iter().map(first).collect()
    }

    /// The one number a query answers with.
    pub async fn count(&self, sql: &str) -> u64 {
        self.column(sql).await[0].parse().expect("a number")
    }

    /// Changes rows as no process would. Tables are named with their schema.
    pub async fn change(&self, sql: &str) {
        self.rows(sql).await;
    }
}

/// A process of a test: an engine on a runtime of its own, so that it can end without a word.
pub struct Process {
    /// Its handle.
    pub tasker: Tasker,
    runtime: Runtime,
}

impl Process {
    /// Starts what `builder` describes on a new runtime.
    pub async fn start(builder: Builder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let started = runtime.spawn(builder.start()).await.expect("a start that does not panic");
        Self { tasker: started.expect("an engine that starts"), runtime }
    }

    /// Adds a task from inside the process.
    pub async fn submit(&self, submission: Submission) -> Uuid {
        let tasker = self.tasker.clone();
        let submitted = self.runtime.spawn(async move { tasker.submit(submission).await });
        submitted.await.expect("a submission that does not panic").expect("a task that is added")
    }

    /// Ends the process as `kill -9` does: nothing is recorded, nothing is given back.
    pub fn kill(self) {
        let Self { tasker, runtime } = self;
        // Nothing of it runs any more when this returns: a last sign of life would renew its lease.
        let ended = std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE));
        ended.join().expect("a runtime that ends");
        drop(tasker);
    }
}

/// The task once it is over or cannot go on by itself.
///
/// # Panics
///
/// When it is neither within half a minute.
pub async fn settled(tasker: &Tasker, task: Uuid) -> TaskReport {
    match tokio::time::timeout(PATIENCE, tasker.wait(task)).await {
        Ok(outcome) => {
            let outcome = outcome.expect("a task that can be read");
            let report =
                tasker.show(task).await.expect("a database that answers").expect("a task that is there");
            // Two ways to the same, but for what operators did in between.
            if report.state == outcome.state {
                assert_eq!(outcome.json.to_value(), report.result, "task {task}");
                assert_eq!(outcome.cause, report.cause, "task {task}");
            }
            report
        }
        Err(_) => panic!("waited in vain for task {task}: {:?}", tasker.show(task).await),
    }
}

/// How long conditions have to come true on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `look` finds once it finds something.
///
/// # Panics
///
/// When it finds nothing for half a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
