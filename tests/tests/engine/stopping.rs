//! A process that stops neither wastes what others do for it, nor keeps anybody waiting.

use std::time::Duration;

use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker, api::Submission, handler::Registration, model::TaskState, registry::Registry, template::Template,
};

/// A process that holds tasks and has no handler for their steps.
async fn without_handlers(world: &World, template: &Template) -> Tasker {
    let builder = world.builder(&[("worker.drain_seconds", "3600")]);
    let builder = builder.registry(Registry::of(Vec::<Registration>::new())).partial(true);
    builder.template(template.clone()).start().await.unwrap()
}

/// Lets time pass until the query counts one row.
async fn one(world: &World, what: &str, sql: &str) {
    let seen = || async {
        world.clock.advance(Duration::from_millis(200));
        (world.count(sql).await == 1).then_some(())
    };
    eventually(what, seen).await;
}

#[tokio::test]
async fn lent_step_that_runs_elsewhere_comes_home_before_its_holder_has_stopped() {
    let template = template("homeward", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let bare = without_handlers(&world, &template).await;
        let task = bare.submit(Submission::to("test/homeward")).await.unwrap();
        let able = world.start(&template).await;
        one(&world, "the loan", "select count(*) from tasker.offers where taker is not null").await;
        world.stage.wait_for("a", 1).await;
        let stopping = tokio::spawn(bare.stop());
        tokio::task::yield_now().await;
        gate.add_permits(1);
        tokio::time::timeout(Duration::from_secs(120), stopping).await.unwrap().unwrap().unwrap();
        assert_eq!(world.count("select count(*) from tasker.steps").await, 1, "{}", world.database);
        let seen = || async {
            world.clock.advance(Duration::from_millis(200));
            able.show(task).await.unwrap().filter(|report| report.state == TaskState::Complete)
        };
        eventually("the task to be complete", seen).await;
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn offer_that_nobody_takes_keeps_nobody_from_stopping() {
    let template = template("unwanted", [step("a", &[])]);
    for world in worlds().await {
        let bare = without_handlers(&world, &template).await;
        let task = bare.submit(Submission::to("test/unwanted")).await.unwrap();
        one(&world, "the offer", "select count(*) from tasker.offers").await;
        // Far sooner than its handlers would be waited for.
        tokio::time::timeout(Duration::from_secs(120), bare.stop()).await.unwrap().unwrap();
        assert_eq!(world.count("select count(*) from tasker.offers").await, 0, "{}", world.database);
        let able = world.start(&template).await;
        assert_eq!(settled(&able, task).await.state, TaskState::Complete, "{}", world.database);
    }
}

#[tokio::test]
async fn process_that_takes_longer_to_stop_than_its_lease_keeps_what_it_runs() {
    let template = template("long", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let builder = world.builder(&[("worker.drain_seconds", "3600")]).template(template.clone());
        let first = builder.start().await.unwrap();
        let task = first.submit(Submission::to("test/long")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let second = world.start(&template).await;
        let stopping = tokio::spawn(first.stop());
        for _ in 0..40 {
            world.clock.advance(Duration::from_secs(1));
            let lately = world.clock.now().as_micros() - 9_000_000;
            let sql = format!("select count(*) from tasker.workers where seen_at >= {lately}");
            let seen = || async { (world.count(&sql).await == 2).then_some(()) };
            eventually("signs of life of both", seen).await;
        }
        gate.add_permits(1);
        stopping.await.unwrap().unwrap();
        assert_eq!(settled(&second, task).await.state, TaskState::Complete, "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn process_stops_though_the_database_does_not_answer() {
    use sqlx::Connection;
    let template = template("mute", [step("a", &[])]);
    for world in worlds().await {
        let gate = world.stage.gate("a");
        let tasker = world.builder(&[("worker.drain_seconds", "0")]).template(template.clone());
        let tasker = tasker.start().await.unwrap();
        tasker.submit(Submission::to("test/mute")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        // Another program locks everybody out.
        let url = &world.database.url;
        let (mut postgres, mut sqlite) = (None, None);
        if world.database.is_sqlite() {
            let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
            sqlx::raw_sql("begin immediate").execute(&mut connection).await.unwrap();
            sqlite = Some(connection);
        } else {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            let lock = "begin; lock table tasker.runs in access exclusive mode";
            sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
            postgres = Some(connection);
        }
        gate.add_permits(1);
        let mut stopping = std::pin::pin!(tasker.stop());
        let stopped = async {
            loop {
                tokio::select! {
                    stopped = &mut stopping => return stopped,
                    () = tokio::time::sleep(Duration::from_millis(5)) => world.clock.advance(Duration::from_secs(1)),
                }
            }
        };
        let stopped = tokio::time::timeout(Duration::from_secs(120), stopped).await;
        let stopped = stopped.unwrap_or_else(|_| panic!("{}: it never stops", world.database));
        assert!(stopped.is_err_and(|error| error.is_transient()), "{}", world.database);
        drop((postgres, sqlite));
    }
}
