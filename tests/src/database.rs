//! Databases of a test's own, on both stores.

use std::{
    fmt,
    str::FromStr,
    sync::{OnceLock, mpsc},
    time::Duration,
};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::cluster::Cluster;

/// An empty database that no other test sees. It goes when this value is dropped.
///
/// Displays as the name of its store, for the messages of assertions.
pub struct TestDatabase {
    /// What `DATABASE_URL` would say: `sqlite://…` or `postgres://…`.
    pub url: String,
    store: Store,
}

enum Store {
    Sqlite(#[expect(dead_code, reason = "removes the directory when it is dropped")] TempDir),
    Postgres,
}

impl TestDatabase {
    /// Whether it is on SQLite.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(self.store, Store::Sqlite(_))
    }
}

impl fmt::Display for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.store {
            Store::Sqlite(_) => "SQLite",
            Store::Postgres => "PostgreSQL",
        })
    }
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} at {}", self.url)
    }
}

/// One empty database on each store that the engine was built with: what is promised is promised on both.
pub async fn databases() -> Vec<TestDatabase> {
    let mut databases = Vec::new();
    for store in tasker_runtime::store::DATABASES {
        databases.push(if *store == "SQLite" { fresh_sqlite() } else { fresh_postgres().await });
    }
    databases
}

/// The path of a SQLite file that does not exist yet, in a directory of its own.
pub fn fresh_sqlite() -> TestDatabase {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let url = format!("sqlite://{}", dir.path().join("tasker.db").display());
    TestDatabase { url, store: Store::Sqlite(dir) }
}

/// A new database on the server of [`postgres`].
pub async fn fresh_postgres() -> TestDatabase {
    fresh_on(postgres().await).await
}

/// A new PostgreSQL database in LATIN1, which has no place for most characters.
pub async fn fresh_latin1() -> TestDatabase {
    fresh_as(postgres().await, "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0").await
}

/// A new database on the PostgreSQL server with this URL.
pub async fn fresh_on(server: &str) -> TestDatabase {
    fresh_as(server, "").await
}

async fn fresh_as(server: &str, how: &str) -> TestDatabase {
    let server = PgConnectOptions::from_str(server).expect("the URL of a PostgreSQL server");
    let name = format!("tasker_test_{}", uuid::Uuid::now_v7().simple());
    let mut connection = server.connect().await.expect("a connection to the PostgreSQL server");
    let create = AssertSqlSafe(format!("create database {name} {how}"));
    sqlx::query(create).execute(&mut connection).await.expect("a role that may create databases");
    connection.close().await.expect("an orderly end of the connection");
    TestDatabase { url: server.database(&name).to_url_lossy().to_string(), store: Store::Postgres }
}

/// The URL of a PostgreSQL server on which databases may be created.
///
/// It is `TASKER_TEST_DATABASE_URL`, as `tests/run` sets it; else a private server, started by the first who
/// asks and gone with this process.
pub async fn postgres() -> &'static str {
    static URL: OnceLock<Result<String, String>> = OnceLock::new();
    let find = || URL.get_or_init(|| given().map_or_else(private, Ok));
    match tokio::task::spawn_blocking(find).await.expect("a thread that finds the server") {
        Ok(url) => url,
        Err(why) => panic!("{why}"),
    }
}

fn given() -> Option<String> {
    std::env::var("TASKER_TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

fn private() -> Result<String, String> {
    let cluster = Cluster::start(false)?;
    let url = cluster.url().to_owned();
    // Never dropped: the end of the process closes the pipe, and that stops the server.
    std::mem::forget(cluster);
    Ok(url)
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if matches!(self.store, Store::Sqlite(_)) {
            return;
        }
        let url = self.url.clone();
        let (done, wait) = mpsc::channel();
        // A thread of its own, since this one may be inside a runtime. What fails here costs a little disk.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let removed = runtime.block_on(remove(&url));
            let _ = done.send(());
            removed
        });
        // The server removes a database only when each of its processes has heard of it, and one that is
        // opening a connection for the runtime that stands still here hears of nothing: leave it alone then.
        let _ = wait.recv_timeout(PATIENCE);
    }
}

/// How long the end of a test waits until its database is gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Removes the database, whoever may still be connected to it.
async fn remove(url: &str) -> Result<(), sqlx::Error> {
    let database = PgConnectOptions::from_str(url)?;
    let drop = format!("drop database {} with (force)", database.get_database().unwrap_or_default());
    let mut server = database.database("postgres").connect().await?;
    sqlx::query(AssertSqlSafe(drop)).execute(&mut server).await?;
    server.close().await
}
