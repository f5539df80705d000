//! What the database refuses: for a while, which costs nothing, or for what it says, which is recorded in another
//! form.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use support::{
    fresh_latin1, fresh_postgres, fresh_sqlite,
    stage::{retried, step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{StepError, api::Submission, model::TaskState, store, template::RetryOptions};

async fn beside(world: &World) -> PgConnection {
    let options: PgConnectOptions = world.database.url.parse().unwrap();
    options.connect().await.unwrap()
}

/// Has every session that begins from now on give up on locks soon.
async fn impatient(connection: &mut PgConnection) {
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut *connection).await.unwrap();
    let change = format!("alter database {name} set lock_timeout = '50ms'");
    connection.execute(AssertSqlSafe(change)).await.unwrap();
}

async fn rolled_back(connection: &mut PgConnection) -> i64 {
    let sql = "select xact_rollback from pg_stat_database where datname = current_database()";
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn results_wait_until_a_locked_table_is_free() {
    let template = template("locked", [step("a", &[]), step("b", &["a"]), step("c", &["b"])]);
    let world = World::on(fresh_postgres().await);
    let mut other = beside(&world).await;
    impatient(&mut other).await;
    let gate = world.stage.gate("b");
    let tasker = world.start(&template).await;
    let task = tasker.submit(Submission::to("test/locked")).await.unwrap();
    world.stage.wait_for("b", 1).await;
    let before = rolled_back(&mut beside(&world).await).await;
    let mut locked = other.begin().await.unwrap();
    locked.execute("lock table tasker.steps in exclusive mode").await.unwrap();
    gate.add_permits(1);
    let refused = || async {
        let tries = rolled_back(&mut beside(&world).await).await - before;
        (tries >= 3).then_some(())
    };
    eventually("several tries to be refused", refused).await;
    locked.commit().await.unwrap();
    let report = settled(&tasker, task).await;
    assert_eq!((report.state, &report.result), (TaskState::Complete, &json!("c")));
    for name in ["a", "b", "c"] {
        assert_eq!(world.stage.times(name).len(), 1, "{name} ran once");
    }
    assert_eq!(world.count("select count(*) from tasker.attempts").await, 0);
}

#[tokio::test]
async fn failure_that_a_database_has_no_place_for_is_an_attempt_like_any_other() {
    let quick = RetryOptions {
        max_attempts: Some(3),
        base: Some(Duration::from_millis(1)),
        max: Some(Duration::from_millis(1)),
        ..RetryOptions::default()
    };
    let template =
        template("unicode", [step("for_good", &[]), retried(step("again", &[]), quick), step("fine", &[])]);
    for database in [fresh_latin1().await, fresh_postgres().await, fresh_sqlite()] {
        let world = World::on(database);
        world.stage.on("for_good", |_| async { Err(StepError::permanent("UNI", "日本語")) });
        world.stage.on("again", |_| async { Err(StepError::retryable("UNI", "日本語 \u{0}")) });
        world.stage.on("fine", |_| async { Ok(json!("日本語")) });
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/unicode")).await.unwrap();
        let look = || async {
            world.clock.advance(Duration::from_millis(2));
            let report = tasker.show(task).await.unwrap().unwrap();
            (report.state == TaskState::BlockedByFailures).then_some(report)
        };
        let report = eventually("the task to be blocked", look).await;
        assert_eq!(world.stage.times("for_good").len(), 1, "{}", world.database);
        assert_eq!(world.stage.times("again").len(), 3, "{}", world.database);
        assert_eq!(world.stage.times("fine").len(), 1, "{}", world.database);
        let error = |name| report.step(name).unwrap().error.clone().unwrap().to_string();
        assert_eq!(error("for_good"), "UNI: 日本語", "{}", world.database);
        assert_eq!(error("again"), "UNI: 日本語 \u{0}", "{}", world.database);
        assert_eq!(report.step("fine").unwrap().result, json!("日本語"), "{}", world.database);
        let codes = "select error_code from tasker.step_states where error_code is not null";
        assert_eq!(world.column(codes).await, ["UNI", "UNI"], "{}", world.database);
    }
}

fn small() -> store::Options {
    store::Options { pool_size: 4, full_sync: false, max_payload_bytes: 10_000, ..store::Options::default() }
}

#[tokio::test]
async fn result_that_is_too_large_fails_its_own_step_and_says_what_to_do() {
    let template = template("large", [step("large", &[]), step("small", &[])]);
    for world in worlds().await {
        world.stage.on("large", |_| async { Ok(Value::from("x".repeat(9_999))) });
        world.stage.on("small", |_| async { Ok(Value::from("x".repeat(9_998))) });
        let tasker =
            world.builder(&[]).store_options(small()).template(template.clone()).start().await.unwrap();
        let task = tasker.submit(Submission::to("test/large")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::BlockedByFailures, "{}", world.database);
        let error = report.step("large").unwrap().error.clone().unwrap();
        assert_eq!(
            error.to_string(),
            "RESULT_TOO_LARGE: the result has 10001 bytes, at most 10000 are kept (`limits.max_payload_bytes`): \
             keep it elsewhere and pass on where it is",
            "{}",
            world.database
        );
        assert_eq!(report.step("small").unwrap().attempts, 1, "{}", world.database);
        assert_eq!(world.stage.times("large").len(), 1, "{}", world.database);
        let large = Submission::to("test/large").context(&"x".repeat(9_999)).unwrap();
        let refused = tasker.submit(large).await.unwrap_err().to_string();
        assert!(refused.contains("the context has 10001 bytes, at most 10000 are kept"), "{refused}");
    }
}
