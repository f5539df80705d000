//! The ground that other tests stand on: databases of their own, and nothing left behind.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    str::FromStr,
};

use sqlx::{Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use support::{TestDatabase, cluster::Cluster};

/// Writes and reads one row on a fresh connection.
async fn write_and_read(database: &TestDatabase) -> i64 {
    const CREATE: &str = "create table t (n bigint)";
    const INSERT: &str = "insert into t values (41), (1)";
    const SUM: &str = "select cast(sum(n) as bigint) from t";
    if database.url.starts_with("sqlite:") {
        let options = SqliteConnectOptions::from_str(&database.url).unwrap().create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(CREATE).execute(&mut connection).await.unwrap();
        sqlx::query(INSERT).execute(&mut connection).await.unwrap();
        sqlx::query_scalar(SUM).fetch_one(&mut connection).await.unwrap()
    } else {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        sqlx::query(CREATE).execute(&mut connection).await.unwrap();
        sqlx::query(INSERT).execute(&mut connection).await.unwrap();
        sqlx::query_scalar(SUM).fetch_one(&mut connection).await.unwrap()
    }
}

#[tokio::test]
async fn both_stores_give_databases_of_ones_own() {
    let mut stores = Vec::new();
    for database in support::databases().await.iter().chain(&support::databases().await) {
        // A second database on the same server would already have the table.
        assert_eq!(write_and_read(database).await, 42, "{database}");
        stores.push(database.to_string());
    }
    assert_eq!(stores, ["SQLite", "PostgreSQL", "SQLite", "PostgreSQL"]);
}

#[tokio::test]
async fn dropped_database_is_gone_even_while_connected() {
    let sqlite = support::fresh_sqlite();
    write_and_read(&sqlite).await;
    let file = sqlite.url.strip_prefix("sqlite://").unwrap().to_owned();
    assert!(Path::new(&file).exists());
    drop(sqlite);
    assert!(!Path::new(&file).exists());

    let postgres = support::fresh_postgres().await;
    let url = postgres.url.clone();
    let _connected = PgConnection::connect(&url).await.unwrap();
    drop(postgres);
    let refused = PgConnection::connect(&url).await.err().unwrap();
    // 3D000: the database does not exist.
    assert_eq!(
        refused.as_database_error().and_then(|error| error.code()).as_deref(),
        Some("3D000"),
        "{refused}"
    );
}

#[tokio::test]
async fn tests_connect_without_superuser() {
    let database = support::fresh_postgres().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let superuser: bool = sqlx::query_scalar("select rolsuper from pg_roles where rolname = current_user")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(!superuser || std::env::var_os("TASKER_TEST_DATABASE_URL").is_some());
}

#[tokio::test]
async fn crashed_cluster_keeps_what_was_committed() {
    let mut cluster = Cluster::start(true).unwrap();
    let mut connection = PgConnection::connect(cluster.url()).await.unwrap();
    let fsync: String = sqlx::query_scalar("show fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");
    let mut owned = PgConnection::connect(cluster.url()).await.unwrap();
    sqlx::query("create database kept").execute(&mut owned).await.unwrap();
    cluster.crash().unwrap();
    assert!(
        sqlx::query("select 1").execute(&mut connection).await.is_err(),
        "the connection outlived the crash"
    );
    assert!(PgConnection::connect(cluster.url()).await.is_err(), "the server outlived the crash");
    cluster.restart().unwrap();
    let mut connection = PgConnection::connect(&cluster.url().replace("/postgres", "/kept")).await.unwrap();
    sqlx::query("select 1").execute(&mut connection).await.unwrap();
}

/// Set for the process that `cluster_is_gone_when_its_process_is_killed` starts and kills.
const VICTIM: &str = "TASKER_TEST_VICTIM";

#[tokio::test]
async fn cluster_is_gone_when_its_process_is_killed() {
    const NAME: &str = "cluster_is_gone_when_its_process_is_killed";
    if std::env::var_os(VICTIM).is_some() {
        println!("\nurl={}", support::postgres().await);
        std::future::pending::<()>().await;
    }
    let temporary = tempfile::tempdir().unwrap();
    // The server runs as another user when this one is root.
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(VICTIM, "1")
        .env("TMPDIR", temporary.path())
        .env_remove("TASKER_TEST_DATABASE_URL")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let url = lines.find_map(|line| line.unwrap().strip_prefix("url=").map(str::to_owned)).unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let address: String = sqlx::query_scalar("select host(inet_server_addr()) || ':' || inet_server_port()")
        .fetch_one(&mut connection)
        .await
        .unwrap();

    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1, "the directory of the server");
    victim.kill().unwrap();
    victim.wait().unwrap();
    // Whoever watches over the server holds this pipe too: its end is the end of the watch.
    victim.stderr.take().unwrap().read_to_end(&mut Vec::new()).unwrap();

    assert!(TcpStream::connect(&address).is_err(), "something still listens on {address}");
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
