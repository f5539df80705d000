//! Trouble that passes is no verdict on what was to be written: it is written once the trouble is over.

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection as _, Executor, PgConnection, postgres::PgConnectOptions,
};
use support::{TestDatabase, databases, fresh_postgres, fresh_sqlite};

use super::{
    super::{
        append::{self, Right},
        record,
        share::{self, Outcome, Wanted},
        view,
    },
    scene::{LEASE, Scene, T0, failure, result},
};
use crate::{
    model::{
        Attempt, Json, Lease, NoResult, Offer, Round, StepError, StepIndex, Target, TaskNo, TaskState,
        Timestamp,
    },
    store::{Session, Statement, sql, values},
};

/// A connection beside the engine's, for trouble.
pub(super) async fn beside(database: &TestDatabase) -> PgConnection {
    database.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

/// Changes a setting of a PostgreSQL database for every session that begins from now on.
async fn alter(connection: &mut PgConnection, change: &str) {
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut *connection).await.unwrap();
    connection.execute(AssertSqlSafe(format!("alter database {name} {change}"))).await.unwrap();
}

/// The result of the first step cannot be recorded while there is trouble, and is afterwards, once.
async fn records_once_it_is_over(
    scene: &Scene,
    session: &mut Session,
    batch: &record::Batch,
    over: impl AsyncFnOnce(),
) {
    for _ in 0..3 {
        let refused = record::record(session, scene.one, batch, T0).await.unwrap_err();
        assert!(refused.is_transient(), "{}: {refused}", scene.database);
    }
    over().await;
    // A connection that is to blame was dropped at the last refusal. On a busy machine one more try may be slow.
    let exceptions = loop {
        match record::record(session, scene.one, batch, T0).await {
            Ok(recorded) => break recorded.exceptions,
            Err(error) => assert!(error.is_transient(), "{}: {error}", scene.database),
        }
    };
    assert!(exceptions.lost.is_empty() && exceptions.stale.is_empty(), "{}: {exceptions:?}", scene.database);
    assert_eq!(scene.journal().await, ["1"], "{}", scene.database);
    assert_eq!(scene.failures().await, 0, "{}", scene.database);
}

