//! Databases of earlier versions are brought up to date, with what is in them.

use sqlx::{
    Executor,
    migrate::{Migration, Migrator},
};
use support::{TestDatabase, databases};

use super::{Backend, Connection, Options, Store, migrations};
use crate::{
    Tasker,
    api::ProblemCode,
    model::{TaskNo, TaskState, Timestamp, WorkerId},
    orchestration::{claim, journal, recover, view},
};

/// The tables as they were after this many migrations, in a database that is otherwise empty.
async fn create(store: &Store, first: usize) {
    let first = |mut all: Vec<Migration>| {
        all.truncate(first);
        Migrator::with_migrations(all)
    };
    match &store.backend {
        Backend::Postgres { pool, .. } => {
            let mut migrator = first(migrations::for_postgres());
            migrator.dangerous_set_table_name("tasker.migrations");
            migrator.create_schema("tasker");
            migrator.run_direct(None, &mut *pool.acquire().await.unwrap(), false).await.unwrap();
        }
        Backend::Sqlite { writer, .. } => {
            let migrator = first(migrations::for_sqlite());
            migrator.run_direct(None, &mut writer.lock().await.connection, false).await.unwrap();
        }
    }
}

/// A task that waits, one that is held, one that is rolled back and held, one that is blocked, and one that is
/// over; of the second, a result and an attempt that failed.
const ROWS: &str = r#"
    insert into tasker.templates (namespace, name, version, digest, content, created_at)
    values ('n', 't', '1.0.0', 'd', '{"steps": [{"name": "a", "type": "standard"}]}', 1);
    insert into tasker.tasks (uuid, template_id, correlation_id, created_at, context)
    values ('00000000-0000-0000-0000-000000000001', 1, '00000000-0000-0000-0000-000000000001', 1, '1'),
        ('00000000-0000-0000-0000-000000000002', 1, '00000000-0000-0000-0000-000000000002', 1, '2'),
        ('00000000-0000-0000-0000-000000000003', 1, '00000000-0000-0000-0000-000000000003', 1, '3'),
        ('00000000-0000-0000-0000-000000000004', 1, '00000000-0000-0000-0000-000000000004', 1, '4'),
        ('00000000-0000-0000-0000-000000000005', 1, '00000000-0000-0000-0000-000000000005', 1, '5');
    insert into tasker.runs (task_id, run_at, owner, finished_at, lease, state, priority, queue, cause)
    values (1, 5, null, null, 0, 0, 3, 'n', null), (2, 5, 1, null, 1, 1, 0, 'n', null),
        (3, 5, 1, null, 2, 4, 0, 'n', 'failed'), (4, 9223372036854775807, null, null, 1, 3, 0, 'n', 'failed'),
        (5, 5, 1, 9, 1, 10, 0, 'n', null);
    insert into tasker.steps (task_id, started_at, finished_at, worker, step, attempt, result)
    values (2, 6, 7, 1, 0, 2, '"done"');
    insert into tasker.attempts (task_id, started_at, failed_at, retry_at, worker, step, attempt, error)
    values (2, 1, 2, 3, 1, 0, 1, '{"retryable": true, "code": "DOWN", "message": "no"}');
    insert into tasker.workers (name, started_at, seen_at, expires_at, handlers)
    values ('old', 1, 1, 10, '[]'), ('new', 1, 1, 1000, '[]')"#;

async fn fill(store: &Store) {
    match &store.backend {
        Backend::Postgres { pool, .. } => drop(pool.execute(sqlx::raw_sql(ROWS)).await.unwrap()),
        Backend::Sqlite { writer, .. } => {
            let rows = sqlx::AssertSqlSafe(ROWS.replace("tasker.", ""));
            writer.lock().await.connection.execute(sqlx::raw_sql(rows)).await.unwrap();
        }
    }
}

/// An old database with its rows, brought up to date.
async fn upgraded(database: &TestDatabase, first: usize) -> Store {
    let old = Store::open(&database.url, Options { migrate: false, ..Options::default() }).await.unwrap();
    create(&old, first).await;
    fill(&old).await;
    old.close().await;
    drop(old);
    Store::open(&database.url, Options::default()).await.unwrap()
}

async fn list(connection: &mut Connection, state: Option<TaskState>) -> Vec<view::TaskLine> {
    let wanted = view::Wanted { state, ..view::Wanted::default() };
    view::list(connection, &wanted, TaskNo(100), 100, 10).await.unwrap()
}

