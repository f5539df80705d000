//! Every statement is one both databases understand, whatever their tables hold.

use support::{TestDatabase, databases, fresh_postgres};

use super::{Connection, Options, PINNED_PLANS, Statement, Store, sql, values};

async fn open(database: &TestDatabase) -> Store {
    Store::open(&database.url, Options::default()).await.unwrap()
}

/// The statements of a script for SQLite, without those that only begin and end its transaction.
fn parts(script: &str) -> Vec<&'static str> {
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
            if std::ptr::eq(*statement, &raw const sql::FLOOR_APPEND) {
                // Its table is there only while the floor is measured.
                connection.execute(&sql::FLOOR_CREATE, &[]).await.unwrap();
            }
            if store.is_postgres() {
                connection.prepare(statement).await.unwrap_or_else(|error| panic!("{database}: {error}"));
                continue;
            }
            // SQLite prepares only the first statement of a text: each by itself.
            for part in parts(statement.sqlite()) {
                let part = Statement::twin(part, part);
                let error = |error| panic!("{database}: {error}:\n{}", part.sqlite());
                connection.prepare(&part).await.unwrap_or_else(error);
            }
        }
    }
}

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

/// Runs statements that take no values, one after the other.
async fn run(connection: &mut Connection, text: String) {
    let Connection::Postgres(connection) = connection else { panic!("this needs PostgreSQL") };
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut **connection).await.unwrap();
}

/// The plan PostgreSQL follows for a statement of any values.
async fn plan(connection: &mut Connection, statement: &Statement, values: &str) -> String {
    run(connection, format!("prepare looked_at as {}", statement.postgres())).await;
    let Connection::Postgres(postgres) = connection else { panic!("this needs PostgreSQL") };
    let explain = sqlx::AssertSqlSafe(format!("explain execute looked_at ({values})"));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut **postgres).await.unwrap();
    let line = |row: &sqlx::postgres::PgRow| sqlx::Row::get_unchecked::<String, _>(row, 0);
    let plan: Vec<String> = rows.iter().map(line).collect();
    run(connection, "deallocate looked_at".to_owned()).await;
    plan.join("\n")
}

/// Claim and record of any values go by index, row by row.
async fn plans_go_by_index(connection: &mut Connection, statistics: &str) {
    let ints = "array[1,2]";
    let claim = plan(connection, &sql::CLAIM, "'test', 1, 1, 500").await;
    let record = format!(
        "{ints}, {ints}, {ints}, {ints}, {ints}, {ints}, array['1', '2'], \
         {ints}, {ints}, {ints}, {ints}, {ints}, array['', ''], 1"
    );
    let record = plan(connection, &sql::RECORD, &record).await;
    let failures = format!("{ints}, {ints}, {ints}, {ints}, {ints}, {ints}, {ints}, array['1', '2'], 1");
    let failures = plan(connection, &sql::RECORD_FAILURES, &failures).await;
    for (name, plan, index) in [
        ("claim", &claim, "Index Scan using runs_queue on runs"),
        ("claim", &claim, "Index Scan using runs_pkey on runs"),
        ("claim", &claim, "Index Scan using tasks_pkey on tasks"),
        ("record", &record, "Index Scan using runs_pkey on runs"),
        ("record_failures", &failures, "Index Scan using runs_pkey on runs"),
    ] {
        assert!(plan.contains(index), "{statistics}: {name} without {index}:\n{plan}");
        for slow in ["Seq Scan on", "Hash Join", "Merge Join", "Bitmap Heap Scan on", "Sort  ("] {
            assert!(!plan.contains(slow), "{statistics}: {name} with {slow}:\n{plan}");
        }
    }
}

const HUNDRED_THOUSAND_TASKS: &str = "
    insert into tasker.tasks (uuid, template_id, correlation_id, created_at, context)
    select md5(n::text)::uuid, 1, md5(n::text)::uuid, n, '{}' from generate_series(1, 100000) n;
    insert into tasker.runs (task_id, run_at, queue, owner, finished_at, state)
    select n, n, 'test', case when n % 2 = 0 then 1 end, case when n % 2 = 0 then n end, n % 2
    from generate_series(1, 100000) n;
    insert into tasker.steps (task_id, started_at, finished_at, worker, step, attempt, result)
    select n, n, n, 1, 0, 1, '1' from generate_series(2, 100000, 2) n;";

#[tokio::test]
async fn claim_and_record_go_by_index_whatever_the_statistics_say() {
    let database = fresh_postgres().await;
    let store = open(&database).await;
    let mut session = store.session();
    let mut connection = session.open().await.unwrap();
    // The statistics are to be as old as the test says.
    for table in ["tasks", "runs", "steps", "attempts", "workers"] {
        run(&mut connection, format!("alter table tasker.{table} set (autovacuum_enabled = off)")).await;
    }
    plans_go_by_index(&mut connection, "no statistics, no rows").await;
    run(&mut connection, "analyze".to_owned()).await;
    run(&mut connection, HUNDRED_THOUSAND_TASKS.to_owned()).await;
    plans_go_by_index(&mut connection, "statistics from before the rows").await;
    run(&mut connection, "vacuum analyze".to_owned()).await;
    plans_go_by_index(&mut connection, "fresh statistics").await;
    run(&mut connection, "delete from tasker.runs where task_id > 10".to_owned()).await;
    plans_go_by_index(&mut connection, "statistics of many rows that are gone").await;
}

#[tokio::test]
async fn plans_are_pinned_because_they_would_not_stay() {
    let database = fresh_postgres().await;
    let store = open(&database).await;
    let mut session = store.session();
    let mut connection = session.open().await.unwrap();
    for setting in ["plan_cache_mode", "enable_hashjoin", "enable_mergejoin", "enable_seqscan"] {
        assert!(PINNED_PLANS.contains(setting));
        let Connection::Postgres(postgres) = &mut connection else {
            panic!("a session has a connection of its own")
        };
        let show = sqlx::AssertSqlSafe(format!("show {setting}"));
        let value: String = sqlx::query_scalar(show).fetch_one(&mut **postgres).await.unwrap();
        let meant = if setting == "plan_cache_mode" { "force_generic_plan" } else { "off" };
        assert_eq!(value, meant, "{setting}");
    }
}