#[tokio::test]
async fn locked_table_is_waited_for() {
    for setting in ["lock_timeout", "statement_timeout"] {
        let (scene, lease) = Scene::held(fresh_postgres().await).await;
        let mut other = beside(&scene.database).await;
        alter(&mut other, &format!("set {setting} = '30ms'")).await;
        let mut locked = other.begin().await.unwrap();
        locked
            .execute("set local statement_timeout = 0; lock table tasker.steps in exclusive mode")
            .await
            .unwrap();
        let batch = result(lease, "1");
        records_once_it_is_over(&scene, &mut scene.store.session(), &batch, async || {
            locked.commit().await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn server_that_only_reads_is_waited_for() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    let mut other = beside(&scene.database).await;
    alter(&mut other, "set default_transaction_read_only = on").await;
    let batch = result(lease, "1");
    records_once_it_is_over(&scene, &mut scene.store.session(), &batch, async || {
        alter(&mut other, "reset default_transaction_read_only").await;
    })
    .await;
}

#[tokio::test]
async fn statements_that_the_server_forgot_are_prepared_anew() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    let mut session = scene.store.session();
    // The statement is known to the session then.
    record::record(&mut session, scene.two, &result(lease, "0"), T0).await.unwrap();
    let mut connection = session.open().await.unwrap();
    static FORGET: Statement = Statement::shared("deallocate all");
    connection.execute(&FORGET, &[]).await.unwrap();
    session.keep(connection);
    let refused = record::record(&mut session, scene.one, &result(lease, "1"), T0).await.unwrap_err();
    assert!(refused.is_transient() && refused.code().as_deref() == Some("26000"), "{refused}");
    record::record(&mut session, scene.one, &result(lease, "1"), T0).await.unwrap();
    assert_eq!(scene.journal().await, ["1"]);
}

#[tokio::test]
async fn full_or_write_protected_file_is_waited_for() {
    static FULL: Statement = Statement::shared("pragma max_page_count = 1");
    static ROOM: Statement = Statement::shared("pragma max_page_count = 1000000");
    static PROTECT: Statement = Statement::shared("pragma query_only = on");
    static OPEN: Statement = Statement::shared("pragma query_only = off");
    for (trouble, over) in [(&FULL, &ROOM), (&PROTECT, &OPEN)] {
        let (scene, lease) = Scene::held(fresh_sqlite()).await;
        scene.store.writer().await.unwrap().fetch(trouble, &[]).await.unwrap();
        // More than the pages that are there have room for.
        let mut batch = result(lease, "1");
        let large = Json::of(&"x".repeat(200_000)).unwrap();
        batch.done[0].result = large.clone();
        let mut session = scene.store.session();
        for _ in 0..3 {
            let refused = record::record(&mut session, scene.one, &batch, T0).await.unwrap_err();
            assert!(refused.is_transient(), "{refused}");
        }
        scene.store.writer().await.unwrap().fetch(over, &[]).await.unwrap();
        assert!(
            record::record(&mut session, scene.one, &batch, T0).await.unwrap().exceptions.stale.is_empty()
        );
        assert_eq!(scene.journal().await, [large.as_str()]);
        assert_eq!(scene.failures().await, 0);
    }
}

/// A PostgreSQL database that has no place for most characters.
async fn latin() -> TestDatabase {
    support::fresh_latin1().await
}

fn says(text: &str) -> StepError {
    StepError::retryable("UNI", text).with_context(text)
}

#[tokio::test]
async fn attempts_are_recorded_whatever_the_database_has_no_place_for() {
    for database in [latin().await, fresh_postgres().await, fresh_sqlite()] {
        let (scene, lease) = Scene::held(database).await;
        for (number, text) in (1u32..).zip(["日本語 🗼", "a \u{0} in the text", "ü"]) {
            let mut batch = failure(lease);
            batch.ends.clear();
            batch.failed[0].attempt.number = number;
            batch.failed[0].came = NoResult::Failed(says(text));
            let exceptions = scene.record(scene.one, &batch).await;
            assert!(exceptions.lost.is_empty() && exceptions.stale.is_empty(), "{}: {text}", scene.database);
            let failures = scene.history().await.failures;
            let stored = &failures[number as usize - 1];
            let known = (stored.attempt, stored.came.error());
            assert_eq!(known, (number, Some(&says(text))), "{}", scene.database);
        }
        let mut connection = scene.store.reader().await.unwrap();
        static CODES: Statement =
            Statement::shared("select error_code from tasker.step_states where step = 'first'");
        let rows = connection.fetch(&CODES, &[]).await.unwrap();
        assert_eq!(rows[0].text(0).unwrap(), "UNI", "{}", scene.database);
        // And so is a result.
        assert!(!scene.record(scene.one, &result(lease, "\"日本語\"")).await.lost.contains(&lease.task));
        let entries = scene.history().await.entries;
        assert_eq!(entries[0].result.to_value(), "日本語", "{}", scene.database);
    }
}

#[tokio::test]
async fn errors_of_any_size_and_depth_keep_their_code_and_the_start_of_their_text() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let mut deep = serde_json::json!(1);
        for _ in 0..127 {
            deep = serde_json::json!([deep]);
        }
        let errors = [
            StepError::retryable("LONG", "ü".repeat(5_000_000)),
            StepError::retryable("LARGE", "much to say").with_context("x".repeat(5_000_000)),
            StepError::retryable("DEEP", "far down").with_context(deep),
            StepError::retryable("C".repeat(5_000_000), "a long code"),
        ];
        for (number, error) in (1u32..).zip(&errors) {
            let mut batch = failure(lease);
            batch.ends.clear();
            batch.failed[0].attempt.number = number;
            batch.failed[0].came = NoResult::Failed(error.clone());
            scene.record(scene.one, &batch).await;
        }
        let failures = scene.history().await.failures;
        let stored: Vec<_> = failures.iter().filter_map(|failure| failure.came.error()).collect();
        assert_eq!(stored.len(), 4, "{}", scene.database);
        assert!(stored[0].message().len() < 66_000, "{}", scene.database);
        assert!(stored[0].message().starts_with("üü") && stored[0].message().ends_with("of 10000000 bytes)"));
        assert_eq!((stored[1].code(), stored[1].message()), ("LARGE", "much to say"));
        assert_eq!(stored[1].context().unwrap(), "left out: 5000002 bytes, at most 65536 are stored");
        assert_eq!((stored[2].code(), stored[2].message()), ("DEEP", "far down"));
        assert_eq!(stored[2].context().unwrap(), "left out: nested too deeply");
        assert!(stored[3].code().len() < 300 && stored[3].message() == "a long code");
    }
}