#[tokio::test]
async fn databases_of_earlier_versions_go_on_with_what_is_in_them() {
    for first in 1..=9 {
        for database in databases().await {
            let store = upgraded(&database, first).await;
            let mut connection = store.writer().await.unwrap();
            let lines = list(&mut connection, None).await;
            let states: Vec<TaskState> = lines.iter().rev().map(|line| line.state).collect();
            use TaskState::{BlockedByFailures, Compensating, Complete, InProgress, Pending};
            assert_eq!(
                states,
                [Pending, InProgress, Compensating, BlockedByFailures, Complete],
                "{database}"
            );
            for state in states {
                let found = list(&mut connection, Some(state)).await;
                assert_eq!(found.len(), 1, "{database}: {state}");
            }
            let late = Timestamp::from_micros(20);
            assert_eq!(recover::take_back_expired(&mut connection, late).await.unwrap(), 2, "{database}");
            let claimed = claim::claim(&mut connection, WorkerId(2), "n", late, 10).await.unwrap();
            let mut found: Vec<_> =
                claimed.iter().map(|c| (c.lease.task.0, c.takeovers, c.lease.epoch)).collect();
            found.sort_unstable();
            assert_eq!(found, [(1, 0, 1), (2, 1, 2), (3, 1, 3)], "{database}");
            let history =
                journal::of(&mut connection, claimed.iter().find(|c| c.lease.epoch == 2).unwrap().lease.task);
            let history = history.await.unwrap();
            assert_eq!((history.entries.len(), history.failures.len()), (1, 1), "{database}");
            let uuid = lines[0].uuid;
            let (task, _) = view::find(&mut connection, uuid).await.unwrap().unwrap();
            assert_eq!(task.origin, None, "{database}: nobody knows where it comes from");
            let lines = list(&mut connection, Some(Compensating)).await;
            assert_eq!(lines.len(), 1, "{database}: a takeover leaves the phase alone");
        }
    }
}

#[tokio::test]
async fn states_have_the_names_that_the_engine_has_for_them() {
    static STATES: super::Statement =
        super::Statement::shared("select code, name from tasker.task_states order by code");
    for database in databases().await {
        let store = Store::open(&database.url, Options::default()).await.unwrap();
        let rows = store.reader().await.unwrap().fetch(&STATES, &[]).await.unwrap();
        let stored: Vec<_> =
            rows.iter().map(|row| (row.int(0).unwrap(), row.text(1).unwrap().to_owned())).collect();
        let known: Vec<_> =
            TaskState::ALL.iter().map(|s| (i64::from(s.code()), s.as_str().to_owned())).collect();
        assert_eq!(stored, known, "{database}");
    }
}

#[tokio::test]
async fn tables_refuse_states_that_cannot_be() {
    let refused = [
        "update tasker.runs set state = 10 where task_id = 1",
        "update tasker.runs set finished_at = 5 where task_id = 1",
        "update tasker.runs set state = 6 where task_id = 1",
        "update tasker.runs set owner = null where task_id = 5",
        "update tasker.runs set lease = -1 where task_id = 1",
        "update tasker.steps set kind = 3",
        "update tasker.attempts set attempt = 0",
    ];
    for database in databases().await {
        let store = upgraded(&database, 3).await;
        let mut connection = store.writer().await.unwrap();
        for change in refused {
            let statement: &'static super::Statement = Box::leak(Box::new(super::Statement::shared(change)));
            let error = connection.execute(statement, &[]).await.unwrap_err();
            assert!(!error.is_transient(), "{database}: {change}: {error}");
        }
    }
}

#[tokio::test]
async fn open_tasks_are_looked_at_before_the_tables_are_brought_up_to_date() {
    static APPLIED: super::Statement = super::Statement::twin(
        "select count(*) from tasker.migrations",
        "select count(*) from _sqlx_migrations",
    );
    for first in 5..=9 {
        for database in databases().await {
            let old =
                Store::open(&database.url, Options { migrate: false, ..Options::default() }).await.unwrap();
            create(&old, first).await;
            fill(&old).await;
            let builder = Tasker::builder().database(&database.url).auto_discover(false);
            let tasker = builder.without_templates().without_migration().connect().await.unwrap();
            let open = tasker.in_flight().await.unwrap();
            assert_eq!((open.len(), open[0].tasks, &*open[0].template), (1, 4, "t"), "{database}");
            let examined = tasker.examine(false).await.unwrap();
            let gone = (ProblemCode::TemplateGone, 4);
            let found: Vec<_> =
                examined.problems.iter().map(|problem| (problem.code, problem.tasks)).collect();
            assert_eq!(found, [gone], "{database}: the content of these rows is not a template");
            tasker.stop().await.unwrap();
            let rows = old.reader().await.unwrap().fetch(&APPLIED, &[]).await.unwrap();
            let applied = usize::try_from(rows[0].int(0).unwrap()).unwrap();
            assert_eq!(applied, first, "{database}: the tables are as they were");
            old.close().await;
        }
    }
}
