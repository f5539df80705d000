//! Every statement is one both databases understand, whatever their tables hold.

use support::{TestDatabase, databases};

use super::{Options, Statement, Store, sql, values};

async fn open(database: &TestDatabase) -> Store {
    Store::open(&database.url, Options::default()).await.unwrap()
}

/// The statements of a script for SQLite, without those that only begin and end its transaction.
#[cfg(feature = "sqlite")]
pub(super) fn parts(script: &str) -> Vec<&'static str> {
    let is_code = |line: &&str| !line.trim_start().starts_with("--");
    let code = script.lines().filter(is_code).collect::<Vec<_>>().join("\n");
    let meant = |part: &&str| !matches!(part.trim(), "" | "begin immediate" | "commit");
    // Statements are static; the few of a test may stay.
    code.split(';').filter(meant).map(|part| &*part.to_owned().leak()).collect()
}

#[tokio::test]
async fn every_statement_prepares_on_both_databases() {
    for database in databases().await {
        let store = open(&database).await;
        let mut connection = store.writer().await.unwrap();
        for statement in sql::ALL {
            #[cfg(feature = "bench")]
            if std::ptr::eq(*statement, &raw const sql::FLOOR_APPEND) {
                // Its table is there only while the floor is measured.
                connection.execute(&sql::FLOOR_CREATE, &[]).await.unwrap();
            }
            if store.is_postgres() {
                connection.prepare(statement).await.unwrap_or_else(|error| panic!("{database}: {error}"));
                continue;
            }
            // SQLite prepares only the first statement of a text: each by itself.
            #[cfg(feature = "sqlite")]
            for part in parts(statement.sqlite()) {
                let part = Statement::twin(part, part);
                let error = |error| panic!("{database}: {error}:\n{}", part.sqlite());
                connection.prepare(&part).await.unwrap_or_else(error);
            }
        }
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn server_notices_soon_that_a_connection_is_dead() {
    static WATCHED: Statement = Statement::shared(
        "select current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'), \
         current_setting('tcp_keepalives_count'), current_setting('tcp_user_timeout')",
    );
    let database = support::fresh_postgres().await;
    let store = open(&database).await;
    for mut connection in [store.session().open().await.unwrap(), store.writer().await.unwrap()] {
        let row = connection.fetch_first(&WATCHED, &[]).await.unwrap().unwrap();
        let told = [0, 1, 2, 3].map(|column| row.text(column).unwrap().to_owned());
        assert_eq!(told, ["30", "10", "3", "30000"]);
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn scripts_for_sqlite_are_taken_apart_whole() {
    assert_eq!(parts(sql::RECORD.sqlite()).len(), 4);
    assert_eq!(parts(sql::SUBMIT.sqlite()).len(), 3);
    assert_eq!(parts(sql::CLAIM.sqlite()).len(), 1);
}

#[tokio::test]
async fn ten_processes_may_create_the_tables_at_once() {
    for database in databases().await {
        let opening = (0..10).map(|_| {
            let url = database.url.clone();
            tokio::spawn(
                async move { Store::open(&url, Options { pool_size: 1, ..Options::default() }).await },
            )
        });
        let mut stores = Vec::new();
        for opened in opening.collect::<Vec<_>>() {
            stores.push(opened.await.unwrap().unwrap_or_else(|error| panic!("{database}: {error}")));
        }
        let mut connection = stores[0].writer().await.unwrap();
        let template = values!["n", "t", "1.0.0", "digest", "{}", 1];
        connection.execute(&sql::PUT_TEMPLATE, template).await.unwrap();
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn new_file_that_somebody_else_changes_is_waited_for() {
    use sqlx::{ConnectOptions, Executor, sqlite::SqliteConnectOptions};

    let database = support::fresh_sqlite();
    let options: SqliteConnectOptions = database.url.parse().unwrap();
    let mut other = options.create_if_missing(true).connect().await.unwrap();
    other.execute("create table other (id); begin immediate").await.unwrap();
    let opening = tokio::spawn({
        let url = database.url.clone();
        async move { Store::open(&url, Options::default()).await }
    });
    // Long enough to be refused many times.
    for _ in 0..1000 {
        other.execute("select * from other").await.unwrap();
    }
    assert!(!opening.is_finished());
    other.execute("commit").await.unwrap();
    opening.await.unwrap().unwrap();
}

#[tokio::test]
async fn opening_again_changes_nothing() {
    for database in databases().await {
        let template = values!["n", "t", "1.0.0", "digest", "{}", 1];
        let first = open(&database).await;
        first.writer().await.unwrap().execute(&sql::PUT_TEMPLATE, template).await.unwrap();
        let second = open(&database).await;
        let of_version = values!["n", "t", "1.0.0"];
        let kept = second.reader().await.unwrap().fetch(&sql::TEMPLATE_VERSIONS, of_version).await.unwrap();
        assert_eq!(kept.len(), 1, "{database}");
    }
}

#[tokio::test]
async fn tables_of_a_newer_program_are_told_in_a_sentence_and_left_as_they_are() {
    for database in databases().await {
        let store = open(&database).await;
        let add = "insert into tasker.migrations (version, description, success, checksum, execution_time) \
                   values (9000, 'later', true, 'x', 0)";
        let bare = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                    values (9000, 'later', true, x'78', 0)";
        let add = Statement::twin(add, bare);
        store.writer().await.unwrap().execute(&add, &[]).await.unwrap();
        let refused = Store::open(&database.url, Options::default()).await.unwrap_err().to_string();
        let told = "the tables of the database have version 9000, and this program knows them up to version ";
        assert!(
            refused.starts_with(told) && refused.ends_with(": use a newer program"),
            "{database}: {refused}"
        );
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn role_that_may_not_create_a_schema_is_told_so_and_takes_one_that_was_made_for_it() {
    use sqlx::{AssertSqlSafe, ConnectOptions, Executor, postgres::PgConnectOptions};
    use support::{cluster::Cluster, fresh_on};

    // Of its own, because nobody may withhold a right from the superuser that a given server may be used by.
    let cluster = Cluster::start(false).unwrap();
    let database = fresh_on(cluster.url()).await;
    let options: PgConnectOptions = database.url.parse().unwrap();
    let (name, role) = (options.get_database().unwrap(), options.get_username());
    let mut connection = options.connect().await.unwrap();
    let withhold = format!("revoke create on database {name} from {role}");
    connection.execute(AssertSqlSafe(withhold.clone())).await.unwrap();
    let refused = Store::open(&database.url, Options::default()).await.unwrap_err().to_string();
    let told = format!(
        "the tables could not be brought up to date: permission denied for database {name}; the role needs the \
         right CREATE on the database"
    );
    assert!(refused.starts_with(&told) && !refused.contains(" at line "), "{refused}");
    let made = format!("grant create on database {name} to {role}; create schema tasker; {withhold}");
    sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut connection).await.unwrap();
    Store::open(&database.url, Options::default()).await.unwrap();
}