#[tokio::test]
async fn rounds_are_recorded_whatever_the_database_has_no_place_for_and_earlier_ones_go() {
    for database in [latin().await, fresh_postgres().await, fresh_sqlite()] {
        let (scene, lease) = Scene::held(database).await;
        let round = |number: u32, text: &str| {
            let mut batch = failure(lease);
            batch.ends.clear();
            batch.failed[0].attempt.number = number;
            batch.failed[0].retry_at = Some(T0 + LEASE);
            batch.failed[0].came = NoResult::Again(Round { number, state: Json::of(text).unwrap() });
            batch
        };
        for (number, text) in (1u32..).zip(["日本語 🗼", "a \u{0} in the text", "ü"]) {
            let exceptions = scene.record(scene.one, &round(number, text)).await;
            assert!(exceptions.lost.is_empty() && exceptions.stale.is_empty(), "{}: {text}", scene.database);
            let failures = scene.history().await.failures;
            assert_eq!(failures.len(), 1, "{}", scene.database);
            let NoResult::Again(stored) = &failures[0].came else { panic!("{failures:?}") };
            let known = (stored.number, stored.state.to_value(), failures[0].retry_at);
            assert_eq!(known, (number, text.into(), Some(T0 + LEASE)), "{}", scene.database);
        }
        // Sent once more, because nobody knew whether it had arrived, and by one who has lost the lease.
        scene.record(scene.one, &round(3, "ü")).await;
        let exceptions = scene.record(scene.two, &round(4, "late")).await;
        assert_eq!(exceptions.lost.len(), 1, "{}", scene.database);
        assert_eq!(scene.history().await.failures[0].attempt, 3, "{}", scene.database);
    }
}

/// What came of step `step` of a task that worker one lent.
pub(super) fn outcome(
    scene: &Scene,
    lease: Lease,
    step: u32,
    result: Result<Json, (StepError, Option<Timestamp>)>,
) -> Outcome {
    let result = result.map_err(|(error, retry_at)| (NoResult::Failed(error), retry_at));
    let (step, started_at, finished_at) = (StepIndex::of(step), T0, T0 + LEASE);
    Outcome { lease, owner: scene.one, step, attempt: 1, started_at, finished_at, result, published: None }
}

/// Worker two has these steps on loan.
pub(super) async fn lend(scene: &Scene, lease: Lease, steps: &[u32]) {
    let target = Target { handler: "h".into(), namespace: None, queue: Some("test".into()) };
    let offer = |step: &u32| Offer {
        attempt: Attempt { lease, step: StepIndex::of(*step), number: 1 },
        offered_at: T0,
        target: target.clone().into(),
    };
    let offers: Vec<Offer> = steps.iter().map(offer).collect();
    share::offer(&mut scene.store.session(), scene.one, &offers).await.unwrap();
    let wanted = Wanted { target: target.clone(), compensation: false }.to_text();
    let mut connection = scene.store.writer().await.unwrap();
    let taken = share::take(&mut connection, scene.two, &wanted, 10).await.unwrap();
    assert_eq!(taken.len(), steps.len(), "{}", scene.database);
}

#[tokio::test]
async fn lent_outcomes_are_recorded_together_and_as_held_ones_are() {
    for database in [latin().await, fresh_postgres().await, fresh_sqlite()] {
        let (scene, lease) = Scene::held(database).await;
        lend(&scene, lease, &[0, 1]).await;
        let outcomes = [
            outcome(&scene, lease, 0, Ok(Json::from_text("\"日本語\"").unwrap())),
            outcome(&scene, lease, 1, Err((says("日本語"), Some(T0 + LEASE)))),
        ];
        let mut connection = scene.store.writer().await.unwrap();
        let written = share::give_back(&mut connection, scene.two, &outcomes).await.unwrap();
        assert_eq!(written, [true, true], "{}", scene.database);
        // The loan has ended.
        let again = share::give_back(&mut connection, scene.two, &outcomes).await.unwrap();
        assert_eq!(again, [false, false], "{}", scene.database);
        assert_eq!(share::borrowed(&mut connection, scene.two).await.unwrap(), [], "{}", scene.database);
        drop(connection);
        let history = scene.history().await;
        assert_eq!(history.entries[0].result.to_value(), "日本語", "{}", scene.database);
        assert_eq!(history.failures[0].came.error(), Some(&says("日本語")), "{}", scene.database);
    }
}

#[tokio::test]
async fn lent_outcomes_wait_for_a_locked_table_too() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    lend(&scene, lease, &[0]).await;
    let mut other = beside(&scene.database).await;
    alter(&mut other, "set lock_timeout = '30ms'").await;
    let mut locked = other.begin().await.unwrap();
    locked.execute("lock table tasker.steps in exclusive mode").await.unwrap();
    let outcomes = [outcome(&scene, lease, 0, Ok(Json::from_text("1").unwrap()))];
    // A session, because the connections of the pool began before the setting.
    let mut session = scene.store.session();
    for _ in 0..2 {
        let refused =
            session.run(async |c| share::give_back(c, scene.two, &outcomes).await).await.unwrap_err();
        assert!(refused.is_transient(), "{refused}");
    }
    locked.commit().await.unwrap();
    let written = session.run(async |c| share::give_back(c, scene.two, &outcomes).await).await.unwrap();
    assert_eq!((written, scene.journal().await), (vec![true], vec!["1".to_owned()]));
}

#[tokio::test]
async fn task_that_cannot_be_read_is_set_aside_and_no_other() {
    let broken = [
        ("update tasker.attempts set step = -5", "-5 in attempts.step is not the number of a step"),
        ("update tasker.attempts set step = 1 << 14", ""),
        ("update tasker.attempts set error = '[]'", "text in attempts.error is not an error"),
    ];
    for (change, problem) in broken {
        for database in databases().await {
            let (scene, lease) = Scene::held(database).await;
            let mut batch = failure(lease);
            batch.ends.clear();
            scene.record(scene.one, &batch).await;
            let other = scene.add_task().await;
            let mut connection = scene.store.writer().await.unwrap();
            let statement: &'static Statement = Box::leak(Box::new(Statement::shared(change)));
            connection.execute(statement, &[]).await.unwrap();
            drop(connection);
            scene.take_over().await;
            let claimed = scene.claim_later(scene.two).await;
            if problem.is_empty() {
                // A number that a step may have, which this template has none for.
                let history = &claimed.iter().find(|c| c.uuid == scene.task).unwrap().history;
                assert!(history.unknown_step(&super::scene::rules()).is_some(), "{}", scene.database);
                continue;
            }
            assert_eq!(claimed.iter().map(|c| c.uuid).collect::<Vec<_>>(), [other], "{}", scene.database);
            let mut connection = scene.store.writer().await.unwrap();
            let blocked =
                view::Wanted { state: Some(TaskState::BlockedByFailures), ..view::Wanted::default() };
            let blocked = view::list(&mut connection, &blocked, TaskNo(100), 100, 10).await.unwrap();
            assert_eq!(blocked.iter().map(|line| line.uuid).collect::<Vec<_>>(), [scene.task]);
            let row =
                connection.fetch_first(&sql::DEAD_LETTER, values![lease.task.0]).await.unwrap().unwrap();
            let reason = row.text(0).unwrap();
            assert!(reason.contains(problem) && reason.ends_with("(task 1)"), "{}: {reason}", scene.database);
            drop(connection);
            let cancelled = scene.ask(&crate::model::Command::Cancel).await;
            assert!(cancelled.is_ok(), "{}: {cancelled:?}", scene.database);
        }
    }
}

#[tokio::test]
async fn whoever_has_no_right_appends_nothing() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let entries: Vec<append::Entry> = failure(lease).failed.iter().map(append::Entry::from).collect();
        let mut connection = scene.store.writer().await.unwrap();
        for right in [Right::of(scene.two), Right::of_operator(None), Right::of_operator(Some(scene.two))] {
            let appended = append::append(&mut connection, right, &entries).await.unwrap();
            assert!(appended.covered.is_empty(), "{}: {right:?}", scene.database);
        }
        drop(connection);
        assert_eq!(scene.failures().await, 0, "{}", scene.database);
    }
}
